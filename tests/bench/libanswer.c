// flags: -nostdlib
// The hook of all benchmarks, as any hook in C.
#include "answer.h"

__attribute__((constructor)) static void start(void) {
    interceptor_syscall_hook = hook;
    interceptor_subscribe(-1);
}
