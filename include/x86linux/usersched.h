/*
 * x86linux/usersched.h - waiting and locks by the names of libx86linuxextra.
 *
 * A wait is given as cycles of the time stamp counter, UINT32_MAX for ever, and spins, at rest
 * where the processor can (UMWAIT, TPAUSE). The locks spin so long and then sleep in the
 * kernel. New code is better written with wait.h and lock.h.
 */
#ifndef X86LINUX_USERSCHED_H
#define X86LINUX_USERSCHED_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>
#if defined(__GLIBC__) && !defined(__USE_POSIX)
#include <bits/types/sigset_t.h> /* -std=c11 hides it */
#endif

#include "call.h"
#include "cpuid.h"
#include "lock.h"
#include "wait.h"

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

/* What usersched_init finds out. Before: 0, 0, 1 GHz. */
__attribute__((weak, visibility("hidden"))) int usersched_support_invariant_tsc = 0;
__attribute__((weak, visibility("hidden"))) int usersched_support_umwait = 0;
__attribute__((weak, visibility("hidden"))) uint64_t usersched_tsc_freq_hz = 1000000000;
__attribute__((weak, visibility("hidden"))) uint32_t usersched_tsc_1us = 1000;
__attribute__((weak, visibility("hidden"))) int x86linux_usersched_state = 0;

/*
 * Finds out what the processor can do and how fast its counter runs, once; does not sleep.
 * UMWAIT and TPAUSE are not used if inhibit_umwait is not 0. Returns 0; -1 while another
 * thread does so.
 */
static inline int usersched_init(int inhibit_umwait)
{
    int state = 0;
    if (!__atomic_compare_exchange_n(&x86linux_usersched_state, &state, -1, 0, __ATOMIC_ACQUIRE,
                                     __ATOMIC_ACQUIRE))
        return state < 0 ? -1 : 0;
    usersched_tsc_freq_hz = tsc_hz();
    usersched_tsc_1us = (uint32_t)(usersched_tsc_freq_hz / 1000000);
    usersched_support_invariant_tsc = x86linux_cpu_has_invariant_tsc();
    usersched_support_umwait = !inhibit_umwait && tsc_has_waitpkg();
    __atomic_store_n(&x86linux_usersched_state, 1, __ATOMIC_RELEASE);
    return 0;
}

/* UMWAIT while *word is value, in a state (0 or 1) and until the counter has a value; PAUSE
 * where there is none. Returns 1 if the system's own limit has ended it. */
static inline unsigned char X86_UMWAIT(const volatile uint32_t *word, uint32_t value,
                                       uint32_t state, uint64_t tsc)
{
    if (!tsc_has_waitpkg()) {
        x86linux_pause();
        return 0;
    }
    if (*word != value)
        return 0;
    x86linux_umonitor(word);
    return *word == value ? x86linux_umwait(state, tsc) : 0;
}

/* Rests once: TPAUSE, or PAUSE where there is none or tsc is 0. Returns as X86_UMWAIT. */
static inline unsigned char user_pause(uint32_t state, uint64_t tsc)
{
    if (tsc && usersched_support_umwait)
        return x86linux_tpause(state, tsc);
    x86linux_pause();
    return 0;
}

/* X86_UMWAIT, or PAUSE where there is none, or word is NULL or tsc 0. */
static inline unsigned char user_wait(const volatile uint32_t *word, uint32_t value,
                                      uint32_t state, uint64_t tsc)
{
    if (word && tsc && usersched_support_umwait)
        return X86_UMWAIT(word, value, state, tsc);
    x86linux_pause();
    return 0;
}

/* Whether the loop of user_schedule goes on: not any more; when the word has changed and
 * the time is not over; at once. */
enum {
    USERSCHED_COND_BREAK = 0,
    USERSCHED_COND_ONESHOT = 0,
    USERSCHED_COND_SCHEDULE = 1,
    USERSCHED_COND_CONTINUE = 2
};

