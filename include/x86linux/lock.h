/*
 * x86linux/lock.h - locks that spin for a while, then sleep in the kernel.
 *
 * struct ticket_lock  fair: who comes first is first. Between threads of a process,
 *                     or of processes that share the memory and are not killed.
 * struct pi_lock      who holds it runs at the priority of the one that waits. Survives
 *                     a holder that died: the next one is told.
 *
 * Neither may be taken twice by one thread; a signal handler that takes a lock may
 * find that its own thread holds it. The masked variants exclude that: they block
 * signals first. The mask that the thread had is kept by the caller, so sections nest.
 *
 *     x86linux_sigset before = ticket_lock_lock_masked(&lock);
 *     ...
 *     ticket_lock_unlock_masked(&lock, before);
 */
#ifndef X86LINUX_LOCK_H
#define X86LINUX_LOCK_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdint.h>
#include <time.h>

#include "call.h"
#include "format.h"
#include "wait.h"

/* How long a lock spins before it sleeps, in cycles of the time stamp counter. */
#ifndef X86LINUX_SPIN_CYCLES
#define X86LINUX_SPIN_CYCLES 4000
#endif

static inline long x86linux_futex(volatile uint32_t *word, int operation, int is_shared,
                                  uint32_t value, const struct timespec *until, uint32_t bits)
{
    if (!is_shared)
        operation |= FUTEX_PRIVATE_FLAG;
    return x86linux_call(SYS_futex, x86linux_address(word), operation, (long)value,
                         x86linux_address(until), 0, (long)bits);
}

/* A fair lock; all zero is a free one of one process. */
struct ticket_lock {
    uint32_t next;      /* the ticket of whoever comes next */
    uint32_t serving;   /* the ticket that holds the lock, or may take it */
    uint32_t sleepers;  /* threads that sleep, or are about to */
    uint32_t is_shared; /* not 0: between processes */
};

#define TICKET_LOCK_INIT {0, 0, 0, 0}

/* Makes a free lock; between processes if is_shared is not 0. */
static inline void ticket_lock_init(struct ticket_lock *lock, int is_shared)
{
    lock->next = lock->serving = lock->sleepers = 0;
    lock->is_shared = (uint32_t)(is_shared != 0);
}

/* The ones that a waker of this ticket wakes. */
static inline uint32_t x86linux_ticket_bit(uint32_t ticket)
{
    return (uint32_t)1 << (ticket & 31);
}

/* Takes the lock. */
static inline void ticket_lock_lock(struct ticket_lock *lock)
{
    const uint32_t ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);
    uint32_t serving = __atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE);
    if (serving == ticket)
        return;
    const uint64_t deadline = tsc_now() + X86LINUX_SPIN_CYCLES;
    while (serving != ticket && (int64_t)(deadline - tsc_now()) > 0)
        serving = tsc_wait_while(&lock->serving, serving, deadline);
    if (serving == ticket)
        return;
    /* Pairs with the load of sleepers in ticket_lock_unlock: either that sees us, or
     * we see what it has stored before. */
    __atomic_fetch_add(&lock->sleepers, 1, __ATOMIC_SEQ_CST);
    while ((serving = __atomic_load_n(&lock->serving, __ATOMIC_SEQ_CST)) != ticket)
        x86linux_futex(&lock->serving, FUTEX_WAIT_BITSET, (int)lock->is_shared, serving, NULL,
                       x86linux_ticket_bit(ticket));
    __atomic_fetch_sub(&lock->sleepers, 1, __ATOMIC_RELAXED);
}

/* Takes the lock if it is free and nobody waits. Returns whether it did. */
static inline int ticket_lock_try(struct ticket_lock *lock)
{
    uint32_t serving = __atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE);
    return __atomic_compare_exchange_n(&lock->next, &serving, serving + 1, 0, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

/* Gives the lock to who waits longest. */
static inline void ticket_lock_unlock(struct ticket_lock *lock)
{
    const int is_shared = (int)lock->is_shared;
    const uint32_t next = __atomic_load_n(&lock->serving, __ATOMIC_RELAXED) + 1;
    __atomic_store_n(&lock->serving, next, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&lock->sleepers, __ATOMIC_SEQ_CST) != 0)
        x86linux_futex(&lock->serving, FUTEX_WAKE_BITSET, is_shared, INT_MAX, NULL,
                       x86linux_ticket_bit(next));
}

