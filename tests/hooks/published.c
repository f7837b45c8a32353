// flags: -Wall -Wextra -Werror -pthread
// A hook library in the style of the documentation of the interceptor before this one, and of
// libx86linuxextra: executes every call and logs it, logs signals, has a monitor that logs
// counts. LOG_LVL is its level.
#define _GNU_SOURCE
#include <string.h>

#include <x86linux/helper.h>

#include <interceptor.h>

static void signal_hook(int sig, siginfo_t *info, void *context, int *restrict forward)
{
    (void)info, (void)context;
    log(LOG_WARNING, "[%lu] SIG%s", interceptor_tstat.thread_nr, sigabbrev_np(sig));
    *forward = 1;
}

static long syscall_hook(long nr, long a0, long a1, long a2, long a3, long a4, long a5,
                         int *restrict forward)
{
    long result = 0;
    int error = 0;

    switch (nr) {
    default:
        result = interceptor_syscall(nr, a0, a1, a2, a3, a4, a5);
        if (result == -1) {
            error = errno;
            log(LOG_ERR, "%s(0x%lx, 0x%lx) = 0x%lx %s (%s)", interceptor_syscall_name(nr), a0, a1,
                result, strerrorname_np(error), strerrordesc_np(error));
        } else
            log(LOG_DEBUG, "%s(0x%lx, 0x%lx) = 0x%lx", interceptor_syscall_name(nr), a0, a1, result);
    };

    if (!*forward)
        errno = error;
    return result;
}

static int has_logged;

static void *tracker(void *unused)
{
    log(LOG_NOTICE, "[%lu] process %d, monitor %d", interceptor_tstat.thread_nr,
        interceptor_tgstat.tgid, interceptor_tstat.tid);
    while (1) {
        log(LOG_INFO, "%lu threads of %lu ever, %lu groups, %lu here", interceptor_pgstat->nr_thread,
            interceptor_pgstat->cnt_thread, interceptor_pgstat->nr_tgrp,
            interceptor_tgstat.nr_local_thread);
        __atomic_store_n(&has_logged, 1, __ATOMIC_SEQ_CST);
        sleep(1);
    }
    return unused;
}

static __attribute((constructor(102))) void setup()
{
    if (interceptor_allowed()) {
        LOG_INIT();
        const char *env = getenv("LOG_LVL");
        log_enable(env ? atoi(env) : LOG_DEBUG);

        interceptor_syscall_hook = syscall_hook;
        interceptor_signal_hook = signal_hook;

        interceptor_monitor_fn = tracker;

        INTERCEPTOR_ATTACH_MONITOR_NOW(NULL);
        /* The program may be over before a thread that has just been made runs. */
        while (!__atomic_load_n(&has_logged, __ATOMIC_SEQ_CST))
            usleep(100);
    }
}
