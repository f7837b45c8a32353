# needs: ed zip unzip patch diff file
printf 'a\none\ntwo\n.\n1,$s/o/0/g\n1,$p\nw file\n!echo from ed\nq\n' | ed -s 2>&1
cp file other; echo three >> other; diff -u --label a --label b file other > change; patch -s file change && cmp file other && echo patched; diff -q file /etc/passwd; echo $?
mkdir in && seq 100 > in/numbers && zip -q -X -r archive.zip in && rm -r in && unzip -q archive.zip && md5sum in/numbers; unzip -t archive.zip | tail -n 1
file -b --mime-type /bin/sh /etc/passwd archive.zip in
nice -n 5 nice; nohup true < /dev/null 2> /dev/null; echo $?; stdbuf -oL echo line; timeout -s KILL 0.1 sleep 5; echo $?; env -i A=b env; setsid -w sh -c 'exit 6'; echo $?
flock lock -c 'flock -n lock -c true; echo locked $?'; mkfifo pipe; (cat pipe | wc -c) & seq 1000 > pipe; wait; expr 6 \* 7; factor 1000003; numfmt --to=iec 1048576; test -p pipe && echo pipe; od -An -tx1 -N4 /bin/sh; base64 < change | base64 -d | cmp - change && echo same
