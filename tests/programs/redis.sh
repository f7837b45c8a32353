# needs: redis-server redis-cli redis-benchmark
redis-server --port 0 --unixsocket "$PWD/socket" --save '' --appendonly yes --dir "$PWD" > log 2>&1 &
for i in $(seq 1000); do redis-cli -s socket ping 2> /dev/null | grep -q PONG && break; sleep 0.05; done
redis-cli -s socket set key value
redis-cli -s socket incr counter
redis-benchmark -s socket -q -n 2000 -c 20 -t set,get,lpush > /dev/null && echo benchmark
redis-cli -s socket dbsize
redis-cli -s socket bgrewriteaof
# It is done in the background, and leaves other files when it is cut short.
for i in $(seq 1000); do redis-cli -s socket info persistence | grep -q '^aof_rewrite_in_progress:0' && break; sleep 0.05; done
redis-cli -s socket --no-auth-warning eval 'return redis.call("get", "key")' 0
redis-cli -s socket shutdown nosave
wait; echo $?
