/*
 * x86linux/call.h - system calls without libc.
 *
 * errno is not touched; results are the kernel's, errors negative numbers.
 */
#ifndef X86LINUX_CALL_H
#define X86LINUX_CALL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

/* Executes a system call. Arguments that it does not use are 0. */
static inline long x86linux_call(long nr, long a0, long a1, long a2, long a3, long a4, long a5)
{
    register long r10 __asm__("r10") = a3;
    register long r8 __asm__("r8") = a4;
    register long r9 __asm__("r9") = a5;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(nr), "D"(a0), "S"(a1), "d"(a2), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

/* The address in a pointer, as system calls take it. */
static inline long x86linux_address(const volatile void *pointer)
{
    return (long)(uintptr_t)pointer;
}

/* The calling thread's id. */
static inline int x86linux_gettid(void)
{
    return (int)x86linux_call(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

/* The calling process's id. */
static inline int x86linux_getpid(void)
{
    return (int)x86linux_call(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

/* A set of signals, as the kernel has it: signal n is bit n - 1. */
typedef uint64_t x86linux_sigset;

/* Signals that tell of what the thread itself has just done: blocked, they would end
 * the process. SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS. */
#define X86LINUX_SYNCHRONOUS_SIGNALS                                                     \
    ((x86linux_sigset)1 << 3 | (x86linux_sigset)1 << 4 | (x86linux_sigset)1 << 6 |       \
     (x86linux_sigset)1 << 7 | (x86linux_sigset)1 << 10 | (x86linux_sigset)1 << 30)

/*
 * Blocks all signals of the calling thread but synchronous ones. Returns the mask it
 * had, which is kept by the caller: so such sections nest.
 */
static inline x86linux_sigset x86linux_block_signals(void)
{
    const x86linux_sigset all = ~X86LINUX_SYNCHRONOUS_SIGNALS;
    x86linux_sigset before = 0;
    x86linux_call(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, x86linux_address(&all),
                  x86linux_address(&before), sizeof(before), 0, 0);
    return before;
}

/* Gives the calling thread the mask that x86linux_block_signals has returned. */
static inline void x86linux_restore_signals(x86linux_sigset mask)
{
    x86linux_call(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, x86linux_address(&mask), 0,
                  sizeof(mask), 0, 0);
}

/*
 * Copies size bytes from an address that may be anything. Returns how many of the
 * first could be read; 0 where that is not allowed.
 */
static inline size_t x86linux_peek(const void *from, void *to, size_t size)
{
    struct {
        void *base;
        size_t size;
    } local = {to, size}, remote = {(void *)(uintptr_t)from, size};
    long read = x86linux_call(SYS_process_vm_readv, x86linux_gettid(), x86linux_address(&local), 1,
                              x86linux_address(&remote), 1, 0);
    return read < 0 ? 0 : (size_t)read;
}

#endif
