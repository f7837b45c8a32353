# needs: gdb cc
# The debugger is intercepted, and what it debugs. Where sites are trapped it waits for ever, see tests/src/known.rs.
cat > main.c <<'C'
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static int counter;
__attribute__((noinline)) static void step(int n) { counter += n; getppid(); }
static void *body(void *n) { for (int i = 0; i < 3; i++) step((int)(long)n); return 0; }
int main(void) { pthread_t t; pthread_create(&t, 0, body, (void *)7); pthread_join(t, 0); step(1); printf("%d\n", counter); fflush(stdout); __builtin_trap(); }
C
cc -g -O0 -pthread -o main main.c
timeout -s KILL 60 gdb -nx -batch -iex 'set debuginfod enabled off' -iex 'set startup-with-shell off' -iex 'set print thread-events off' -ex 'handle SIGILL stop' \
    -ex 'break step if n == 7' -ex run -ex 'print n' -ex 'bt 2' -ex 'watch counter' -ex continue -ex 'delete' -ex 'break step if n == 1' -ex continue -ex next -ex next -ex 'print counter' -ex continue -ex 'bt 1' -ex kill ./main 2>&1 |
    grep -E '^(\$|#|Old|New|22|Program|Thread.*(hit|received))|^[0-9]+$' | sed -e 's/0x[0-9a-f]*/ADDRESS/g' -e 's/Thread [0-9]* "main" //'
