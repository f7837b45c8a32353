/*
 * interceptor.h - see, change, answer or deny the system calls of a program.
 *
 * A hook library is a shared object that is preloaded together with
 * libinterceptor.so:
 *
 *     cc -shared -fPIC -o libhook.so hook.c
 *     interceptor run --hook ./libhook.so -- PROGRAM ARGS...
 *
 * or without the command, LD_PRELOAD=./libhook.so:libinterceptor.so PROGRAM.
 * It assigns interceptor_syscall_hook in a constructor. The assignment takes
 * effect at once, in all threads.
 *
 * C11 and C++17. x86-64 Linux only.
 */
#ifndef INTERCEPTOR_H
#define INTERCEPTOR_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The system call hook; NULL (the initial value) for none.
 *
 * nr        number of the call, as the program put it into rax
 * a0 .. a5  its arguments; what a call does not use is undefined
 * forward   *forward is 0; set it to 1 to execute the original call when the
 *           hook has returned. Then the hook's own return value is ignored.
 *
 * Returns the result that the program sees: a value, or -1 with the error in
 * errno, as from syscall(2).
 *
 * The hook runs in the thread that made the call, on a stack of its own of
 * 64 KiB. System calls that it makes are not hooked. Everything the program
 * has in registers is preserved, vector registers included, and so is errno.
 * It may be called at any point of the program at which a system call
 * instruction stands: under locks of libc, in signal handlers, before main. So
 * it must not wait for the program (malloc and stdio take locks).
 */
extern long (*interceptor_syscall_hook)(long nr, long a0, long a1, long a2,
                                        long a3, long a4, long a5,
                                        int *forward);

/*
 * Executes a system call that no hook sees. Pass as many arguments as the call
 * has. Returns as syscall(2): -1 and errno for an error. Safe in hooks and in
 * signal handlers.
 */
long interceptor_syscall(long nr, ...);

/*
 * 1 when the system calls of this process are intercepted; 0 when the runtime
 * stood back, because it was switched off, filtered out, or could not arm. It
 * has said why on standard error. Valid in constructors.
 */
int interceptor_allowed(void);

/*
 * Shows the hook the calls with number nr (0 .. 511), or all calls for nr -1.
 * A call that nobody subscribed to costs nothing. A library that refers to
 * interceptor_syscall_hook starts subscribed to everything.
 * Returns 0, or -1 for a number out of range. Takes effect at once.
 */
int interceptor_subscribe(long nr);

/* The opposite of interceptor_subscribe. */
int interceptor_unsubscribe(long nr);

/*
 * Declares with 1 that the hook, and everything it calls, touches no vector, x87
 * or mask register, so that none needs to be saved around it: compile it with
 * -mgeneral-regs-only, and call nothing else. 0, the initial state, takes that
 * back. A false declaration corrupts the program.
 */
void interceptor_hook_is_vector_free(int is_vector_free);

/* What became of the system call instructions of one mapped object. */
struct interceptor_coverage {
    char object[96];   /* path, cut at the front if longer; padded with zeros */
    unsigned hole;     /* jump through padding nearby */
    unsigned after;    /* jump over the instruction and those after it */
    unsigned before;   /* jump over instructions before it and the instruction */
    unsigned trap;     /* illegal instruction, caught */
    unsigned missed;   /* left alone: calls made there are not seen */
    unsigned not_code; /* looks like one, but is data or part of another one */
    unsigned int80;    /* int $0x80: left alone */
    unsigned sysenter; /* sysenter: left alone */
};

/*
 * Fills in *coverage for the index-th object of this process in which system
 * call instructions were found, from 0, in the order of patching. Objects that
 * were unmapped since are still counted.
 * Returns 0, or -1 when there are no more. Safe in hooks.
 */
int interceptor_coverage(unsigned index, struct interceptor_coverage *coverage);

#ifdef __cplusplus
}
#endif

#endif
