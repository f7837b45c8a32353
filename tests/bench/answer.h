// The hook of all benchmarks, in C: call 1000 is answered with 42, all others
// are forwarded.
#include "interceptor.h"

static long hook(long nr, long a0, long a1, long a2, long a3, long a4, long a5, int *forward) {
    (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    if (nr == 1000)
        return 42;
    *forward = 1;
    return 0;
}
