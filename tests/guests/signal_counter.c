// expect: A counter that runs over, or a watched address that is written to, sends SIGTRAP at any moment
// (perf_event_open(2), sigtrap), with a code that is the kernel's own. An interceptor that takes each signal with such a
// code for a fault of the instruction has the program's handler run while it is itself in the middle of a call. An
// address is written to between calls, and a clock runs over while calls are made as fast as can be: each write is told
// of, and the clock often enough. Where the kernel does not let one count, it says so.
#include "guest.h"
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <signal.h>

enum { WRITES = 100, CALLS = 50000, PERIOD_NS = 20000, OFTEN = 10 };

static volatile int watched;
static volatile int told, other_codes, last_code, writes_trap;

static void note(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    told = told + 1;
    // Some hypervisors lose DR6 now and then; the kernel then takes the trap of a write for `int1`.
    int is_lost = writes_trap && info->si_code == TRAP_BRKPT;
    if (info->si_code != 6 /* TRAP_PERF */ && !is_lost) {
        other_codes = other_codes + 1;
        last_code = info->si_code;
    }
    raw0(SYS_getppid);
}

static int count(struct perf_event_attr *attr) {
    attr->size = sizeof *attr;
    attr->exclude_kernel = attr->exclude_hv = 1;
    attr->sigtrap = attr->remove_on_exec = 1;
    told = other_codes = 0;
    writes_trap = attr->type == PERF_TYPE_BREAKPOINT;
    int fd = (int)syscall(SYS_perf_event_open, attr, 0, -1, -1, 0);
    if (fd < 0)
        ok("no counter of kind %u: errno %d", attr->type, errno);
    return fd;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGTRAP, &action, NULL) == 0, "sigaction");

    struct perf_event_attr writes = {.type = PERF_TYPE_BREAKPOINT, .bp_type = HW_BREAKPOINT_W, .sample_period = 1};
    writes.bp_addr = (uintptr_t)&watched;
    writes.bp_len = HW_BREAKPOINT_LEN_4;
    int fd = count(&writes);
    if (fd >= 0) {
        for (int i = 0; i < WRITES; i++) {
            watched = i;
            CHECK(raw0(SYS_getppid) > 0, "getppid");
        }
        close(fd);
        CHECK(told == WRITES && other_codes == 0, "%d writes, %d other codes: %d", told, other_codes, last_code);
        ok("writes to an address");
    }

    struct perf_event_attr clock = {.type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_TASK_CLOCK};
    clock.sample_period = PERIOD_NS;
    fd = count(&clock);
    if (fd >= 0) {
        // Only where the program itself runs does it run over: on a busy machine seldom.
        for (int i = 0; i < CALLS || (told <= OFTEN && i < 100 * CALLS); i++)
            CHECK(raw0(SYS_getppid) > 0, "getppid");
        close(fd);
        CHECK(told > OFTEN && other_codes == 0, "%d times, %d other codes: %d", told, other_codes, last_code);
        ok("a clock, during calls");
    }
    return 0;
}
