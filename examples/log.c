/* log.c: says of each call that names a file and fails which it was, and why. */
#include <sys/syscall.h>
#include "interceptor.h"

static void leave(struct interceptor_call *call, void *data)
{
    (void)data;
    if (call->result >= 0 || call->result < -4095)
        return;
    char line[512];
    size_t length = interceptor_format_call(call, line, sizeof line - 1);
    line[length++] = '\n';
    interceptor_syscall(SYS_write, 2, line, length);
}

__attribute__((constructor)) static void start(void)
{
    struct interceptor_hook hook = {.size = sizeof hook, .name = "log", .calls = "%file", .exit = leave};
    interceptor_register(&hook);
}
