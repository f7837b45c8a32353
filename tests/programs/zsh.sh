# needs: zsh seq
exec zsh -f -c '
setopt pipefail
TRAPUSR1() { print usr1 }; kill -USR1 $$
zmodload zsh/datetime zsh/system zsh/zselect
for i in {1..3}; do (print $i | cat); done
print ${(j:,:)${(f)"$(seq 5)"}}
coproc cat; print through >&p; read -p line; print $line; coproc exit
diff <(seq 5) <(seq 5 | tee >(cat > copy)) && print same
sleep 0.05 & wait $!; print waited $?
sysread -i 0 text < <(print sys); print -n $text
zselect -t 2 -r 0 < /dev/null; print select $?
(exit 3) | true; print $pipestatus
zsh -f -c "kill -KILL \$\$"; print $?
{ print always } always { print cleanup }
exit 5'
