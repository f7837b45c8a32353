# needs: python3 curl
mkdir www && seq 10000 > www/numbers && cd www
cat > ../server.py <<'PYTHON'
import http.server, os, signal, sys, threading
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
http.server.SimpleHTTPRequestHandler.log_message = lambda *_: None
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
with open("../port.new", "w") as file: file.write(str(server.server_port))
os.rename("../port.new", "../port")
server.serve_forever(); print("served"); sys.exit(3)
PYTHON
/usr/bin/python3 ../server.py & server=$!
for i in $(seq 1000); do [ -f ../port ] && break; sleep 0.05; done
url="http://127.0.0.1:$(cat ../port)"
for i in 1 2 3 4; do curl -sS "$url/numbers" | md5sum & done; wait %2 %3 %4 %5 2> /dev/null
curl -sS -Z -o one "$url/numbers" -o two "$url/numbers" 2> /dev/null; cmp one two && echo same; curl -sS -o /dev/null -w '%{http_code}\n' "$url/none"
kill -TERM $server; wait $server; echo $?
