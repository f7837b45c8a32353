// flags: -nostdlib
// Makes system calls of numbers that the kernel does not know, with other arguments than the program has given: 5000 is
// getppid, 5001 a read from a descriptor lower by 1000. Needs no libc. For tests/guests/signal_stepped.c.

#include "interceptor.h"
#include <sys/syscall.h>

static int change(struct interceptor_call *call, void *data) {
    (void)data;
    if (call->nr != 5000 && call->nr != 5001)
        return INTERCEPTOR_FORWARD;
    call->nr = call->nr == 5000 ? SYS_getppid : SYS_read;
    call->args[0] -= 1000;
    for (int i = call->nr == SYS_read ? 3 : 1; i < 6; i++)
        call->args[i] = -1 - i;
    return INTERCEPTOR_FORWARD;
}

__attribute__((constructor)) static void start(void) {
    const struct interceptor_hook hook = {.size = sizeof hook, .name = "change", .enter = change};
    if (interceptor_register(&hook) < 0)
        __builtin_trap();
}