/* Blocks signals and takes the lock. Returns the mask that the thread had. */
static inline x86linux_sigset ticket_lock_lock_masked(struct ticket_lock *lock)
{
    const x86linux_sigset before = x86linux_block_signals();
    ticket_lock_lock(lock);
    return before;
}

/* Gives the lock and the mask back. */
static inline void ticket_lock_unlock_masked(struct ticket_lock *lock, x86linux_sigset before)
{
    ticket_lock_unlock(lock);
    x86linux_restore_signals(before);
}

/*
 * A lock that inherits priority; all zero is a free one of one process. The processes
 * that share one must be in one PID namespace. A holder that dies while others wait is
 * noticed at once, otherwise when the next one comes, unless another thread has its id
 * by then.
 */
struct pi_lock {
    uint32_t owner; /* thread id of the holder, and the kernel's bits */
    uint32_t is_shared;
};

#define PI_LOCK_INIT {0, 0}

/* Makes a free lock; between processes if is_shared is not 0. */
static inline void pi_lock_init(struct pi_lock *lock, int is_shared)
{
    lock->owner = 0;
    lock->is_shared = (uint32_t)(is_shared != 0);
}

/* Longest that a thread is on its way out, on a machine that is busy. */
#define X86LINUX_DEATH_NS 10000000000u

/* Whether the holder that the word names is gone; also if nobody has waited for it yet. */
static inline int x86linux_pi_is_orphan(uint32_t owner)
{
    const int tid = (int)(owner & FUTEX_TID_MASK);
    char bytes[512];
    struct x86linux_text path = {bytes, sizeof(bytes) - 1, 0};
    if (tid == 0)
        return 0;
    x86linux_format(&path, "/proc/%d/stat", tid);
    bytes[path.length] = 0;
    const long fd = x86linux_call(SYS_openat, -100 /* AT_FDCWD */, x86linux_address(bytes),
                                  02000000 /* O_CLOEXEC */, 0, 0, 0);
    if (fd < 0)
        return x86linux_call(SYS_kill, tid, 0, 0, 0, 0, 0) == -ESRCH;
    const long count =
        x86linux_call(SYS_read, fd, x86linux_address(bytes), sizeof(bytes), 0, 0, 0);
    x86linux_call(SYS_close, fd, 0, 0, 0, 0, 0);
    if (count < 0)
        return count == -ESRCH;
    /* Id, name in parentheses, which it may contain itself, state. */
    for (long at = count - 3; at > 0; at--)
        if (bytes[at] == ')')
            return bytes[at + 2] == 'Z' || bytes[at + 2] == 'X';
    return 0;
}

