// flags: -nostdlib
// Answers getppid with 42 and forwards the rest.

#include "interceptor.h"

#include <asm/unistd_64.h>

static long answer(long nr, long a0, long a1, long a2, long a3, long a4,
                   long a5, int *forward) {
    (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    if (nr == __NR_getppid)
        return 42;
    *forward = 1;
    return 0;
}

__attribute__((constructor)) static void start(void) {
    interceptor_syscall_hook = answer;
}
