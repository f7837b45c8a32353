// A hook point for each thread: a new thread has none, and what one thread assigns
// is seen by none of the others. fork keeps that of the thread that forks.
#ifndef INTERCEPT_HOOK_POINT_THREAD_LOCAL
#define INTERCEPT_HOOK_POINT_THREAD_LOCAL
#endif
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libsyscall_intercept_hook_point.h>

static int first(long syscall_number, long arg0, long arg1, long arg2, long arg3, long arg4,
                 long arg5, long *result)
{
    (void)arg0, (void)arg1, (void)arg2, (void)arg3, (void)arg4, (void)arg5;
    *result = 4711;
    return syscall_number != SYS_getppid;
}

static int second(long syscall_number, long arg0, long arg1, long arg2, long arg3, long arg4,
                  long arg5, long *result)
{
    (void)arg0, (void)arg1, (void)arg2, (void)arg3, (void)arg4, (void)arg5;
    *result = 4712;
    return syscall_number != SYS_getppid;
}

static pid_t parent;

static void *thread(void *argument)
{
    (void)argument;
    printf("%d %d", intercept_hook_point == NULL, getppid() == parent);
    intercept_hook_point = second;
    printf(" %d\n", (int)getppid());
    return NULL;
}

int main(void)
{
    parent = getppid();
    intercept_hook_point = first;
    pthread_t id;
    pthread_create(&id, NULL, thread, NULL);
    pthread_join(id, NULL);
    printf("%d\n", (int)getppid());
    fflush(stdout);
    if (fork() == 0) {
        printf("%d\n", (int)getppid());
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    return 0;
}
