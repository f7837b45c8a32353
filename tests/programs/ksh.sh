# needs: ksh seq
exec ksh -c '
trap "echo usr1" USR1; kill -USR1 $$
for ((i = 0; i < 3; i++)); do (echo $i | cat); done
typeset -A map; map[a]=1; map[b]=2; echo ${!map[@]} ${#map[@]}
cat |& echo to the coprocess >&p; exec 3>&p; exec 3>&-; read -p line; echo $line
sleep 0.05 & wait $!; echo waited $?
x=$(seq 1000 | tail -n 1); echo $x $((x * 2))
(exit 6); echo $?
{ ksh -c "kill -TERM \$\$"; } 2> /dev/null; echo $(($? & 255))
echo ${ echo in this shell; }
exit 4'
