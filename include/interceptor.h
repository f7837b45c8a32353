/*
 * interceptor.h - see, change, answer or deny the system calls of a program.
 *
 * A hook library is a shared object that is preloaded together with
 * libinterceptor.so:
 *
 *     cc -shared -fPIC -o libhook.so hook.c
 *     interceptor run --hook ./libhook.so -- PROGRAM ARGS...
 *
 * or without the command, LD_PRELOAD=./libhook.so:libinterceptor.so PROGRAM; or,
 * linked with -linterceptor, LD_PRELOAD=./libhook.so PROGRAM. In a constructor it
 * assigns interceptor_syscall_hook, or registers as many hooks as it likes with
 * interceptor_register. Both take effect at once, in all threads.
 *
 * C11 and C++17. x86-64 Linux only.
 *
 * Functions that can fail return -1, or what is said otherwise, and set errno.
 *
 *
 * What a hook may do, and what becomes of one that does what it may not
 *
 * A hook runs in the thread that made the call, on a stack of its own of 192 KiB.
 * Everything the program has in registers is preserved, vector registers included, and
 * so is errno. It may be called at any point of the program at which a system call
 * instruction stands: under locks of libc, in signal handlers, before main.
 *
 * - It makes system calls: they are not hooked. So a hook does not call itself.
 * - It waits for the program (a lock, malloc and stdio among them, which take locks):
 *   the thread may hold that lock itself, and then waits for ever.
 * - It blocks in the kernel: so does the thread. Signals that have a handler wait until
 *   the hook is done, and a call that it makes may fail with EINTR meanwhile (see
 *   interceptor_hook_is_interruptible); those that end or stop the process do so at once.
 * - It crashes: so does the program, by the same signal. If that has a handler, this
 *   is called, with the registers of the hook, on the program's stack.
 *   INTERCEPTOR_CRASH_REPORT=1 says where.
 * - It recurses without an end: its stack ends before unmapped memory, SIGSEGV.
 * - It leaves by longjmp, or an exception, to the program: the call was not made. The
 *   thread goes on, and is hooked again from its next call on.
 * - It calls exit or _exit: the process ends.
 *
 * A library that cannot be loaded is refused by `interceptor run`; from LD_PRELOAD the
 * dynamic linker says so, and runs the program without it. One that needs a function
 * that libinterceptor.so does not have, or another version of the interface than
 * INTERCEPTOR_0, is refused, too, with a line that names it; from LD_PRELOAD the dynamic
 * linker says what is missing and ends with a status of 1 or 127, at once if the library
 * is linked with -z now.
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
 * Versions
 */

/* Of this header. A library may be newer than the header, within a major version. */
#define INTERCEPTOR_VERSION_MAJOR 0
#define INTERCEPTOR_VERSION_MINOR 1
#define INTERCEPTOR_VERSION_PATCH 0
#define INTERCEPTOR_VERSION_OF(major, minor, patch) ((major) << 16 | (minor) << 8 | (patch))
#define INTERCEPTOR_VERSION                                                    \
    INTERCEPTOR_VERSION_OF(INTERCEPTOR_VERSION_MAJOR, INTERCEPTOR_VERSION_MINOR, \
                           INTERCEPTOR_VERSION_PATCH)

/* Of the library that is loaded. */
unsigned interceptor_version(void);

/*
 * 1 when a hook that was compiled with a header of that version may use the library;
 * if not, 0, and one line on standard error says so, with the name, which may be NULL.
 */
int interceptor_check_version(unsigned header_version, const char *name);
#define INTERCEPTOR_CHECK_VERSION(name) interceptor_check_version(INTERCEPTOR_VERSION, (name))

/*
 * One hook: the variable
 */

/*
 * The system call hook; NULL (the initial value) for none.
 *
 * nr        number of the call, as the program put it into rax
 * a0 .. a5  its arguments; what a call does not use is undefined
 * forward   *forward is 0; set it to 1 to execute the original call when the
 *           hook has returned. Then the hook's own return value is ignored.
 *
 * Returns the result that the program sees: a value, or -1 with the error in
 * errno, as from syscall(2). A value from -2 to -4095 is an error, too, as from the kernel.
 *
 * There is one variable: of two libraries that assign it the later one has it. Those
 * that are to work together register their hooks instead.
 */
