// expect: The vDSO answers time calls without entering the kernel, and programs find it through the auxiliary
// vector; it must stay where AT_SYSINFO_EHDR says, readable and unchanged, and agree with the kernel. clock_gettime,
// gettimeofday, time and getcpu through libc lie between two readings by the system call instruction; a clock
// without a fast path (thread CPU time) and a bad one (EINVAL) work too, and so does the page that was
// before it, where the kernel has it.
// musl: yes
#include "guest.h"
#include <elf.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <time.h>

static long long ns(struct timespec t) { return t.tv_sec * 1000000000LL + t.tv_nsec; }

static long long by_call(clockid_t clock) {
    struct timespec t;
    CHECK(raw2(SYS_clock_gettime, clock, &t) == 0, "clock_gettime by own instruction");
    return ns(t);
}

// Each returns whether libc's time lies between two of the kernel's.

static int agrees(clockid_t clock) {
    struct timespec between;
    long long before = by_call(clock);
    CHECK(clock_gettime(clock, &between) == 0, "clock %d", clock);
    return before <= ns(between) && ns(between) <= by_call(clock);
}
static int time_of_day_agrees(void) {
    struct timeval of_day;
    long long before = by_call(CLOCK_REALTIME) / 1000;
    gettimeofday(&of_day, NULL);
    long long between = of_day.tv_sec * 1000000LL + of_day.tv_usec;
    return before <= between && between <= by_call(CLOCK_REALTIME) / 1000;
}
// glibc reads the coarse clock here, which lags by up to a tick, musl the exact one.
static int seconds_agree(void) {
    time_t coarse_before = (time_t)raw1(SYS_time, 0), seconds = time(NULL);
    return coarse_before <= seconds && seconds <= (time_t)(by_call(CLOCK_REALTIME) / 1000000000);
}

// What was before the vDSO, at an address that is in programs still: the kernel emulates it.
static void old_page(void) {
    int (*get_time_of_day)(struct timeval *, void *) = (int (*)(struct timeval *, void *))0xffffffffff600000;
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[4096];
    int is_there = 0, agreed = 0;
    while (maps && fgets(line, sizeof line, maps))
        is_there |= !strncmp(line, "ffffffffff600000-", 17);
    if (maps)
        fclose(maps);
    // The clock may be set in between, now and then.
    for (int round = 0; is_there && round < 100; round++) {
        struct timeval of_day;
        long long before = by_call(CLOCK_REALTIME) / 1000;
        CHECK(get_time_of_day(&of_day, NULL) == 0, "the vsyscall page");
        long long between = of_day.tv_sec * 1000000LL + of_day.tv_usec;
        agreed += before <= between && between <= by_call(CLOCK_REALTIME) / 1000;
    }
    CHECK(!is_there || agreed > 90, "the vsyscall page agreed %d times", agreed);
    ok("the vsyscall page is there: %d", is_there);
}

int main(void) {
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);
    CHECK(header, "no AT_SYSINFO_EHDR");
    CHECK(!memcmp(header->e_ident, ELFMAG, SELFMAG) && header->e_machine == EM_X86_64, "vDSO's header");
    ok("vDSO is where the auxiliary vector says");

    static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_COARSE,
                                       CLOCK_REALTIME_COARSE, CLOCK_THREAD_CPUTIME_ID, CLOCK_PROCESS_CPUTIME_ID};
    // Somebody may put these back while we look, now and then.
    int set_back = 0;
    for (int round = 0; round < 1000; round++) {
        for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++)
            if (!agrees(clocks[i])) {
                CHECK(clocks[i] == CLOCK_REALTIME || clocks[i] == CLOCK_REALTIME_COARSE, "clock %d", clocks[i]);
                set_back++;
            }
        set_back += !time_of_day_agrees() + !seconds_agree();
    }
    CHECK(set_back < 10, "clocks that can be set disagree %d times", set_back);
    ok("clocks agree with the kernel");

    cpu_set_t all, one;
    CHECK(sched_getaffinity(0, sizeof all, &all) == 0, "sched_getaffinity");
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all)) {
            unsigned at = 0;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            CHECK(sched_setaffinity(0, sizeof one, &one) == 0, "sched_setaffinity");
            CHECK(sched_getcpu() == cpu, "sched_getcpu %d instead of %d", sched_getcpu(), cpu);
            CHECK(raw3(SYS_getcpu, &at, 0, 0) == 0 && at == (unsigned)cpu, "getcpu by own instruction");
        }
    ok("getcpu");
    old_page();
    struct timespec t;
    CHECK(clock_gettime(12345, &t) == -1 && errno == EINVAL, "bad clock");
    ok("bad clock is EINVAL");
    return 0;
}
