# needs: expect
cat > main.exp <<'EXPECT'
log_user 0
set timeout 100
spawn sh -c {trap 'echo interrupted; exit 7' INT; printf 'name? '; read name; echo "hello $name"; while :; do sleep 0.05; done}
expect "name? " { send "world\r" }
expect "hello world" { puts "greeted" }
send "\003"
expect "interrupted" { puts "interrupted" } timeout { puts "timeout" }
expect eof {} timeout {}; puts [lindex [wait] 3]
spawn cat; send "echo\r"; expect "echo"; send "\004"; expect eof; puts [lindex [wait] 3]
exit 2
EXPECT
exec expect main.exp