extern long (*interceptor_syscall_hook)(long nr, long a0, long a1, long a2,
                                        long a3, long a4, long a5,
                                        int *forward);

/*
 * Executes a system call that no hook sees. Pass as many arguments as the call
 * has. Returns as syscall(2): -1 and errno for an error. Safe in hooks and in
 * signal handlers. What it does to threads, processes and signal actions is noticed.
 *
 * A hook may execute the call that it is shown, and answer it with the result. But
 * some cannot be executed under a hook: the birth of what shares its parent's memory or
 * has a stack of its own (threads, vfork, posix_spawn), rt_sigreturn, exit, and what waits
 * with a signal mask of its own (rt_sigsuspend, ppoll, pselect6, epoll_pwait, io_pgetevents,
 * io_uring_enter); and sigaltstack, while a handler runs on that stack. Asked for by
 * the hook that is shown them, they return 0, and the call is made when the hook is done,
 * whatever it decides. Other births of that kind fail with ENOSYS. A signal that comes while
 * the hook's call waits is handled when the hook is done: the call fails with EINTR, is made
 * anew after the handler if the program's would be, and returns 0 if it is tried again.
 */
long interceptor_syscall(long nr, ...);

/*
 * 1 when the system calls of this process are intercepted; 0 when the runtime
 * stood back, because it was switched off, filtered out, or could not arm. It
 * has said why on standard error. Valid in constructors.
 */
int interceptor_allowed(void);

/*
 * Shows the hook of the variable the calls with number nr (0 .. 511), or all calls for
 * nr -1. A call that nobody subscribed to costs nothing. A library that refers to
 * interceptor_syscall_hook starts subscribed to everything.
 * Returns 0; or -1: EINVAL for a number out of range. Takes effect at once.
 */
int interceptor_subscribe(long nr);

/* The opposite of interceptor_subscribe. Returns as that. */
int interceptor_unsubscribe(long nr);

/*
 * Shows a hook exactly the calls of a list, as `interceptor trace -e` reads it: names,
 * numbers and ranges, classes after % (%file %desc %network %process %signal %ipc
 * %memory %creds %clock %pure), all, none; ! before a word takes its calls out:
 * "read,%file,!stat" or "!%signal". hook is a handle of interceptor_register, or 0 for
 * the variable. Returns 0, or -1: EINVAL, and for a word that nobody knows a line on
 * standard error.
 */
int interceptor_subscribe_calls(int hook, const char *calls);

/*
 * Makes questions for the time system calls: clock_gettime, clock_getres, gettimeofday,
 * time and getcpu, which the kernel's vDSO answers otherwise without one. Subscribed to,
 * they are shown to the hook as any call, and may be answered: see examples/clock.c. They
 * take as long as a call, then. It happens when the process starts if a library that is
 * preloaded refers to this function; call it in a constructor to learn whether it has.
 * Returns 0; or -1: ENOSYS if the kernel has no vDSO or does not let it be changed, or if
 * no library referred to the function at the start.
 */
int interceptor_subscribe_time(void);

/*
 * Declares with 1 that the hook, and everything it calls, touches no vector, x87
 * or mask register, so that none needs to be saved around it: compile it with
 * -mgeneral-regs-only, and call nothing else. 0, the initial state, takes that
 * back. A false declaration corrupts the program. While hooks are registered it has no
 * effect.
 */
void interceptor_hook_is_vector_free(int is_vector_free);

/*
 * Declares with 1 that the hooks, those of births and signals among them, and everything they
 * call use no thread-local variables, no errno, no stack protector, and nothing of libc that
 * may. Then they are also called in threads on storage that the program has made itself
 * (CLONE_SETTLS, arch_prctl), where none of that is. 0, the initial state: calls of such
 * threads go by unseen, which one line on standard error says, and are counted as lost.
 */
void interceptor_hook_is_libc_free(int is_libc_free);

