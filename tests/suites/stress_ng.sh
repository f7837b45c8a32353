# needs: stress-ng setpriv
# Each stressor by itself, checking what it does. It has passed when it says so and has done something: as much as is
# asked for, or what there is time for. What executes programs refuses to be root.
case $1 in
run)
  user=
  if [ "$(id -u)" = 0 ]; then
    mkdir own; chown 65534:65534 own; cd own || exit 1
    user='setpriv --reuid 65534 --regid 65534 --clear-groups'
  fi
  for stressor in ${4:-$3}; do
    $user stress-ng --temp-path "$PWD" --timeout 15 --oomable --verify --metrics-brief \
      --"$stressor" 1 --"$stressor-ops" 100 > log 2>&1
    status=$?
    cat log
    done=$(sed -n "s/.*metrc: \[[0-9]*\] $stressor  *\([0-9]*\) .*/\1/p" log)
    if [ $status = 0 ] && [ "${done:-0}" -gt 0 ]; then echo "ok $stressor"; else echo "not ok $stressor: $status"; fi
  done ;;
esac
