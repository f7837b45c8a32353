# needs: haproxy curl
# heavy: yes
# A process that keeps workers, executes itself anew, and hands its sockets on.
cat > config <<EOF
global
    nbthread 4
defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 5s
frontend all
    bind unix@$PWD/socket
    http-request return status 200 content-type text/plain string hello
EOF
haproxy -W -f config 2> log & server=$!
ask() { curl -s --unix-socket socket http://localhost/; }
for i in $(seq 200); do ask > got && break; sleep 0.05; done
for i in $(seq 30); do ask; echo; done | sort | uniq -c
kill -USR2 $server; sleep 1; ask; echo
kill -TERM $server; wait $server; echo $?