/* Takes it over from a holder that is gone. Returns whether it did. */
static inline int x86linux_pi_take_over(volatile uint32_t *word, uint32_t tid)
{
    uint32_t owner = __atomic_load_n(word, __ATOMIC_RELAXED);
    if (!x86linux_pi_is_orphan(owner))
        return 0;
    return __atomic_compare_exchange_n(word, &owner, tid | (owner & FUTEX_WAITERS), 0,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Takes the lock of a word, after having spun until deadline; with a futex operation that
 * takes one, and an absolute time that ends the wait. Returns as pi_lock_lock, or ETIMEDOUT. */
static inline int x86linux_pi_acquire(volatile uint32_t *word, uint32_t tid, int is_shared,
                                      uint64_t deadline, int operation,
                                      const struct timespec *until)
{
    uint64_t unclear_since = 0;
    uint32_t owner = 0, unclear = 0;
    for (;;) {
        if (__atomic_compare_exchange_n(word, &owner, tid, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return 0;
        /* Who waits in the kernel is served by the kernel. */
        if ((owner & (FUTEX_WAITERS | FUTEX_OWNER_DIED)) != 0 ||
            (owner & FUTEX_TID_MASK) == tid || (int64_t)(deadline - tsc_now()) <= 0)
            break;
        tsc_wait_while(word, owner, deadline);
        owner = 0;
    }
    for (;;) {
        owner = __atomic_load_n(word, __ATOMIC_RELAXED);
        const long error = -x86linux_futex(word, operation, is_shared, 0, until, 0);
        switch (error) {
        case 0:
            if ((__atomic_load_n(word, __ATOMIC_ACQUIRE) & FUTEX_OWNER_DIED) == 0)
                return 0;
            __atomic_fetch_and(word, ~(uint32_t)FUTEX_OWNER_DIED, __ATOMIC_RELAXED);
            return EOWNERDEAD;
        case ESRCH:
            if (x86linux_pi_take_over(word, tid))
                return EOWNERDEAD;
            x86linux_call(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
            break;
        case EINTR:
        case EAGAIN:
            break;
        case EINVAL:
            /* So says the kernel also while a holder dies, until the one that waits for
             * it has put its own id there. That cannot take as long as this. */
            if (owner != unclear)
                unclear_since = x86linux_monotonic_ns();
            else if (x86linux_monotonic_ns() - unclear_since > X86LINUX_DEATH_NS)
                return EINVAL;
            unclear = owner;
            x86linux_call(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
            break;
        default:
            return (int)error;
        }
    }
}

/*
 * Takes the lock. Returns 0; or EOWNERDEAD when the last holder died with it: the lock is
 * taken all the same, but what it protects may be half changed. Otherwise it is
 * not taken: EDEADLK when the caller holds it, or another error number of futex(2).
 */
static inline int pi_lock_lock(struct pi_lock *lock)
{
    return x86linux_pi_acquire(&lock->owner, (uint32_t)x86linux_gettid(), (int)lock->is_shared,
                               tsc_now() + X86LINUX_SPIN_CYCLES, FUTEX_LOCK_PI, NULL);
}

/* Takes the lock if it is free. Returns whether it did. */
static inline int pi_lock_try(struct pi_lock *lock)
{
    uint32_t owner = 0;
    return __atomic_compare_exchange_n(&lock->owner, &owner, (uint32_t)x86linux_gettid(), 0,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Gives the lock of a word back. Returns as pi_lock_unlock. */
static inline int x86linux_pi_release(volatile uint32_t *word, uint32_t tid, int is_shared)
{
    uint32_t owner = tid;
    if (__atomic_compare_exchange_n(word, &owner, 0, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        return 0;
    if ((owner & FUTEX_TID_MASK) != tid)
        return EPERM;
    for (;;) {
        const long error = -x86linux_futex(word, FUTEX_UNLOCK_PI, is_shared, 0, NULL, 0);
        if (error != EAGAIN && error != EINTR)
            return (int)error;
    }
}

/* Gives the lock to the waiter of the highest priority. Returns 0, or EPERM when the
 * caller does not hold it. */
static inline int pi_lock_unlock(struct pi_lock *lock)
{
    return x86linux_pi_release(&lock->owner, (uint32_t)x86linux_gettid(), (int)lock->is_shared);
}

/* Blocks signals and takes the lock; *before is the mask that the thread had. Returns
 * as pi_lock_lock; where that does not take the lock, the mask is as it was. */
static inline int pi_lock_lock_masked(struct pi_lock *lock, x86linux_sigset *before)
{
    *before = x86linux_block_signals();
    const int error = pi_lock_lock(lock);
    if (error != 0 && error != EOWNERDEAD)
        x86linux_restore_signals(*before);
    return error;
}

/* Gives the lock and the mask back. Returns as pi_lock_unlock. */
static inline int pi_lock_unlock_masked(struct pi_lock *lock, x86linux_sigset before)
{
    const int error = pi_lock_unlock(lock);
    x86linux_restore_signals(before);
    return error;
}

#endif
