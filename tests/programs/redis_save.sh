# needs: redis-server redis-cli
# BGSAVE forks a server that has threads, and whose child works on a copy of its memory.
redis-server --port 0 --unixsocket "$PWD/socket" --save '' --dir "$PWD" --io-threads 2 --enable-debug-command local > log 2>&1 &
for i in $(seq 1000); do redis-cli -s socket ping 2> /dev/null | grep -q PONG && break; sleep 0.05; done
cli() { redis-cli -s socket "$@"; }
cli debug populate 20000 key 100
for round in 1 2 3; do
  cli set "round:$round" value
  cli bgsave
  for i in $(seq 1000); do cli info persistence | grep -q 'rdb_bgsave_in_progress:0' && break; sleep 0.05; done
  cli info persistence | grep rdb_last_bgsave_status
done
cli dbsize
cli shutdown nosave; wait; echo $?
redis-server --port 0 --unixsocket "$PWD/socket" --save '' --dir "$PWD" > log 2>&1 &
for i in $(seq 1000); do cli ping 2> /dev/null | grep -q PONG && break; sleep 0.05; done
cli dbsize; cli get round:3
cli shutdown nosave; wait; echo $?
