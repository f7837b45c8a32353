# needs: socat
socat UNIX-LISTEN:socket,fork SYSTEM:'tr a-z A-Z' & server=$!
for i in $(seq 1000); do [ -S socket ] && break; sleep 0.05; done
for i in 1 2 3; do echo "line $i" | socat -t 100 - UNIX-CONNECT:socket,retry=1000,interval=0.05; done
socat -u OPEN:/usr/include/linux/errno.h,rdonly - | md5sum; echo through | socat - EXEC:cat,pty,raw,echo=0 | tr -d '\r'
socat -T 0.2 PIPE:fifo /dev/null; echo $?; socat - UNIX-CONNECT:none 2> /dev/null; echo $?
kill -TERM $server; wait $server; echo $?
