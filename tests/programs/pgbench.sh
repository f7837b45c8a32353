# needs: setpriv pg_ctlcluster pgbench
# heavy: yes
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
data="$PWD/data"; mkdir data
user=; if [ "$(id -u)" = 0 ]; then chown 65534:65534 data; user='setpriv --reuid 65534 --regid 65534 --clear-groups'; fi
cd data
export HOME="$data" PGHOST="$data" PGUSER=name PGDATABASE=postgres PATH="$bin:$PATH"
$user "$bin/initdb" -D base -U name -N -A trust --locale C.UTF-8 > log 2>&1; echo "initdb: $?"
$user "$bin/pg_ctl" -D base -l server -w -o "-c listen_addresses= -c unix_socket_directories=$data -c fsync=off" start > log 2>&1; echo "start: $?"
$user pgbench -i -q -s 1 > log 2>&1; echo "prepared: $?"
$user pgbench -n -c 8 -j 4 -t 100 2> log | grep -E 'actually processed|failed transactions' | sed 's/ (.*//'
$user psql -X -A -t -c 'select count(*), sum(delta) = (select sum(abalance) from pgbench_accounts) from pgbench_history'
$user "$bin/pg_ctl" -D base -w -m fast stop > log 2>&1; echo "stop: $?"; grep -E 'PANIC|FATAL|terminated by signal' server; true
