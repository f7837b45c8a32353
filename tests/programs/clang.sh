# needs: clang
# heavy: yes
printf '#include <stdio.h>\n#include <stdlib.h>\nint main(void) { char *p = malloc(3); puts("compiled"); free(p); return 5; }\n' > a.c
clang -O2 -o a a.c && ./a; echo $?
clang -fsanitize=undefined -o a a.c 2> /dev/null && ./a; echo $?
clang -S -emit-llvm -O1 -o - a.c | grep -c 'define'; echo 'int f(' | clang -x c -fsyntax-only - 2>&1 | tail -n 1; clang -E -dM - < /dev/null | grep -c __x86_64__