/*
 * Declares with 1 that signals may interrupt the hooks of system calls: the program's
 * handlers then run at once, on the stack that they would have without the hook, and see
 * the hook in their context. Calls that they make are hooked, but for their return. They
 * may leave the hook by siglongjmp, so it must hold nothing that it needs to give back;
 * but not for another context from which they come back, as schedulers do by swapcontext.
 * A hook that runs for a call that such a handler makes is not interrupted, nor one that
 * runs for a handler on the alternate stack; and a signal that came right before the
 * hook began keeps all others waiting until the hook makes a call of its own through
 * libc. 0, the initial state: signals wait until the hook has returned.
 */
void interceptor_hook_is_interruptible(int is_interruptible);

/*
 * Many hooks: registered
 */

/* A call, on its way in or out. */
struct interceptor_call {
    long nr;                      /* its number */
    long args[6];                 /* its arguments */
    long result;                  /* what the program sees: a value, or -EPERM and so on */
    unsigned long word;           /* the hook's own: what enter leaves here, exit finds */
    unsigned long return_address; /* after the program's system call instruction */
    unsigned long stack_pointer;  /* the program's */
};

/* What a hook decides. */
enum interceptor_decision {
    /* The call, or the signal, goes on: to the next hook, then to the kernel, or program. */
    INTERCEPTOR_FORWARD = 0,
    /* The same, and the hook's exit is called with the result. */
    INTERCEPTOR_FORWARD_AND_EXIT = 1,
    /* The call ends here, with call->result; the signal ends here. */
    INTERCEPTOR_ANSWER = 2
};

struct interceptor_remote; /* below */

/* A thread, in the functions about lives. */
struct interceptor_thread {
    pid_t tid;
    pid_t tgid;
    size_t number; /* as interceptor_tstat.thread_nr */
};

/*
 * A hook. Functions that are NULL are not called; what is not set is 0:
 *
 *     static const struct interceptor_hook hook = {
 *         .size = sizeof hook, .calls = "open,openat", .enter = enter};
 *
 * Nothing of it needs to stay; all functions get data.
 */
struct interceptor_hook {
    size_t size;       /* of this structure: a library knows an older header by it */
    const char *name;  /* for messages */
    const char *calls; /* which calls enter and exit see, as above; NULL for all */
    int priority;      /* lower ones are asked first */
    void *data;

    /*
     * A call on its way in. What it changes in nr and args, the next hook and the
     * kernel see; the program does not. Returns an enum interceptor_decision. NULL
     * stands for INTERCEPTOR_FORWARD_AND_EXIT, if there is an exit.
     */
    int (*enter)(struct interceptor_call *call, void *data);
    /*
     * A call on its way out, with the number and the arguments that the program gave,
     * also when a later hook has answered it. It may change the result. Of several
     * hooks the last one is told first. Not called when the call never returns (exit,
     * a successful execve) or a signal handler leaves it by siglongjmp.
     */
    void (*exit)(struct interceptor_call *call, void *data);

    /* In a new thread, before its first own instruction. */
    void (*thread_start)(const struct interceptor_thread *thread, pid_t parent_tgid, void *data);
    /* In a thread that is about to end by itself. */
    void (*thread_exit)(const struct interceptor_thread *thread, void *data);
    /* In a new process. A vfork child runs on its parent's memory. */
    void (*process_start)(const struct interceptor_thread *thread, pid_t parent_tgid, void *data);
    /* In a thread that has made a thread or a process. */
    void (*child_born)(pid_t child_tid, void *data);
    /* In a thread that is about to execute a program. It may still fail. */
    void (*process_exec)(const struct interceptor_thread *thread, void *data);
    /* In a thread that is about to end its process by exit_group. */
    void (*process_exit)(const struct interceptor_thread *thread, int status, void *data);

    /*
     * A signal on its way to the program, as interceptor_signal_hook sees it. Returns
     * INTERCEPTOR_FORWARD, or INTERCEPTOR_ANSWER to swallow it.
     */
    int (*signal)(int sig, siginfo_t *info, void *context, void *data);

    /*
     * What another member of the group did to this thread or process, as
     * interceptor_remote_hook sees it. Where nothing refers to a name of the group
     * (below) there is none, and nothing to tell.
     */
    void (*remote)(const struct interceptor_remote *effect, void *data);
};

