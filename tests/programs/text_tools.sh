# needs: gawk sed sort grep join comm paste
grep -r --include='*.h' -c struct /usr/include/linux | sort --parallel=2 -t: -k2,2nr -k1,1 | head -n 5
seq 200000 | sort -R --random-source=/dev/zero | sort --parallel=2 -S 1M -n | md5sum
find /usr/include/linux -name '*.h' -print0 | xargs -0 grep -l ioctl | sort | md5sum
gawk 'BEGIN { cmd = "sort -n"; for (i = 10; i; i--) print i |& cmd; close(cmd, "to"); while ((cmd |& getline x) > 0) s = s " " x; print s; close(cmd)
  "date -u -d @0 +%Y" | getline year; print year; print system("exit 4"); printf "%s\n", strftime("%H", 0, 1) }'
seq 10 > a; seq 5 15 > b; sort a > sa; sort b > sb; comm -12 sa sb | paste -sd+ | tee sum; join sa sb | wc -l
sed -i -e '2d;s/^/x/' a && sed -n '$=' a && tac a | nl | tail -n 1
split -n l/3 b part. && cat part.* | cmp - b && ls part.*
tr -dc 0-9 < /usr/include/linux/errno.h | fold -w 10 | uniq -c | sort | head -n 3
cut -d: -f1 /etc/passwd | head -n 2 | tee >/dev/null /dev/stderr; shuf -i 1-10 --random-source=/dev/zero | sort -n | head -n 1
