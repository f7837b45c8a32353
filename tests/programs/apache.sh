# needs: /usr/sbin/apache2 curl python3
# heavy: yes
# Each of its ways to serve: processes, threads, and threads that wait for many clients; a new configuration; an end.
mkdir www; echo page > www/page; chmod -R a+rX .
port="$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
for way in prefork worker event; do
    cat > "$way.conf" <<EOF
ServerName here
ServerRoot $PWD
Listen 127.0.0.1:$port
PidFile $PWD/$way.pid
ErrorLog $PWD/log
LoadModule mpm_${way}_module /usr/lib/apache2/modules/mod_mpm_$way.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
DocumentRoot $PWD/www
User www-data
EOF
    setsid /usr/sbin/apache2 -f "$PWD/$way.conf" -DFOREGROUND & server=$!
    for i in $(seq 200); do curl -s -o got "127.0.0.1:$port/page" && break; sleep 0.05; done
    for i in $(seq 30); do curl -sS "127.0.0.1:$port/page"; done | sort | uniq -c
    kill -USR1 $server; sleep 1; curl -sS --retry 5 --retry-connrefused "127.0.0.1:$port/page"
    kill -TERM $server; wait $server; echo "$way $?"
done
