/* redirect.c: what a program looks for below /etc it finds below /tmp/etc, if that is there. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "interceptor.h"

#define FROM "/etc/"
#define TO "/tmp"

/* All calls that it sees have the path as their second argument. */
static int enter(struct interceptor_call *call, void *data)
{
    (void)data;
    char path[sizeof TO + PATH_MAX] = TO;
    char *given = path + strlen(TO);
    if (interceptor_read_string(given, call->args[1], PATH_MAX) < 0)
        return INTERCEPTOR_FORWARD;
    if (strncmp(given, FROM, strlen(FROM)) || interceptor_syscall(SYS_access, path, F_OK) < 0)
        return INTERCEPTOR_FORWARD;
    /* The call is made here, while the path is there. */
    call->result = interceptor_syscall(call->nr, call->args[0], path, call->args[2], call->args[3],
                                       call->args[4]);
    if (call->result == -1)
        call->result = -errno;
    return INTERCEPTOR_ANSWER;
}

__attribute__((constructor)) static void start(void)
{
    struct interceptor_hook hook = {
        .size = sizeof hook, .name = "redirect", .calls = "openat,newfstatat,statx", .enter = enter};
    interceptor_register(&hook);
}