/* When a wait is over; UINT64_MAX: never. 0: before it has begun. */
static inline uint64_t x86linux_user_until(uint32_t cycles)
{
    if (cycles == 0 || cycles == UINT32_MAX)
        return cycles == 0 ? 0 : UINT64_MAX;
    return tsc_now() + cycles;
}

/* Cycles that are left until then. */
static inline uint32_t x86linux_user_left(uint64_t until)
{
    if (until == 0 || until == UINT64_MAX)
        return (uint32_t)until;
    const int64_t left = (int64_t)(until - tsc_now());
    return left <= 0 ? 0 : left >= UINT32_MAX ? UINT32_MAX - 1 : (uint32_t)left;
}

/* The end of a round of user_schedule: waits if it is to. Returns whether there is another. */
static inline uint32_t x86linux_user_again(uint32_t *condition, uint64_t until,
                                           const volatile uint32_t *word, uint32_t value)
{
    if (*condition != USERSCHED_COND_SCHEDULE)
        return *condition ? --*condition : 0;
    if (word && *word != value)
        return 1;
    *condition = 0;
    if (until == 0 || (until != UINT64_MAX && (int64_t)(until - tsc_now()) <= 0))
        return 0;
    const uint64_t deadline = until == UINT64_MAX ? tsc_now() + INT64_MAX : until;
    if (word)
        *condition = tsc_wait_while(word, value, deadline) != value;
    else
        *condition = (x86linux_pause(), 1);
    return *condition;
}

/*
 * A loop that goes on as long as a word changes in time:
 *
 *     user_schedule(cycles, USERSCHED_COND_SCHEDULE) {
 *         if (is_done())
 *             user_cond_set(USERSCHED_COND_BREAK);
 *     }
 *     user_reschedule(&cycles, &word, value);
 *
 * Between rounds it waits until *word is not value. cycles then has what is left of the
 * time; its address, and that of the word, may be NULL.
 */
#define user_schedule(cycles, condition)                                                  \
    {                                                                                     \
        uint32_t x86linux_condition = (condition);                                        \
        const uint64_t x86linux_until = x86linux_user_until(cycles);                      \
        do
/* In the loop: when its time is over. */
#define user_timeout_tsc() (x86linux_until)
/* In the loop: sets whether it goes on, USERSCHED_COND_*. */
#define user_cond_set(condition) (x86linux_condition = (condition))
/* The end of the loop. */
#define user_reschedule(cycles, word, value)                                              \
        while (x86linux_user_again(&x86linux_condition, x86linux_until, (word), (value))) \
            ;                                                                             \
        x86linux_user_store((cycles), x86linux_until);                                    \
    }                                                                                     \
    (void)0
static inline void x86linux_user_store(uint32_t *cycles, uint64_t until)
{
    if (cycles)
        *cycles = x86linux_user_left(until);
}

/*
 * Flags of the locks, beside FUTEX_PRIVATE_FLAG (of one process), FUTEX_CLOCK_REALTIME (of
 * the timeout) and SA_RESTART (a signal does not end the wait): spins anew after each
 * sleep. EAGAIN is never returned, with and without USERSCHED_NOEAGAIN.
 */
#define X86LINUX_SA_RESTART 0x10000000
#define USERSCHED_RESTART 0x1
#define USERSCHED_NOEAGAIN 0x2

static inline int x86linux_failed(long error)
{
    errno = (int)error;
    return -1;
}

/* The words of a ticket lock: whose turn it is, and the next ticket. */
static inline volatile uint32_t *x86linux_turn(volatile uint64_t *lock)
{
    return (volatile uint32_t *)(volatile void *)lock;
}

/*
 * Takes a fair lock; 0 is a free one. Spins for so many cycles, then sleeps, until an absolute
 * time if timeout is not NULL. Returns 0; or -1 and errno, ETIMEDOUT or EINTR. Who gives up
 * when others wait behind him would let them wait for ever: so he waits on.
 */
