# The shell of the root, its jobs, pipes and traps.
exec bash -c '
set -e
trap "echo usr1" USR1; kill -USR1 $$
for i in 1 2 3; do (echo $i | cat); done
x=$(echo hi | tr a-z A-Z); echo $x
seq 20000 | sort -r | uniq | wc -l
(exit 7) || echo $?
bash -c "kill -TERM \$\$" || echo $?
sleep 0.1 & wait; echo waited
exec 8>&2 2> /dev/null
set -m; sleep 100 & kill -STOP %1; kill -CONT %1; kill -TERM %1; wait %1 || echo "ended: $?"; set +m
exec 2>&8
coproc worker { while read -r line; do echo "<$line>"; done; }
echo first >&${worker[1]}; read -r line <&${worker[0]}; echo "$line"
eval "exec ${worker[1]}>&-"; wait "$worker_PID"; echo "coprocess: $?"
env -i PATH=$PATH bash --norc -c "echo \${LD_PRELOAD-none}; cat < /dev/null; exec -a other bash -c \"echo \\\$0\""
ls -d /bin/.. ; cp /bin/cat /tmp/copy; mv /tmp/copy /tmp/moved; echo through | /tmp/moved
timeout 0.1 sleep 10 || echo "timeout: $?"
'
