# needs: python3
# CPython's own tests, as Debian packs them (libpython3.11-testsuite), by their own runner and its report.
python=/usr/bin/python3
case $1 in
build)
  for module in $3; do $python -c "import test.$module" || exit 77; done ;;
run)
  # shellcheck disable=SC2086 # several words
  exec $python -m test --junit-xml "$REPORT" $4 $3 ;;
esac
