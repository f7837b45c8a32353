# needs: redis-server redis-benchmark redis-cli
redis-server --port 0 --unixsocket "$PWD/socket" --save '' --appendonly no --io-threads 2 --daemonize no > log & server=$!
for i in $(seq 100); do [ -S socket ] && break; sleep 0.05; done
redis-benchmark -s socket -n 2000 -c 20 -q -t set,get,incr,lpush -P 4 --threads 2 2> /dev/null | tr '\r' '\n' | grep 'requests per second' | cut -d: -f1
redis-cli -s socket get counter:__rand_int__; redis-cli -s socket llen mylist
redis-cli -s socket --pipe < /dev/null | tail -n 1
(redis-cli -s socket subscribe channel > heard & echo $! > listener); sleep 0.3; redis-cli -s socket publish channel news; sleep 0.2; kill "$(cat listener)"; tail -n 1 heard
redis-cli -s socket shutdown nosave; wait $server; echo $?