/* Hooks that can be registered at once. */
#define INTERCEPTOR_HOOKS 8

/*
 * Adds a hook to those of the process. Hooks are asked in the order of their
 * priorities, those of the same one in the order in which they came; the hook of the
 * variable before all that have priority 0 or more. The first that answers ends that.
 *
 * Returns a handle, a positive number; or -1: EINVAL for a bad description, with a line
 * on standard error if calls makes no sense; ENOSPC; ENOSYS without interception; E2BIG
 * when it has fields that the library does not know.
 */
int interceptor_register(const struct interceptor_hook *hook);

/*
 * Takes a hook back: no call that is made after this has begun is shown to it. Then waits,
 * as interceptor_synchronize does, and returns 0; or -1: EINVAL for a handle that is none,
 * ETIMEDOUT: then the hook is not asked any more, but may still run, and its place is
 * taken until this is called again with the handle and succeeds. exit is not called for
 * calls that are in the kernel.
 */
int interceptor_unregister(int hook, int timeout_ms);

/*
 * Waits until every other thread has left the hook that it is inside of, if it is.
 * Afterwards nobody runs what was replaced before:
 *
 *     interceptor_syscall_hook = better_hook;
 *     if (interceptor_synchronize(1000) == 0)
 *         dlclose(library_of_the_old_hook);
 *
 * timeout_ms -1 waits without a limit. Returns 0; or -1: ETIMEDOUT, or ENOSYS where the
 * kernel lacks membarrier(2). Hooks are not slowed down. A hook may call it: it does not
 * wait for its own thread; but two that wait for each other do so until the time is over.
 * A hook that was left by longjmp counts as left with the thread's next hooked call.
 */
int interceptor_synchronize(int timeout_ms);

/*
 * A word of the calling thread, for a hook to keep what it likes: NULL in a new thread;
 * in a forked child what it was in the parent. hook is a handle, or 0 for the variable.
 * Returns where it is; NULL for a handle that is none, and without interception.
 */
void **interceptor_thread_word(int hook);

/* 1 when the caller is executed by a hook, so that its system calls are not hooked. */
int interceptor_in_hook(void);

/*
 * Memory of the program
 *
 * An argument of a call proves nothing. Where the kernel would say EFAULT these do, and
 * crash only in a process that has forbidden itself system calls (seccomp). Addresses are
 * numbers, as hooks get them.
 */

/* Copies size bytes from the program. Returns 0, or -1: EFAULT. */
int interceptor_read(void *to, long from, size_t size);

/* Copies size bytes to the program. Returns 0, or -1: EFAULT, with a part written. */
int interceptor_write(long to, const void *from, size_t size);

/*
 * Copies a string of the program, with its NUL. Returns its length; or -1: EFAULT, or
 * ENAMETOOLONG if it does not end within size bytes.
 */
ssize_t interceptor_read_string(char *to, long from, size_t size);

/*
 * Names
 *
 * These lock nothing and allocate nothing. What has no name is NULL, or -1.
 */

const char *interceptor_syscall_name(long nr);           /* "openat" */
long interceptor_syscall_number(const char *name);       /* 257 */
const char *interceptor_errno_name(int error);           /* "ENOENT" */
const char *interceptor_errno_description(int error);    /* "No such file or directory" */
int interceptor_errno_number(const char *name);          /* 2 */
const char *interceptor_signal_name(int sig);            /* "SIGINT" */

/*
 * 1 when a list of calls, as above, contains nr, 0 when not; -1: EINVAL. Reads the list
 * each time: a hook is better subscribed to it.
 */
int interceptor_syscall_is_in(long nr, const char *calls);

/*
 * Writes a call that came out as `interceptor trace` does, without a newline:
 * openat(AT_FDCWD, "/etc/x", O_RDONLY) = -1 ENOENT (No such file or directory). With a
 * NUL, cut to fit size, and 1 KiB. Needs 4 KiB of stack, and reads what pointers point to
 * now. Returns the length.
 */
size_t interceptor_format_call(const struct interceptor_call *call, char *line, size_t size);

/*
 * Coverage and counts
 */

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
 * Returns 0; or -1: ENOENT when there are no more. Safe in hooks.
 */