static inline int usersched_lock(volatile uint64_t *lock, int flags, uint32_t cycles,
                                 const struct timespec *timeout)
{
    volatile uint32_t *turn = x86linux_turn(lock), *next = turn + 1;
    const uint32_t ticket = __atomic_fetch_add(next, 1, __ATOMIC_SEQ_CST);
    const int operation = FUTEX_WAIT_BITSET | (flags & FUTEX_CLOCK_REALTIME);
    uint64_t until = x86linux_user_until(cycles);
    for (;;) {
        uint32_t now;
        while ((now = __atomic_load_n(turn, __ATOMIC_SEQ_CST)) != ticket &&
               x86linux_user_left(until) != 0)
            tsc_wait_while(turn, now,
                           until == UINT64_MAX ? tsc_now() + INT64_MAX : until);
        if (now == ticket)
            return 0;
        const long error = -x86linux_futex(turn, operation, !(flags & FUTEX_PRIVATE_FLAG), now,
                                           timeout, x86linux_ticket_bit(ticket));
        if (error == ETIMEDOUT || (error == EINTR && !(flags & X86LINUX_SA_RESTART))) {
            uint32_t last = ticket + 1;
            if (__atomic_load_n(turn, __ATOMIC_SEQ_CST) != ticket &&
                __atomic_compare_exchange_n(next, &last, ticket, 0, __ATOMIC_SEQ_CST,
                                            __ATOMIC_RELAXED))
                return x86linux_failed(error);
            timeout = NULL;
        } else if (error != 0 && error != EAGAIN && error != EINTR) {
            return x86linux_failed(error);
        }
        if (flags & USERSCHED_RESTART)
            until = x86linux_user_until(cycles);
    }
}

/* Gives it to who waits longest. Returns 0, or what futex(2) says: those woken, or -1. */
static inline int usersched_unlock(volatile uint64_t *lock, int flags)
{
    volatile uint32_t *turn = x86linux_turn(lock);
    const uint32_t now = __atomic_add_fetch(turn, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(turn + 1, __ATOMIC_SEQ_CST) == now)
        return 0;
    const long woken = x86linux_futex(turn, FUTEX_WAKE_BITSET, !(flags & FUTEX_PRIVATE_FLAG),
                                      INT_MAX, NULL, x86linux_ticket_bit(now));
    return woken < 0 ? x86linux_failed(-woken) : (int)woken;
}

/*
 * Takes a lock that inherits priority and survives its holder; 0 is a free one. tid is the
 * caller's id. Otherwise as above; a signal does not end the wait, and after a holder that
 * died errno is EOWNERDEAD beside the 0. A timeout needs Linux 5.14.
 */
static inline int usersched_lock_pi2(volatile uint32_t *lock, pid_t tid, int flags,
                                     uint32_t cycles, const struct timespec *timeout)
{
    const int operation =
        timeout ? FUTEX_LOCK_PI2 | (flags & FUTEX_CLOCK_REALTIME) : FUTEX_LOCK_PI;
    const uint64_t deadline = cycles == UINT32_MAX ? tsc_now() + INT64_MAX : tsc_now() + cycles;
    const int error = x86linux_pi_acquire(lock, (uint32_t)tid, !(flags & FUTEX_PRIVATE_FLAG),
                                          deadline, operation, timeout);
    if (error == EOWNERDEAD)
        errno = error;
    return error == 0 || error == EOWNERDEAD ? 0 : x86linux_failed(error);
}

/* Gives it back. Returns 0; or -1 and errno, EPERM if the caller does not hold it. */
static inline int usersched_unlock_pi(volatile uint32_t *lock, pid_t tid, int flags)
{
    const int error = x86linux_pi_release(lock, (uint32_t)tid, !(flags & FUTEX_PRIVATE_FLAG));
    return error == 0 ? 0 : x86linux_failed(error);
}

