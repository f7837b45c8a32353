// A program that is linked with libsyscall_intercept itself, and hooks its own calls.
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <libsyscall_intercept_hook_point.h>

static int hook(long syscall_number, long arg0, long arg1, long arg2, long arg3, long arg4,
                long arg5, long *result)
{
    (void)arg0, (void)arg1, (void)arg2, (void)arg3, (void)arg4, (void)arg5;
    if (syscall_number != SYS_getppid)
        return 1;
    *result = 4711;
    return 0;
}

int main(void)
{
    pid_t parent = getppid();
    intercept_hook_point = hook;
    pid_t hooked = getppid();
    long raw = syscall_no_intercept(SYS_getppid);
    intercept_hook_point = NULL;
    printf("%s %d %s %s\n", parent == 4711 ? "wrong" : "right", (int)hooked,
           raw == parent ? "right" : "wrong", getppid() == parent ? "right" : "wrong");
    return 0;
}
