# needs: nginx curl
mkdir -p html logs temp
echo page > html/index.html
head -c 300000 /dev/zero > html/big
cat > nginx.conf <<EOF
daemon off; worker_processes 2; pid $PWD/pid; error_log $PWD/error.log;
events { worker_connections 64; }
http {
    access_log $PWD/access.log;
    client_body_temp_path $PWD/temp; proxy_temp_path $PWD/temp; fastcgi_temp_path $PWD/temp;
    uwsgi_temp_path $PWD/temp; scgi_temp_path $PWD/temp;
    server { listen unix:$PWD/socket; root $PWD/html; sendfile on; }
}
EOF
chmod -R a+rwX .
nginx -e "$PWD/error.log" -c "$PWD/nginx.conf" &
for i in $(seq 1000); do curl -s -o /dev/null --unix-socket socket http://localhost/ && break; sleep 0.05; done
for i in 1 2 3 4 5; do curl -sS --unix-socket socket http://localhost/; done
curl -sS --unix-socket socket http://localhost/big | wc -c
curl -sS -o /dev/null -w '%{http_code}\n' --unix-socket socket http://localhost/none
kill -HUP "$(cat pid)"; sleep 0.3
curl -sS --unix-socket socket http://localhost/
kill -QUIT "$(cat pid)"; wait; echo $?
