// Where the process is not intercepted, the functions of interceptor.h say so, and do no harm.
// flags: -Wall -Wextra -Werror
#define _GNU_SOURCE
#include "interceptor.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

static long never(long nr, long a0, long a1, long a2, long a3, long a4, long a5, int *forward) {
    (void)nr, (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5, (void)forward;
    CHECK(0, "a hook in a process that is not intercepted");
    return 0;
}

static int refused(int result, int error) {
    return result == -1 && errno == error;
}

__attribute__((constructor(102))) static void start(void) {
    if (interceptor_allowed()) {
        dprintf(1, "allowed\n");
        return;
    }
    const struct interceptor_hook hook = {.size = sizeof hook};
    struct interceptor_coverage coverage;
    struct interceptor_counts counts;
    struct interceptor_losses losses;
    interceptor_syscall_hook = never;
    CHECK(refused(interceptor_register(&hook), ENOSYS), "register: %d", errno);
    CHECK(refused(interceptor_unregister(17, 0), EINVAL), "unregister: %d", errno);
    CHECK(refused(interceptor_signal_subscribe(INTERCEPTOR_SIGNALS_IGNORED), ENOSYS), "signals: %d", errno);
    CHECK(refused(interceptor_coverage(0, &coverage), ENOENT), "coverage: %d", errno);
    CHECK(refused(interceptor_query_counts(-1, &counts), ENODATA), "counts: %d", errno);
    CHECK(refused(interceptor_query_losses(&losses), ENODATA), "losses: %d", errno);
    CHECK(refused((int)interceptor_syscall(SYS_close, -1), EBADF), "syscall: %d", errno);
    CHECK(interceptor_subscribe(SYS_getppid) == 0 && interceptor_unsubscribe(-1) == 0, "subscribe");
    CHECK(interceptor_synchronize(0) == 0 && !interceptor_in_hook(), "synchronize");
    CHECK(!interceptor_thread_word(0), "a word");
    CHECK(interceptor_pgstat->nr_thread == 0 && interceptor_tstat.thread_nr == 0, "counted");
    CHECK(interceptor_syscall(SYS_getpid) == getpid(), "getpid");
    char byte = 1;
    CHECK(interceptor_read(&byte, (long)"x", 1) == 0 && byte == 'x', "read");
    CHECK(refused(interceptor_read(&byte, 8, 1), EFAULT), "read of nothing: %d", errno);
    dprintf(1, "not allowed\n");
}