int interceptor_coverage(unsigned index, struct interceptor_coverage *coverage);

/* What was counted of a system call, in the whole group. */
struct interceptor_counts {
    unsigned long calls;
    unsigned long errors;  /* of these, those that failed */
    unsigned long timed;   /* of these, those that were timed: a sample */
    unsigned long cycles;  /* what those took, of the time stamp counter */
    unsigned long longest; /* what the longest of them took */
};

/*
 * Fills in *counts for the call with number nr (0 .. 510; 511 stands for all that are
 * greater), or for all calls together for nr -1. Calls that hooks make are not counted. A
 * library that refers to this function or the next makes its processes count, from their
 * start, as under `interceptor stat`, and found a group (see below).
 * Returns 0; or -1: EINVAL, or ENODATA where nothing is counted. Safe in hooks.
 */
int interceptor_query_counts(long nr, struct interceptor_counts *counts);

/* What the group has lost sight of. */
struct interceptor_losses {
    unsigned long not_armed;    /* processes that are not intercepted */
    unsigned long not_followed; /* programs that cannot be: static, set-user-ID, 32-bit */
    unsigned long calls;        /* calls, with no stack left for a hook */
    unsigned long threads;      /* threads, of more than can be counted */
    unsigned long effects;      /* effects on members, of more than can be kept */
};

/* Fills in *losses. Returns 0, or -1: ENODATA. */
int interceptor_query_losses(struct interceptor_losses *losses);

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
 * others attach theirs. All signals are blocked in it but those of faults and libc's own, so
 * that the program's handlers run in its own threads. It is cancelled when it is the last thread of its
 * process, which then ends as it would have without it.
 *
 * A process made by a bare clone() has none until it attaches one: libc does not know that it
 * is new, so what its parent's other threads, the monitor among them, have locked there stays
 * locked, and only the program can tell when that is no harm. One that runs on its parent's
 * memory (vfork, posix_spawn, CLONE_VM) can have none: there the variables are its parent's.
 */
extern pthread_attr_t *interceptor_monitor_attr; /* NULL: the default */
extern void *(*interceptor_monitor_fn)(void *arg);

/*
 * Starts the monitor of the calling process. Returns it, or the one that there
 * is already; (pthread_t)-1 while another thread attaches or destructs it; 0 when
 * it cannot be made, in a process on its parent's memory among others, which is said on
 * standard error.
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
 * if there was none; (pthread_t)-1 as above. Not to be called by the monitor. No
 * cancellation point.
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
 * It runs on the stack of the program's handler; without a handler, on the alternate
 * stack if there is one. All signals but those of faults are blocked meanwhile, and come
 * when it has returned. System calls made in it are not hooked. It must return, and must not call what
 * is not safe in signal handlers. Not seen: SIGKILL, SIGSTOP, and signals that
 * the program takes by sigwait or from a signalfd.
 *
 * One that stops the process interrupts calls like one whose handler has SA_RESTART, and a
 * SIGCONT that comes before it has stopped, while it is shown, does not make it go on.
 */
extern void (*interceptor_signal_hook)(int sig, siginfo_t *info, void *context,
                                       int *forward);

/* Signals that the hook sees, as bits. The first from the beginning. */
#define INTERCEPTOR_SIGNALS_DELIVERED 1u
/*
 * Those that are ignored, or do nothing by default (SIGCHLD, SIGCONT, SIGURG,
 * SIGWINCH). They then interrupt calls like signals whose handler has SA_RESTART. Not
 * SIGTTIN and SIGTTOU that are ignored: of these the kernel decides by that what a group in
 * the background may do with its terminal.
 */
#define INTERCEPTOR_SIGNALS_IGNORED 2u
/* Those that libc uses itself: 32 and 33, with musl also 34. */
#define INTERCEPTOR_SIGNALS_INTERNAL 4u

/*
 * Shows the hook these signals, too. Returns 0; or -1: EINVAL when there are bits that mean
 * nothing, ENOSYS when the process is not intercepted.
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
 * at which you want to be told); NULL (the initial value) for none. Registered hooks are
 * told before.
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
