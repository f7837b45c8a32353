/*
 * fault.c: each nth call of its kind fails. FAULT=mkdir:3:ENOSPC lets every third mkdir of a
 * process fail, as if the disk were full.
 */
#include <stdio.h>
#include <stdlib.h>
#include "interceptor.h"

static int error;
static unsigned every, calls;

static int enter(struct interceptor_call *call, void *data)
{
    (void)data;
    if (__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) % every)
        return INTERCEPTOR_FORWARD;
    call->result = -error;
    return INTERCEPTOR_ANSWER;
}

__attribute__((constructor)) static void start(void)
{
    char name[32], error_name[32];
    const char *wanted = getenv("FAULT");
    struct interceptor_hook hook = {.size = sizeof hook, .name = "fault", .calls = name, .enter = enter};
    if (!wanted || sscanf(wanted, "%31[^:]:%u:%31s", name, &every, error_name) != 3 || !every)
        return;
    error = interceptor_errno_number(error_name);
    if (error > 0)
        interceptor_register(&hook);
}
