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

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/types.h>
#if defined(__GLIBC__) && !defined(__USE_POSIX199309)
#include <bits/types/siginfo_t.h> /* -std=c11 hides it */
#endif

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
 * 192 KiB. System calls that it makes are not hooked. Everything the program
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

/*
 * Threads and processes
 *
 * All descendants of a process are its group, across fork and exec. A library
 * that refers to one of the names below makes the first process that loads it
 * found a group (or `interceptor run`, trace and stat do).
 */

/*
 * Called in each new thread and each new process (fork, vfork, posix_spawn,
 * clone), before its first own instruction, with the id of the thread group
 * that made it; NULL (the initial value) for none. What it returns in a new
 * process is the argument of that process's monitor. A vfork child runs on its
 * parent's memory. System calls made in it are not hooked.
 */
extern void *(*interceptor_clone_hook_child)(pid_t parent_tgid);

/* Called in the thread that has made a thread or a process, with its id. */
extern void (*interceptor_clone_hook_parent)(pid_t child_tid);

/*
 * Counts of the whole group, in memory that all of it shares. Right after a
 * wait*() call of any member has returned, and after interceptor_group_sync();
 * also while a monitor thread waits, after each of its waits. All 0 when there
 * is no group.
 */
struct interceptor_pgstat {
    size_t cnt_thread; /* threads ever born; never falls */
    size_t nr_tgrp;    /* thread groups alive */
    size_t nr_thread;  /* threads alive */
};
extern volatile struct interceptor_pgstat *interceptor_pgstat;

/* The calling process. */
struct interceptor_tgstat {
    pid_t tgid;                      /* thread group id */
    volatile size_t nr_local_thread; /* its threads alive, its monitor included */
    volatile pthread_t monitor;      /* its monitor; 0: none, -1: being changed */
};
extern struct interceptor_tgstat interceptor_tgstat;

/*
 * The calling thread: its id, and its number in the group, from 1, never given
 * twice; 0 when it is not counted. Initial-exec thread-local.
 */
struct interceptor_tstat {
    pid_t tid;
    size_t thread_nr;
};
extern
#ifdef __cplusplus
    __thread
#else
    _Thread_local
#endif
    struct interceptor_tstat interceptor_tstat
    __attribute__((tls_model("initial-exec")));

/* Counts the threads that have died unnoticed (SIGKILL, crashes). */
void interceptor_group_sync(void);

/*
 * The monitor: a thread of each thread group, made by the program's own
 * pthread_create. When interceptor_monitor_fn is not NULL, every process that
 * fork() makes gets one that executes it, with what the child hook returned;
 * others attach theirs. It is cancelled when it is the last thread of its
 * process, which then ends as it would have without it.
 */
extern pthread_attr_t *interceptor_monitor_attr; /* NULL: the default */
extern void *(*interceptor_monitor_fn)(void *arg);

/*
 * Starts the monitor of the calling process. Returns it, or the one that there
 * is already; (pthread_t)-1 while another thread attaches or destructs it; 0 when
 * it cannot be made, which is said on standard error.
 */
pthread_t interceptor_attach_monitor(const pthread_attr_t *attr,
                                     void *(*fn)(void *), void *arg);

/* The same with interceptor_monitor_attr and interceptor_monitor_fn. */
#define INTERCEPTOR_ATTACH_MONITOR_NOW(arg)                      \
    interceptor_attach_monitor(interceptor_monitor_attr,         \
                               interceptor_monitor_fn, (arg))

/*
 * Cancels and joins the monitor of the calling process and stores what it
 * returned in *result, if result is not NULL. Returns the thread that it was; 0
 * if there was none; (pthread_t)-1 as above. Not to be called by the monitor.
 */
pthread_t interceptor_destruct_monitor(void **result);

/*
 * Signals
 */

/*
 * Called for a signal that is about to reach the program: one that has a handler,
 * or that ends or stops the process by default. context is a ucontext_t *: the program as
 * if it had never left its own text; changes to it take effect. *forward is 0;
 * save 1 to let the signal go its way, to the handler or to the default action,
 * which then is the kernel's (status and core file are as without a hook).
 * Otherwise it is as if the signal had not come, but an interrupted call fails
 * with EINTR as if it had been handled. NULL (the initial value) lets all go.
 *
 * It runs on the stack of the program's handler and with its signal mask; without
 * a handler, on the alternate stack if there is one, with the mask of what was
 * interrupted. System calls made in it are not hooked. It must return, and must not call what
 * is not safe in signal handlers. Not seen: SIGKILL, SIGSTOP, and signals that
 * the program takes by sigwait or from a signalfd.
 */
extern void (*interceptor_signal_hook)(int sig, siginfo_t *info, void *context,
                                       int *forward);

/* Signals that the hook sees, as bits. The first from the beginning. */
#define INTERCEPTOR_SIGNALS_DELIVERED 1u
/*
 * Those that are ignored, or do nothing by default (SIGCHLD, SIGCONT, SIGURG,
 * SIGWINCH). They then interrupt calls like signals whose handler has SA_RESTART.
 */
#define INTERCEPTOR_SIGNALS_IGNORED 2u
/* Those that libc uses itself: 32 and 33, with musl also 34. */
#define INTERCEPTOR_SIGNALS_INTERNAL 4u

/*
 * Shows the hook these signals, too. Returns 0; -1 when there are bits that mean
 * nothing, or when the process is not intercepted.
 */
int interceptor_signal_subscribe(unsigned signals);

/*
 * What another member of the group did to this thread or process: kill, tkill,
 * tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo, pidfd_send_signal, pidfd_getfd,
 * process_vm_writev, process_madvise, migrate_pages, move_pages, prlimit64,
 * setpgid, ptrace, setpriority, ioprio_set, sched_setaffinity, sched_setscheduler,
 * sched_setparam, sched_setattr.
 */
struct interceptor_remote {
    pid_t caller_tid;      /* the thread that made the call */
    pid_t target;          /* the thread or process that it named */
    unsigned long nr;      /* number of the call */
    unsigned long args[6]; /* its arguments; pointers are the caller's */
    long result;           /* its result; calls that fail are not told */
};

/*
 * Called in the target, at its next intercepted call (subscribe to the calls
 * at which you want to be told); NULL (the initial value) for none.
 */
extern void (*interceptor_remote_hook)(const struct interceptor_remote *effect);

/*
 * For a monitor, which is told beside the hook, at once: waits until somebody
 * does something to any thread of this process, or takes what was done since the
 * calling thread has called this first. target is the process's or the thread's
 * id in the hook, the process's here. timeout_ms -1 waits for ever. Returns 1; or 0 when the time is over or a signal
 * has come. Not a cancellation point.
 */
int interceptor_remote_wait(struct interceptor_remote *effect, int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
