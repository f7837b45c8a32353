/*
 * clock.c: a program sees a clock of its own. CLOCK=946684800 begins it at that second, and
 * each question for the time finds it a millisecond later.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include "interceptor.h"

static long long start_ms, questions;

static int enter(struct interceptor_call *call, void *data)
{
    long long ms = start_ms + __atomic_fetch_add(&questions, 1, __ATOMIC_RELAXED);
    struct timespec ts = {ms / 1000, ms % 1000 * 1000000};
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};
    (void)data;
    if (call->nr == SYS_clock_gettime)
        call->result = interceptor_write(call->args[1], &ts, sizeof ts);
    else if (call->nr == SYS_gettimeofday && call->args[0])
        call->result = interceptor_write(call->args[0], &tv, sizeof tv);
    else if (call->nr == SYS_time && !call->args[0])
        call->result = ts.tv_sec;
    else
        return INTERCEPTOR_FORWARD;
    return INTERCEPTOR_ANSWER;
}

__attribute__((constructor)) static void start(void)
{
    struct interceptor_hook hook = {
        .size = sizeof hook, .name = "clock", .calls = "clock_gettime,gettimeofday,time", .enter = enter};
    const char *wanted = getenv("CLOCK");
    if (!wanted || interceptor_subscribe_time() != 0)
        return;
    start_ms = atoll(wanted) * 1000;
    interceptor_register(&hook);
}
