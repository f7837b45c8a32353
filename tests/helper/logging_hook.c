// A hook that logs each open and counts under a lock, in the program's threads and
// signal handlers.
#include <interceptor.h>
#include <sys/syscall.h>
#include <x86linux/helper.h>

static struct ticket_lock lock = TICKET_LOCK_INIT;
static long calls;

static long hook(long nr, long a0, long a1, long a2, long a3, long a4, long a5, int *forward)
{
    (void)a0, (void)a2, (void)a3, (void)a4, (void)a5;
    ticket_lock_lock(&lock);
    calls++;
    ticket_lock_unlock(&lock);
    if (nr == SYS_openat)
        log(LOG_INFO, "open %s", (const char *)a1);
    if (nr == SYS_exit_group)
        log(LOG_NOTICE, "%s calls", calls > 3 ? "many" : "few");
    *forward = 1;
    return 0;
}

__attribute__((constructor(102))) static void start(void)
{
    log_init("hook", -1, -1, 0);
    log_enable(LOG_INFO);
    log_verify(interceptor_allowed());
    interceptor_syscall_hook = hook;
}
