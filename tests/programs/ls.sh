# needs: ls sort stat
ls -la /usr/include | head -50
ls /nonexistent; echo $?
stat -c '%n %s' /etc/passwd
ls /usr/bin | sort -r | head -3
