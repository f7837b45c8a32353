// flags: -Wall -Wextra -Werror
// A hook library as its author wrote it for the interceptor before this one: the names,
// the types, and a constructor of priority 102. It refuses mkdir, swallows SIGUSR1,
// counts births, and has a monitor that says when it has seen all of it.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <syscall.h>
#include <unistd.h>

#include <interceptor.h>

static const char first[] = "first";
static size_t births;
static int has_said;
static __thread int busy;

static long syscall_hook(long nr, long a0, long a1, long a2, long a3, long a4, long a5, int *forward)
{
    (void)a0; (void)a1; (void)a2; (void)a3; (void)a4; (void)a5;
    if (busy) {
        *forward = 1;
        return 0;
    }
    busy = 1;
    switch (nr) {
    case SYS_mkdir:
        busy = 0;
        errno = EROFS;
        return -1;
    case SYS_getppid:
        busy = 0;
        return interceptor_syscall(SYS_getpid) == interceptor_tgstat.tgid ? 4711 : 0;
    default:
        *forward = 1;
    }
    busy = 0;
    return 0;
}

static void signal_hook(int sig, siginfo_t *info, void *context, int *forward)
{
    (void)context;
    *forward = !(sig == SIGUSR1 && info->si_signo == sig);
}

static void *clone_hook_child(pid_t parent_tgid)
{
    (void)parent_tgid;
    __sync_fetch_and_add(&births, 1);
    return &births;
}

static void clone_hook_parent(pid_t child_tid)
{
    (void)child_tid;
    __sync_fetch_and_add(&births, 1);
}

static void *monitor(void *arg)
{
    const volatile size_t *threads = &interceptor_pgstat->nr_thread;
    while (interceptor_pgstat->cnt_thread < 4 || *threads < 2 || interceptor_pgstat->nr_tgrp < 1)
        usleep(1000);
    char line[64];
    int length = snprintf(line, sizeof line, "monitor of %s, thread %d\n",
                          arg == first ? "the first" : arg ? "a child" : "none",
                          interceptor_tstat.tid > 0 && interceptor_tstat.thread_nr > 1);
    interceptor_syscall(SYS_write, 2, line, length);
    __sync_fetch_and_add(&has_said, 1);
    for (;;)
        pause();
    return NULL;
}

static void __attribute__((constructor(102))) setup(void)
{
    if (!interceptor_allowed())
        return;
    interceptor_syscall_hook = syscall_hook;
    interceptor_signal_hook = signal_hook;
    interceptor_clone_hook_child = clone_hook_child;
    interceptor_clone_hook_parent = clone_hook_parent;
    interceptor_monitor_attr = NULL;
    interceptor_monitor_fn = monitor;
    pthread_t thread = INTERCEPTOR_ATTACH_MONITOR_NOW((void *)first);
    if (thread != interceptor_tgstat.monitor || interceptor_tgstat.nr_local_thread != 2)
        interceptor_syscall(SYS_exit_group, 99);
}

static void __attribute__((destructor)) teardown(void)
{
    void *result = NULL;
    /* It says something as soon as there is something to be said, and it runs. */
    while (interceptor_tgstat.monitor && interceptor_pgstat->cnt_thread >= 4 && !__sync_fetch_and_add(&has_said, 0))
        usleep(1000);
    if (interceptor_tgstat.monitor && interceptor_destruct_monitor(&result))
        if (result != PTHREAD_CANCELED)
            interceptor_syscall(SYS_exit_group, 98);
}
