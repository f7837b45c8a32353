# needs: xz zstd bzip2 gzip tar
find /usr/include/linux -name '*.h' | sort | head -n 200 > list
tar cf archive.tar --sort=name --mtime=@0 --owner=0 --group=0 -T list 2> /dev/null; md5sum < archive.tar
for tool in 'gzip -n' bzip2 'xz -T2 -1' 'zstd -q -T2'; do $tool -k -c archive.tar > archive.packed; ${tool%% *} -d -c archive.packed | cmp - archive.tar && echo "$tool $?"; done
tar cf - -T list 2> /dev/null | zstd -q -T2 | zstd -q -d | tar tf - | wc -l
tar czf archive.tar.gz --use-compress-program='gzip -n' -T list 2> /dev/null; mkdir out && tar xf archive.tar.gz -C out && find out -type f | wc -l
head -c 1000 archive.packed | zstd -q -d > /dev/null 2>&1; echo $?
