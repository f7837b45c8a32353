// expect: The vDSO answers time calls without entering the kernel, and programs find it through the auxiliary
// vector; it must stay where AT_SYSINFO_EHDR says, readable and unchanged, and agree with the kernel. clock_gettime,
// gettimeofday, time and getcpu through libc lie between two readings by the system call instruction; a clock
// without a fast path (thread CPU time) and a bad one (EINVAL) work too.
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

int main(void) {
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);
    CHECK(header, "no AT_SYSINFO_EHDR");
    CHECK(!memcmp(header->e_ident, ELFMAG, SELFMAG) && header->e_machine == EM_X86_64, "vDSO's header");
    ok("vDSO is where the auxiliary vector says");

    static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_COARSE,
                                       CLOCK_REALTIME_COARSE, CLOCK_THREAD_CPUTIME_ID, CLOCK_PROCESS_CPUTIME_ID};
    for (int round = 0; round < 1000; round++) {
        for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
            struct timespec between;
            long long before = by_call(clocks[i]);
            CHECK(clock_gettime(clocks[i], &between) == 0, "clock %d", clocks[i]);
            long long after = by_call(clocks[i]);
            CHECK(before <= ns(between) && ns(between) <= after, "clock %d: %lld %lld %lld", clocks[i], before,
                  ns(between), after);
        }
        struct timeval of_day;
        long long before = by_call(CLOCK_REALTIME) / 1000;
        gettimeofday(&of_day, NULL);
        CHECK(before <= of_day.tv_sec * 1000000LL + of_day.tv_usec, "gettimeofday");
        // glibc reads the coarse clock here, which lags by up to a tick, musl the exact one.
        time_t coarse_before = (time_t)raw1(SYS_time, 0), seconds = time(NULL);
        time_t exact_after = (time_t)(by_call(CLOCK_REALTIME) / 1000000000);
        CHECK(coarse_before <= seconds && seconds <= exact_after, "time");
    }
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
    struct timespec t;
    CHECK(clock_gettime(12345, &t) == -1 && errno == EINVAL, "bad clock");
    ok("bad clock is EINVAL");
    return 0;
}
