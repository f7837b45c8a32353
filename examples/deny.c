/* deny.c: nobody removes files here. */
#include <errno.h>
#include <sys/syscall.h>
#include "interceptor.h"

static long deny(long nr, long a0, long a1, long a2, long a3, long a4, long a5, int *forward)
{
    (void)nr, (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5, (void)forward;
    errno = EPERM;
    return -1;
}

__attribute__((constructor)) static void start(void)
{
    interceptor_unsubscribe(-1);
    interceptor_subscribe(SYS_unlink);
    interceptor_subscribe(SYS_unlinkat);
    interceptor_syscall_hook = deny;
}
