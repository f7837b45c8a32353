// A hook for libsyscall_intercept as its documentation shows one, C and C++: getppid
// is answered with 4711, and with the error ENOTSUP once getpgid was asked for
// process 4711. Says so if it is not allowed to.
#include <errno.h>
#include <sys/syscall.h>

#include <libsyscall_intercept_hook_point.h>

static int is_failing;

static int hook(long syscall_number, long arg0, long arg1, long arg2, long arg3, long arg4,
                long arg5, long *result)
{
    (void)arg1, (void)arg2, (void)arg3, (void)arg4, (void)arg5;
    if (syscall_number == SYS_getpgid && arg0 == 4711) {
        is_failing = 1;
        return 1;
    }
    if (syscall_number != SYS_getppid)
        return 1;
    *result = is_failing ? -ENOTSUP : 4711;
    // The program's errno is its own.
    errno = EDOM;
    return 0;
}

static __attribute__((constructor)) void start(void)
{
    static const char message[] = "not allowed\n";
    if (syscall_hook_in_process_allowed())
        intercept_hook_point = hook;
    else
        syscall_no_intercept(SYS_write, 2, message, sizeof(message) - 1);
}
