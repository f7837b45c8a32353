// Uses every declaration of libsyscall_intercept_hook_point.h, in C and in C++. Births, what is
// answered, and errors, each seen once.
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <libsyscall_intercept_hook_point.h>

static int seen, children, parents;

static int hook(long syscall_number, long arg0, long arg1, long arg2, long arg3, long arg4,
                long arg5, long *result)
{
    (void)arg0, (void)arg1, (void)arg2, (void)arg3, (void)arg4, (void)arg5;
    if (syscall_number != SYS_getppid)
        return 1;
    seen++;
    *result = 4711;
    return 0;
}

static void child(void)
{
    children++;
}

static void parent(long pid)
{
    parents += pid > 0;
}

static void *nothing(void *argument)
{
    return argument;
}

int main(void)
{
    pthread_t thread;
    intercept_hook_point = hook;
    intercept_hook_point_clone_child = child;
    intercept_hook_point_clone_parent = parent;
    const int answer = (int)getppid();
    pthread_create(&thread, NULL, nothing, NULL);
    pthread_join(thread, NULL);
    intercept_hook_point = NULL;
    const int error = syscall_error_code(syscall_no_intercept(SYS_close, -1));
    const int no_error = syscall_error_code(syscall_no_intercept(SYS_getpid));
    printf("%d %d %d %d %d %d %d\n", syscall_hook_in_process_allowed(), answer, seen, children,
           parents, error == EBADF, no_error);
    return 0;
}
