/*
 * monitor.c: says each second on standard error how many calls the program and all that it
 * starts have made, how many failed, and how many threads and processes there are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include "interceptor.h"

static struct timespec period = {1, 0};

/* A thread in each process. This one speaks for all. */
static void *monitor(void *unused)
{
    struct interceptor_counts before = {0}, now;
    for (;;) {
        nanosleep(&period, NULL);
        if (interceptor_query_counts(-1, &now) < 0)
            return unused;
        char line[128];
        int length = snprintf(line, sizeof line, "%lu calls, %lu failed; %zu threads in %zu processes\n",
                              now.calls - before.calls, now.errors - before.errors,
                              interceptor_pgstat->nr_thread, interceptor_pgstat->nr_tgrp);
        interceptor_syscall(SYS_write, 2, line, length);
        before = now;
    }
}

__attribute__((constructor)) static void start(void)
{
    const char *ms = getenv("MONITOR_MS");
    if (ms)
        period = (struct timespec){atol(ms) / 1000, atol(ms) % 1000 * 1000000};
    if (interceptor_tstat.thread_nr == 1)
        interceptor_attach_monitor(NULL, monitor, NULL);
}
