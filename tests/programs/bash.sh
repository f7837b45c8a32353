# needs: bash
exec bash -c '
trap "echo usr1" USR1; kill -USR1 $$
for i in 1 2 3; do (echo $i | cat); done
x=$(echo hi | tr a-z A-Z); echo $x
cat <<EOF
here
EOF
sleep 0.1 & wait; echo waited
(exit 7); echo $?
bash -c "kill -TERM \$\$"; echo $?
exit 3'
