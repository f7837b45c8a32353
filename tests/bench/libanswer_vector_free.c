// flags: -nostdlib -mgeneral-regs-only
// The hook of all benchmarks, declared to touch no vector register.
#include "answer.h"

__attribute__((constructor)) static void start(void) {
    interceptor_hook_is_vector_free(1);
    interceptor_syscall_hook = hook;
    interceptor_subscribe(-1);
}
