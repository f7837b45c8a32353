# needs: fakeroot tar
# A library of somebody else's preloaded beside ours, and a daemon that answers it.
fakeroot sh -c 'touch file && chown 123:456 file && mknod device c 1 3 && stat -c "%u %g %F" file device && tar cf archive.tar file && id -u; echo $LD_PRELOAD | grep -c fakeroot'; echo $?
tar tvf archive.tar | awk '{ print $2, $6 }'; stat -c %F device
