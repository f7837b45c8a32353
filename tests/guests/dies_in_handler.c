// expect: A fault in a signal handler, called by raise, ends the process by SIGSEGV, whatever was on the way.
// ends: SIGSEGV
// musl: yes
#include "guest.h"
#include <signal.h>
#include <sys/resource.h>

static volatile int *nowhere = (volatile int *)16;

static void handle(int sig) { *nowhere = sig; }

__attribute__((noinline)) void raise_it(int depth) {
    if (depth > 0)
        raise_it(depth - 1);
    else
        raise(SIGUSR1);
    __asm__ volatile("");
}

int main(void) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(SIGUSR1, handle);
    ok("a handler that faults");
    raise_it(3);
    return 0;
}
