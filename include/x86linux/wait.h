/*
 * x86linux/wait.h - waiting by the time stamp counter.
 *
 * For waits of nanoseconds to microseconds, where a system call would cost more. The
 * processor rests meanwhile: by UMWAIT and TPAUSE where it has them, otherwise by
 * PAUSE. Nothing is measured before somebody asks.
 */
#ifndef X86LINUX_WAIT_H
#define X86LINUX_WAIT_H

#include <stdint.h>

#include "call.h"
#include "cpuid.h"

/* The time stamp counter. */
static inline uint64_t tsc_now(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* The same, after all instructions before it are done. */
static inline uint64_t tsc_now_ordered(void)
{
    __asm__ volatile("lfence" : : : "memory");
    return tsc_now();
}

/* What is found out once, by whoever asks first. */
struct x86linux_clock {
    uint64_t tsc_hz;   /* 0: not known yet */
    uint32_t waitpkg;  /* 0: not known yet, 1: no, 2: yes */
    uint32_t reserved;
};
__attribute__((weak, visibility("hidden"))) struct x86linux_clock x86linux_clock = {0, 0, 0};

/* value * factor / divisor, whatever the product. */
static inline uint64_t x86linux_scale(uint64_t value, uint64_t factor, uint64_t divisor)
{
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)((wide)value * factor / divisor);
}

static inline uint64_t x86linux_monotonic_ns(void)
{
    uint64_t time[2] = {0, 0}; /* seconds, nanoseconds */
    x86linux_call(SYS_clock_gettime, 1 /* CLOCK_MONOTONIC */, x86linux_address(time), 0, 0, 0, 0);
    return time[0] * 1000000000u + time[1];
}

/* As the processor or the hypervisor says; 0 if neither does. */
static inline uint64_t x86linux_tsc_hz_said(void)
{
    const struct x86linux_cpuid ratio = x86linux_cpuid(0x15, 0);
    if (ratio.eax && ratio.ebx && ratio.ecx)
        return (uint64_t)ratio.ecx * ratio.ebx / ratio.eax;
    if (x86linux_cpu_is_virtual())
        return (uint64_t)x86linux_cpuid(0x40000010u, 0).eax * 1000u;
    return 0;
}

/* The counter at a time, as exactly as can be told: of several looks at both, the one in
 * which the thread was interrupted least. */
static inline uint64_t x86linux_tsc_at(uint64_t *ns)
{
    uint64_t at = 0, shortest = UINT64_MAX;
    for (int look = 0; look < 5; look++) {
        const uint64_t before = tsc_now_ordered(), time = x86linux_monotonic_ns();
        const uint64_t took = tsc_now_ordered() - before;
        if (took < shortest) {
            shortest = took;
            at = before + took / 2;
            *ns = time;
        }
    }
    return at;
}

/* Measures for half a millisecond. */
static inline uint64_t x86linux_tsc_hz_measured(void)
{
    enum { LONG_ENOUGH_NS = 500000 };
    uint64_t start_ns = 0, end_ns = 0;
    const uint64_t start = x86linux_tsc_at(&start_ns);
    while (x86linux_monotonic_ns() - start_ns < LONG_ENOUGH_NS)
        ;
    const uint64_t end = x86linux_tsc_at(&end_ns);
    return x86linux_scale(end - start, 1000000000u, end_ns - start_ns);
}

/*
 * Cycles of the counter in a second. The first call of a process may take half a
 * millisecond, in which it does not sleep.
 */
static inline uint64_t tsc_hz(void)
{
    uint64_t hz = __atomic_load_n(&x86linux_clock.tsc_hz, __ATOMIC_RELAXED);
    if (hz == 0) {
        hz = x86linux_tsc_hz_said();
        if (hz == 0)
            hz = x86linux_tsc_hz_measured();
        __atomic_store_n(&x86linux_clock.tsc_hz, hz, __ATOMIC_RELAXED);
    }
    return hz;
}

/* Cycles in so many nanoseconds. */
static inline uint64_t tsc_from_ns(uint64_t ns)
{
    return x86linux_scale(ns, tsc_hz(), 1000000000u);
}

/* Whether UMWAIT and TPAUSE can be used. */
static inline int tsc_has_waitpkg(void)
{
    uint32_t known = __atomic_load_n(&x86linux_clock.waitpkg, __ATOMIC_RELAXED);
    if (known == 0) {
        known = x86linux_cpu_has_waitpkg() ? 2 : 1;
        __atomic_store_n(&x86linux_clock.waitpkg, known, __ATOMIC_RELAXED);
    }
    return known == 2;
}

static inline void x86linux_pause(void)
{
    __asm__ volatile("pause" : : : "memory");
}

/* State C0.1, the one that is left faster; 0 is C0.2. */
#define X86LINUX_REST 1u

/* The instructions by their bytes, since older assemblers do not know them. They return 1
 * when the system's own limit has ended the rest, before the deadline. */
static inline unsigned char x86linux_tpause(uint32_t state, uint64_t deadline)
{
    unsigned char is_cut;
    __asm__ volatile(".byte 0x66, 0x0f, 0xae, 0xf1" /* tpause %ecx */
                     : "=@ccc"(is_cut)
                     : "c"(state), "a"((uint32_t)deadline), "d"((uint32_t)(deadline >> 32))
                     : "memory");
    return is_cut;
}

static inline void x86linux_umonitor(const volatile void *address)
{
    __asm__ volatile(".byte 0xf3, 0x0f, 0xae, 0xf0" /* umonitor %rax */
                     :
                     : "a"(address)
                     : "memory");
}

static inline unsigned char x86linux_umwait(uint32_t state, uint64_t deadline)
{
    unsigned char is_cut;
    __asm__ volatile(".byte 0xf2, 0x0f, 0xae, 0xf1" /* umwait %ecx */
                     : "=@ccc"(is_cut)
                     : "c"(state), "a"((uint32_t)deadline), "d"((uint32_t)(deadline >> 32))
                     : "memory");
    return is_cut;
}

/* Waits until the counter has reached deadline. */
static inline void tsc_wait_until(uint64_t deadline)
{
    const int can_rest = tsc_has_waitpkg();
    while ((int64_t)(deadline - tsc_now()) > 0) {
        /* May return early: the system bounds how long it rests. */
        if (can_rest)
            x86linux_tpause(X86LINUX_REST, deadline);
        else
            x86linux_pause();
    }
}

/* Waits so many cycles. */
static inline void tsc_wait(uint64_t cycles)
{
    tsc_wait_until(tsc_now() + cycles);
}

/*
 * Waits while *word is value, at most until deadline. Returns what it is then (which is
 * value if the time was over). Reads with acquire order.
 */
static inline uint32_t tsc_wait_while(const volatile uint32_t *word, uint32_t value,
                                      uint64_t deadline)
{
    const int can_rest = tsc_has_waitpkg();
    for (;;) {
        uint32_t now = __atomic_load_n(word, __ATOMIC_ACQUIRE);
        if (now != value || (int64_t)(deadline - tsc_now()) <= 0)
            return now;
        if (!can_rest) {
            x86linux_pause();
            continue;
        }
        x86linux_umonitor(word);
        /* A change before the monitor was set up would not end the wait. */
        if (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value)
            x86linux_umwait(X86LINUX_REST, deadline);
    }
}

#endif
