# needs: /usr/sbin/named dig python3
# heavy: yes
port="$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
printf '$TTL 60\n@ IN SOA a. b. 1 2 3 4 5\n@ IN NS a.\nname IN A 192.0.2.1\n' > zone
cat > config <<EOF
options {
    directory "$PWD"; listen-on port $port { 127.0.0.1; }; listen-on-v6 { none; };
    recursion no; pid-file none; session-keyfile none;
};
controls {};
zone "test." { type master; file "$PWD/zone"; };
EOF
/usr/sbin/named -g -c config 2> log & server=$!
ask() { dig +short +tries=1 +time=2 @127.0.0.1 -p "$port" name.test. "$@"; }
for i in $(seq 100); do [ "$(ask)" = 192.0.2.1 ] && break; sleep 0.1; done
for i in $(seq 20); do ask; ask +tcp; done | sort | uniq -c
kill $server; wait $server; echo $?
