# needs: sqlite3
sqlite3 base 'pragma journal_mode = wal; create table t (n integer primary key, who int)'
for who in 1 2 3; do (for i in 1 2 3 4 5; do sqlite3 base 'pragma busy_timeout = 100000' "insert into t (who) values ($who)" > /dev/null; done) & done; wait
sqlite3 base 'select who, count(*) from t group by who order by who' 'pragma integrity_check'
sqlite3 base '.mode csv' '.import /dev/stdin other' 'select count(*), max(a) from other' <<CSV
a,b
1,2
3,4
CSV
sqlite3 base "attach 'second' as s; create table s.x as select * from t; vacuum; select count(*) from s.x" '.shell echo from a shell' 'select broken' 2> /dev/null; echo $?
