# needs: cc make autoconf automake pkg-config bison flex setsid unshare
# The Linux Test Project: tests of the kernel's calls, and of what POSIX says of them; from the checkout that $INTERCEPTOR_LTP
# names. As root most of them can run. A test has passed when it ends with 0.

# What changes the clock, mounts or the machine for everybody else, and what formats devices.
others='^(reboot|settimeofday|clock_settime|stime|adjtimex|clock_adjtime|leapsec|swap|mount|umount|fsmount|fsopen|fspick|fsconfig|
move_mount|open_tree|mount_setattr|statmount|listmount|quotactl|acct|vhangup|sethostname|setdomainname|kexec|delete_module|
init_module|finit_module|pivot_root|ioperm|iopl|syslog|fanotify|copy_file_range|fallocate|fsync|sync|creat09|preadv03|pwritev03|
ioctl_loop|lchown03|ftruncate04|inotify0[78]|sendfile09|statx|unlink09|rename|utime|utimensat|chmod|fchmod|setxattr|getxattr|
statfs|fstatfs|mkdir|link08|linkat02|mknod07|mknodat02|open12|openat02|rmdir02|readahead|msgstress|setsockopt11|ioctl_ficlone)'
others=$(printf %s "$others" | tr -d '\n')

report() {
  timeout -s KILL 60 setsid -w sh -c "$2" > log 2>&1 < /dev/null
  status=$?
  if [ $status = 0 ]; then echo "ok $1"; else echo "not ok $1: $status"; fi
}

case $1 in
build)
  [ -e "$2/built" ] && exit
  [ -d "$INTERCEPTOR_LTP" ] || { echo "INTERCEPTOR_LTP=DIRECTORY, a checkout of the Linux Test Project"; exit 77; }
  cp -r "$INTERCEPTOR_LTP/." "$2" && cd "$2" || exit 1
  # Some need libraries that are not here; the others are built.
  { make autotools && ./configure && make include-all lib-all libs-all; make -k -j"$(nproc)" -C testcases/kernel/syscalls
    cd testcases/open_posix_testsuite && ./configure && make -k -j"$(nproc)" conformance-all; } > "$2/log.of.the.build" 2>&1
  touch "$2/built" ;;
run)
  # Names of shared memory, queues and semaphores are the same in all runs, of which there may be several at a time.
  if [ -z "$APART" ] && [ "$(id -u)" = 0 ]; then
    APART=yes exec unshare --ipc --mount sh -c 'mount -t tmpfs tmpfs /dev/shm && exec sh "$0" "$@"' "$0" "$@"
  fi
  ulimit -c 0
  kind=${3% *} letters=${3#* }
  export LTPROOT="$2" TMPDIR="$PWD" KCONFIG_SKIP_CHECK=1 LTP_RUNTIME_MUL=0.1 LTP_COLORIZE_OUTPUT=0
  case $kind in
  calls)
    PATH=$(find "$2/testcases/kernel/syscalls" -mindepth 1 -type d | tr '\n' :)$PATH
    grep "^$letters" "$2/runtest/syscalls" | grep -vE "$others" | while read -r name command; do
      command -v "${command%% *}" > /dev/null && report "$name" "$command"
    done ;;
  posix)
    for test in "$2"/testcases/open_posix_testsuite/conformance/interfaces/$letters*/*.run-test; do
      name=${test##*/}
      echo "$name" | grep -q '^clock_settime' || report "${name%.run-test}" "cd '${test%/*}' && ./$name"
    done ;;
  esac ;;
esac
