# needs: bash seq
exec bash -c '
exec 8>&2 2> /dev/null
set -m
sleep 100 & kill -STOP %1; kill -CONT %1; kill -TERM %1; wait %1; echo "ended: $?"
for i in 1 2 3; do (exit $i) & pids[i]=$!; done
for i in 1 2 3; do wait ${pids[i]}; echo "job $i: $?"; done
set +m
exec 2>&8 8>&-
diff <(seq 5) <(seq 5 | tee >(cat > copy)) && echo "same"
while read -r a && read -r b <&3; do echo "$a-$b"; done < <(seq 3) 3< <(seq 4 6)
set -o pipefail
seq 100000 | head -n 1 | cat; echo "statuses: ${PIPESTATUS[*]}"
(exit 3) | (exit 4) | true; echo "statuses: ${PIPESTATUS[*]} $?"
seq 2000 | grep 7 | sort -r | uniq | wc -l
coproc worker { while read -r line; do echo "<$line>"; done; }
echo first >&${worker[1]}; read -r line <&${worker[0]}; echo "$line"
pid=$worker_PID; eval "exec ${worker[1]}>&-"; wait "$pid"; echo "coprocess: $?"
trap "ended=yes" CHLD; (exit 0); sleep 0.05; trap - CHLD; echo "child ended: $ended"
trap "echo leaving" EXIT
for i in $(seq 20); do x=$(echo $(echo $(echo $i))); done; echo "$x"
( trap "" TERM; bash -c "kill -TERM \$\$; echo survived" ); echo $?
env -i A=b bash --norc -c "echo \$A; exec -a other bash -c \"echo \\\$0\""
exec 9>&1; echo through >&9; exec 9>&-
wait -n; echo "no more: $?"
{ bash -c "f() { f; }; ulimit -s 500; f"; echo "deep: $?"; } 2> /dev/null
exit 3'
