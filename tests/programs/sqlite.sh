# needs: sqlite3
sqlite3 db 'create table t(a integer primary key, b text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) insert into t select i, hex(i) from n;
select count(*), sum(a), max(b) from t; pragma integrity_check;'
sqlite3 db 'pragma journal_mode=wal; update t set b = b || 1 where a % 7 = 0; select count(*) from t where b like "%1";'
sqlite3 db 'select nonsense'; echo $?
