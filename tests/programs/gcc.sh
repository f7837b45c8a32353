# needs: cc
printf '#include <stdio.h>\nint main(void) { puts("compiled"); return 6; }\n' > a.c
cc -O2 -Wall -o a a.c && ./a; echo $?
echo 'int f(' > b.c; cc -c b.c 2>&1 | head -1; echo done