/* The masks that a thread's sections have found, so that these nest: one within another gives
 * back what that one had. Deeper ones than this find all blocked, and keep it so. */
enum { X86LINUX_SECTIONS = 16 };
struct x86linux_masks {
    unsigned depth;
    x86linux_sigset found[X86LINUX_SECTIONS];
};
__attribute__((weak, visibility("hidden"),
               tls_model("initial-exec"))) __thread struct x86linux_masks x86linux_masks = {0, {0}};

/* Blocks signals, all but synchronous ones if set is NULL; what the thread had goes to old,
 * or is remembered. The kernel's set is the first word of libc's. */
static inline void x86linux_enter_section(const sigset_t *set, sigset_t *old)
{
    const x86linux_sigset all = ~X86LINUX_SYNCHRONOUS_SIGNALS;
    x86linux_sigset found = 0;
    x86linux_call(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */,
                  set ? x86linux_address(set) : x86linux_address(&all), x86linux_address(&found),
                  sizeof(found), 0, 0);
    if (old) {
        __builtin_memset(old, 0, sizeof(*old));
        __builtin_memcpy(old, &found, sizeof(found));
        return;
    }
    if (x86linux_masks.depth < X86LINUX_SECTIONS)
        x86linux_masks.found[x86linux_masks.depth] = found;
    x86linux_masks.depth++;
}

/* Gives the thread the mask that is given, or the one that is remembered. */
static inline void x86linux_leave_section(const sigset_t *set)
{
    if (set) {
        x86linux_sigset mask;
        __builtin_memcpy(&mask, set, sizeof(mask));
        x86linux_restore_signals(mask);
    } else if (x86linux_masks.depth > 0 && --x86linux_masks.depth < X86LINUX_SECTIONS) {
        x86linux_restore_signals(x86linux_masks.found[x86linux_masks.depth]);
    }
}

/* A section that no handler of the program interrupts. Sections nest. */
#define as_enter() x86linux_enter_section(NULL, NULL)
/* The end of it. */
#define as_exit() x86linux_leave_section(NULL)

/*
 * usersched_lock in such a section. set: the mask in it, NULL for all signals but synchronous
 * ones. The mask that the thread had goes to old, and is passed to the function that gives the
 * lock back as its set; it is remembered for that if old, and set there, is NULL. Where the
 * lock is not taken, the mask is as it was.
 */
static inline int usersched_plock(volatile uint64_t *lock, int flags, uint32_t cycles,
                                  const struct timespec *timeout, const sigset_t *set,
                                  sigset_t *old)
{
    x86linux_enter_section(set, old);
    const int result = usersched_lock(lock, flags, cycles, timeout);
    if (result != 0)
        x86linux_leave_section(old);
    return result;
}

/* Gives the lock and the mask back. Returns 0; or -1 and errno, in the section still. */
static inline int usersched_punlock(volatile uint64_t *lock, int flags, const sigset_t *set)
{
    const int result = usersched_unlock(lock, flags);
    if (result < 0)
        return -1;
    x86linux_leave_section(set);
    return 0;
}

/* usersched_lock_pi2 in such a section. */
static inline int usersched_plock_pi2(volatile uint32_t *lock, pid_t tid, int flags,
                                      uint32_t cycles, const struct timespec *timeout,
                                      const sigset_t *set, sigset_t *old)
{
    x86linux_enter_section(set, old);
    const int result = usersched_lock_pi2(lock, tid, flags, cycles, timeout);
    if (result != 0)
        x86linux_leave_section(old);
    return result;
}

/* Gives the lock and the mask back. Returns as usersched_punlock. */
static inline int usersched_punlock_pi(volatile uint32_t *lock, pid_t tid, int flags,
                                       const sigset_t *set)
{
    if (usersched_unlock_pi(lock, tid, flags) != 0)
        return -1;
    x86linux_leave_section(set);
    return 0;
}

#endif
