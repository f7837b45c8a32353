// Executes every call itself, as many hooks do that look at results: by the hook variable or,
// with EXECUTES=registered, by a registered hook. Checks that results and errors are the
// kernel's.
#include "interceptor.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>

static long by_variable(long nr, long a0, long a1, long a2, long a3, long a4, long a5, int *forward) {
    (void)forward;
    return interceptor_syscall(nr, a0, a1, a2, a3, a4, a5);
}

static int registered(struct interceptor_call *call, void *data) {
    const long *a = call->args;
    (void)data;
    call->result = interceptor_syscall(call->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (call->result == -1)
        call->result = -errno;
    return INTERCEPTOR_ANSWER;
}

__attribute__((constructor)) static void start(void) {
    static const struct interceptor_hook hook = {.size = sizeof hook, .enter = registered};
    const char *how = getenv("EXECUTES");
    errno = 0;
    if (interceptor_syscall(SYS_close, -1) != -1 || errno != EBADF || interceptor_syscall(SYS_getpid) <= 0)
        return;
    if (!how)
        interceptor_syscall_hook = by_variable;
    else if (interceptor_register(&hook) < 0)
        abort();
}
