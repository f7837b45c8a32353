# needs: mariadb mariadb-install-db /usr/sbin/mariadbd
# heavy: yes
user="$(id -un)"; mkdir data
mariadb-install-db --no-defaults --user="$user" --datadir="$PWD/data" --auth-root-authentication-method=normal > log 2>&1; echo $?
/usr/sbin/mariadbd --no-defaults --user="$user" --datadir="$PWD/data" --socket="$PWD/socket" --skip-networking --pid-file="$PWD/pid" 2>> log & server=$!
ask() { mariadb --no-defaults -u root -S socket -N "$@"; }
for i in $(seq 600); do ask -e 'select 1' > got 2>&1 && break; sleep 0.1; done
ask -e 'create database here; use here; create table t (i int primary key, s text); insert into t select seq, repeat("x", seq % 50) from seq_1_to_2000; select count(*), sum(length(s)) from t; select sleep(0.1)'
for n in 1 2 3 4; do (for k in 1 2 3; do ask here -e "select $n, sum(i) from t where i % $n = 0"; done) > "client$n" & clients="$clients $!"; done
wait $clients; cat client*
mariadb-admin --no-defaults -u root -S socket shutdown; wait $server; echo $?
