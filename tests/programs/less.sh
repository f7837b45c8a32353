# needs: less script
seq 100 > file; export TERM=vt100
script -q -e -c 'stty rows 10 cols 40; printf "/50\nq" > keys; less -X +/50 -E -F file < /dev/null > shown; cat shown | wc -l' log < /dev/null | tr -d '\r'
echo text | less | cat; less -F file < /dev/null | tail -n 1
script -q -e -c 'tty > /dev/null && echo on a terminal; stty size > /dev/null; exit 3' log < /dev/null > out; echo $?; grep -c 'on a terminal' out
script -q -e -c 'kill -KILL $$' log < /dev/null > /dev/null; echo $?
