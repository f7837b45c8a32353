# needs: stress-ng setpriv
# Births and deaths of all kinds, with many of the flags that the kernel knows. What executes programs refuses to be
# root; what that user cannot read ld.so cannot preload, and says so where the log goes.
mkdir own; user=
if [ "$(id -u)" = 0 ]; then chown 65534:65534 own; user='setpriv --reuid 65534 --regid 65534 --clear-groups'; fi
cd own
stress() {
  timeout -s KILL 60 $user stress-ng --temp-path "$PWD" --timeout 30 --oomable --verify "$@" > log 2>&1
  echo "$*: $?"
  sed -n 's/.*\(successful run completed\).*/\1/p; s/.*\(fail: .*\|skipping.*\|unsuccessful\)/\1/p' log
}
stress --fork 2 --fork-ops 200
stress --vfork 2 --vfork-ops 200
stress --pthread 2 --pthread-ops 400
stress --exec 1 --exec-max 4 --exec-ops 60
stress --spawn 2 --spawn-ops 60
stress --zombie 1 --zombie-ops 100
stress --daemon 1 --daemon-ops 20
stress --clone 1 --clone-ops 60
