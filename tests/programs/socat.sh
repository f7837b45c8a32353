# needs: socat
socat UNIX-LISTEN:socket,fork SYSTEM:'tr a-z A-Z' & server=$!
for i in $(seq 100); do [ -S socket ] && break; sleep 0.05; done
for i in 1 2 3; do echo "line $i" | socat -t 5 - UNIX-CONNECT:socket; done
socat -u OPEN:/usr/include/linux/errno.h,rdonly - | md5sum; echo through | socat - EXEC:cat,pty,raw,echo=0 | tr -d '\r'
socat -T 0.2 PIPE:fifo /dev/null; echo $?; socat - UNIX-CONNECT:none 2> /dev/null; echo $?
kill -TERM $server; wait $server; echo $?
