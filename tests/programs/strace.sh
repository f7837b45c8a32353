# needs: strace
# A tracer that is intercepted, and traces what is intercepted, too. It sees the runtime's own calls, so only what the
# program asked for is compared.
strace -f -qq -e trace=openat,unlink,exit_group -o log sh -c 'cat /etc/hostname > copy; rm -f copy; (exit 3)'; echo $?
grep -c 'openat(AT_FDCWD, "copy", O_WRONLY|O_CREAT' log; grep -c '/etc/hostname' log; grep -o 'exit_group([0-9]*)' log | sort
strace -qq -e inject=unlinkat:error=EPERM -e trace=unlinkat -o log rm -f log2 /etc/none 2> /dev/null; echo $?
strace -qq -o log -e signal=usr1 -e trace=none sh -c 'kill -USR1 $$'; echo $?; grep -c 'si_signo=SIGUSR1' log
strace -c -f -o log true; grep -c total log; strace -qq -o log /nonexistent 2> /dev/null; echo $?
