# needs: clang llvm-symbolizer
# heavy: yes
printf '#include <stdio.h>\n#include <stdlib.h>\nint main(void) { char *p = malloc(3); puts("compiled"); free(p); return 5; }\n' > a.c
clang -O2 -o a a.c && ./a; echo $?
clang -fsanitize=undefined -o a a.c 2> /dev/null && ./a; echo $?
clang -S -emit-llvm -O1 -o - a.c | grep -c 'define'; echo 'int f(' | clang -x c -fsyntax-only - 2>&1 | tail -n 1; clang -E -dM - < /dev/null | grep -c __x86_64__
# A report of the address sanitizer, whose lines are named by a program that it executes.
printf '#include <stdlib.h>\nint main(void) {\n    volatile char *p = malloc(3);\n    free((void *)p);\n    return p[1];\n}\n' > b.c
clang -g -fsanitize=address -o b b.c 2> /dev/null
ASAN_SYMBOLIZER_PATH=$(command -v llvm-symbolizer) ./b 2> report; echo $?
sed -n 's/.*ERROR: AddressSanitizer: \([a-z-]*\) .*/\1/p; s/.* in main .*\(b\.c:[0-9:]*\).*/\1/p' report
