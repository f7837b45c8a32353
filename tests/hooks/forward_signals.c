// flags: -nostdlib
// Lets every signal go its way, after it has looked at it. Needs no libc, so that programs of any
// libc can load it; makes no call, since some programs confine themselves.

#include "interceptor.h"

static void forward(int sig, siginfo_t *info, void *context, int *forward) {
    *forward = info->si_signo == sig && context;
}

__attribute__((constructor)) static void start(void) {
    interceptor_hook_is_libc_free(1);
    interceptor_signal_hook = forward;
}
