// A hook that executes every call itself, as many do that look at results. Checks
// that results and error numbers are what the kernel gives.
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>

#include <libsyscall_intercept_hook_point.h>

static int hook(long syscall_number, long arg0, long arg1, long arg2, long arg3, long arg4,
                long arg5, long *result)
{
    *result = syscall_no_intercept(syscall_number, arg0, arg1, arg2, arg3, arg4, arg5);
    return 0;
}

static __attribute__((constructor)) void start(void)
{
    if (syscall_error_code(syscall_no_intercept(SYS_close, -1)) == EBADF
        && syscall_error_code(syscall_no_intercept(SYS_getpid)) == 0
        && syscall_error_code(-4096) == 4096 && syscall_error_code(-4097) == 0)
        intercept_hook_point = hook;
}
