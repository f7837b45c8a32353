# needs: setpriv pg_ctlcluster
# A server of many processes, each forked from the first, with shared memory, semaphores, latches made of signals. It
# refuses to be root. What its user cannot read ld.so cannot preload, and says so where the log goes.
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
data="$PWD/data"; mkdir data
user=; if [ "$(id -u)" = 0 ]; then chown 65534:65534 data; user='setpriv --reuid 65534 --regid 65534 --clear-groups'; fi
cd data
export HOME="$data" PGHOST="$data" PGUSER=name PGDATABASE=postgres PATH="$bin:$PATH"
$user "$bin/initdb" -D base -U name -N -A trust --locale C.UTF-8 > log 2>&1; echo "initdb: $?"
options="-c listen_addresses= -c unix_socket_directories=$data -c fsync=off -c shared_buffers=16MB"
$user "$bin/pg_ctl" -D base -l server -w -o "$options" start > log 2>&1; echo "start: $?"
query() { $user "$bin/psql" -X -A -t -v ON_ERROR_STOP=1 "$@" 2>&1; }
query -c 'create table t (n int primary key, text text)' -c "insert into t select n, 'row ' || n from generate_series(1, 5000) n"
query -c 'select count(*), sum(n), max(text) from t'
query -c 'set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; select count(*) from t a where n % 7 = 0'
for i in 1 2 3 4; do query -c "update t set text = 'by $i' where n = $i" > /dev/null & done; wait
query -c 'select text from t where n < 6 order by n'
query -c 'select pg_sleep(100)' > cancelled &
for i in $(seq 1000); do query -c "select count(*) from pg_stat_activity where wait_event = 'PgSleep'" | grep -q 1 && break; sleep 0.05; done
query -c "select pg_cancel_backend(pid) from pg_stat_activity where query like 'select pg_sleep(100)'"; wait; cat cancelled
query -c "copy t to program 'wc -l > copied'"; tr -d ' ' < base/copied
query -c 'create index on t (text)' -c 'vacuum analyze t' -c checkpoint
$user "$bin/pg_ctl" -D base -w -m fast stop > log 2>&1; echo "stop: $?"
grep -E 'PANIC|FATAL|terminated by signal' server; true
