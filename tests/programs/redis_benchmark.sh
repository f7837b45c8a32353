# needs: redis-server redis-benchmark redis-cli
redis-server --port 0 --unixsocket "$PWD/socket" --save '' --appendonly no --io-threads 2 --daemonize no > log & server=$!
for i in $(seq 1000); do redis-cli -s socket ping 2> /dev/null | grep -q PONG && break; sleep 0.05; done
redis-benchmark -s socket -n 2000 -c 20 -q -t set,get,incr,lpush -P 4 --threads 2 2> /dev/null | tr '\r' '\n' | grep 'requests per second' | cut -d: -f1
redis-cli -s socket get counter:__rand_int__; redis-cli -s socket llen mylist
redis-cli -s socket --pipe < /dev/null | tail -n 1
(redis-cli -s socket subscribe channel > heard & echo $! > listener)
for i in $(seq 1000); do redis-cli -s socket pubsub numsub channel | grep -q 1 && break; sleep 0.05; done; redis-cli -s socket publish channel news
for i in $(seq 1000); do grep -q news heard && break; sleep 0.05; done; kill "$(cat listener)"; tail -n 1 heard
redis-cli -s socket shutdown nosave; wait $server; echo $?
