# needs: memcached python3
chmod 755 .; memcached -u "$(id -un)" -t 4 -s "$PWD/socket" -a 777 -P "$PWD/pid" 2> log & server=$!
for i in $(seq 1000); do [ -S socket ] && break; sleep 0.05; done
/usr/bin/python3 - <<'PYTHON'
import socket, threading, time
def connected():
    while True: # it has a name before it is listened to
        s = socket.socket(socket.AF_UNIX)
        try: s.connect("socket"); return s
        except ConnectionRefusedError: time.sleep(0.05)
def client(n):
    s = connected(); f = s.makefile("rwb", buffering=0)
    for i in range(100):
        value = b"%d-%d" % (n, i)
        f.write(b"set key%d.%d 0 0 %d\r\n%s\r\n" % (n, i, len(value), value)); assert f.readline() == b"STORED\r\n"
    for i in range(100):
        f.write(b"get key%d.%d\r\n" % (n, i)); f.readline(); assert f.readline() == b"%d-%d\r\n" % (n, i); f.readline()
    counts.append(n)
counts = []
threads = [threading.Thread(target=client, args=(n,)) for n in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
print(sorted(counts))
s = connected(); f = s.makefile("rwb", buffering=0); f.write(b"stats\r\n")
print([line for line in iter(f.readline, b"END\r\n") if b"curr_items" in line or b"cmd_get" in line])
PYTHON
kill -TERM $server; wait $server; echo $?
