# needs: busybox
# Where it is linked statically it runs untouched, which is said once.
busybox sh -c '
for i in 1 2 3; do (echo $i | busybox cat); done
busybox seq 1000 | busybox sort -r | busybox awk "{ s += \$1 } END { print s }"
busybox tar cf - -C /usr/include linux/types.h linux/time.h | busybox tar tf -
busybox dd if=/dev/zero bs=1000 count=30 2> /dev/null | busybox md5sum
busybox sleep 0.05 & wait; echo waited
trap "echo usr1" USR1; kill -USR1 $$
busybox find /usr/include/linux -name "t*.h" | busybox wc -l
busybox timeout 1 busybox true; exit 9' 2> error; echo $?
grep -v 'is statically linked' error; true
