# needs: find tar gzip awk sed
find /usr/include -name '*.h' | sort | md5sum
tar cf - -C /usr/include linux 2> /dev/null | gzip -n | md5sum
awk 'BEGIN { while (("echo a b c" | getline line) > 0) print line; print system("exit 3") }'
sed -n '1,3p' /etc/passwd | cut -d: -f1
dd if=/dev/zero bs=1 count=3000 status=none | md5sum
xargs -P 4 -n 1 echo < /etc/hostname | wc -l
