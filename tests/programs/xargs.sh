# needs: xargs seq
seq 60 | xargs -P 8 -n 1 sh -c 'exit 0'; echo $?
seq 40 | xargs -P 8 -n 3 sh -c 'echo "$@" | cat' sh | sort -n | tail -n 3
seq 10 | xargs -P 4 -n 1 sh -c 'test "$1" != 7' sh; echo $?
echo missing | xargs -P 2 /nonexistent/program 2> /dev/null; echo $?
seq 3 | xargs -P 2 -n 1 sh -c 'kill -TERM $$' 2> /dev/null; echo $?
seq 20000 | xargs -s 20000 -P 4 sh -c 'echo $#' sh | awk '{ sum += $1 } END { print sum }'
printf 'a b\0c d\0' | xargs -0 -I '{}' -P 2 echo 'one: {}' | sort
