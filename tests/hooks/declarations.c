// flags: -std=c11 -Wall -Wextra -Werror -pedantic
// Uses every declaration of interceptor.h, as C and, by declarations_cxx.cc, as C++. What
// each does has tests of its own; here all of them are called, in a hook or outside.

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "interceptor.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int failed;

// Notes the line of what is not as it should be.
#define EXPECT(condition)                 \
    do {                                  \
        if (!(condition) && !failed)      \
            failed = __LINE__;            \
    } while (0)

// Parent and child tell of a birth at the same time.
static int births;
static int calls, signals, hooked;

static void count_birth(int is_right) {
    __atomic_fetch_add(&births, is_right, __ATOMIC_SEQ_CST);
}


static long on_call(long nr, long a0, long a1, long a2, long a3, long a4, long a5, int *forward) {
    (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    calls++;
    EXPECT(interceptor_in_hook());
    if (nr == SYS_umask) {
        long zeros[2] = {1, 1};
        EXPECT(interceptor_read(zeros, a0, sizeof zeros) == -1 && errno == EFAULT);
        EXPECT(interceptor_write(a0, zeros, sizeof zeros) == -1 && errno == EFAULT);
        EXPECT(interceptor_read_string((char *)zeros, a0, sizeof zeros) == -1);
        return interceptor_syscall(SYS_umask, a0);
    }
    *forward = 1;
    return 0;
}

static void on_signal(int sig, siginfo_t *info, void *context, int *forward) {
    signals += sig == SIGURG && info->si_signo == SIGURG && context;
    *forward = 1;
}

static void *on_birth(pid_t parent) {
    count_birth(parent == interceptor_tgstat.tgid);
    return &births;
}

static void on_child(pid_t child) {
    count_birth(child > 0);
}

static void on_effect(const struct interceptor_remote *effect) {
    EXPECT(effect->caller_tid && effect->target && effect->nr && effect->args[0] && !effect->result);
}

static void *watch(void *argument) {
    struct interceptor_remote effect;
    sigset_t mask;
    // Handlers of the program are not to run here.
    EXPECT(pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGCHLD));
    EXPECT(!sigismember(&mask, SIGSEGV));
    EXPECT(interceptor_remote_wait(&effect, 0) == 0);
    while (!__atomic_load_n(&hooked, __ATOMIC_SEQ_CST))
        usleep(1000);
    return argument;
}

static void is_told(const struct interceptor_remote *effect, void *data) {
    on_effect(effect);
    (void)data;
}

static int enter(struct interceptor_call *call, void *data) {
    *(int *)data += call->nr == SYS_getppid && call->return_address && call->stack_pointer;
    call->word = (unsigned long)call->args[0];
    return INTERCEPTOR_FORWARD_AND_EXIT;
}

static void leave(struct interceptor_call *call, void *data) {
    char line[64];
    *(int *)data += call->word == 11 && interceptor_format_call(call, line, sizeof line) > 0 &&
                    !strncmp(line, "getppid() ", 10);
    call->result = 12;
}

static int pass(int sig, siginfo_t *info, void *context, void *data) {
    (void)info, (void)context, (void)data;
    return sig ? INTERCEPTOR_FORWARD : INTERCEPTOR_ANSWER;
}

static void starts(const struct interceptor_thread *thread, pid_t parent, void *data) {
    count_birth(thread->tgid == parent && thread->tid && thread->number);
    (void)data;
}
static void born(pid_t child, void *data) {
    (void)child, (void)data;
}
static void ends(const struct interceptor_thread *thread, void *data) {
    (void)thread, (void)data;
}
static void exits(const struct interceptor_thread *thread, int status, void *data) {
    (void)thread, (void)status, (void)data;
}

static void hooks(void) {
    EXPECT(interceptor_version() >= INTERCEPTOR_VERSION);
    EXPECT(INTERCEPTOR_CHECK_VERSION("declarations"));
    EXPECT(interceptor_check_version(INTERCEPTOR_VERSION_OF(INTERCEPTOR_VERSION_MAJOR,
                                                            INTERCEPTOR_VERSION_MINOR,
                                                            INTERCEPTOR_VERSION_PATCH), NULL));
    EXPECT(interceptor_allowed() && !interceptor_in_hook());
    interceptor_hook_is_vector_free(0);
    interceptor_hook_is_libc_free(0);
    interceptor_hook_is_interruptible(0);
    EXPECT(interceptor_unsubscribe(-1) == 0 && interceptor_subscribe(SYS_umask) == 0);
    EXPECT(interceptor_subscribe_calls(0, "umask,gettid") == 0);
    EXPECT(interceptor_subscribe_time() == 0 || errno == ENOSYS);
    interceptor_syscall_hook = on_call;
    long mask = syscall(SYS_umask, 022);
    syscall(SYS_umask, mask);
    EXPECT(calls == 2);

    struct interceptor_hook hook;
    memset(&hook, 0, sizeof hook);
    hook.size = sizeof hook;
    hook.name = "declarations";
    hook.calls = "getppid";
    hook.priority = INTERCEPTOR_HOOKS;
    hook.data = &hooked;
    hook.enter = enter;
    hook.exit = leave;
    hook.thread_start = starts;
    hook.thread_exit = ends;
    hook.process_start = starts;
    hook.child_born = born;
    hook.process_exec = ends;
    hook.process_exit = exits;
    hook.signal = pass;
    hook.remote = is_told;
    int handle = interceptor_register(&hook);
    EXPECT(handle > 0 && *interceptor_thread_word(handle) == NULL);
    EXPECT(syscall(SYS_getppid, 11) == 12 && hooked == 2);

    interceptor_signal_hook = on_signal;
    EXPECT(interceptor_signal_subscribe(INTERCEPTOR_SIGNALS_DELIVERED | INTERCEPTOR_SIGNALS_IGNORED |
                                        INTERCEPTOR_SIGNALS_INTERNAL) == 0);
    raise(SIGURG);
    EXPECT(signals == 1);

    interceptor_remote_hook = on_effect;
    interceptor_clone_hook_child = on_birth;
    interceptor_clone_hook_parent = on_child;
    interceptor_monitor_attr = NULL;
    interceptor_monitor_fn = watch;
    hooked = 0;
    pthread_t monitor = INTERCEPTOR_ATTACH_MONITOR_NOW(&hooked);
    EXPECT(monitor == interceptor_tgstat.monitor);
    EXPECT(interceptor_attach_monitor(NULL, watch, NULL) == monitor);
    EXPECT(interceptor_tgstat.nr_local_thread == 2);
    EXPECT(interceptor_pgstat->cnt_thread == 2 && interceptor_pgstat->nr_thread == 2);
    EXPECT(interceptor_pgstat->nr_tgrp == 1 && interceptor_tstat.thread_nr == 1);
    EXPECT(interceptor_tstat.tid == getpid());
    __atomic_store_n(&hooked, 1, __ATOMIC_SEQ_CST);
    void *result = NULL;
    EXPECT(interceptor_destruct_monitor(&result) == monitor);
    EXPECT(result == &hooked || result == PTHREAD_CANCELED);
    interceptor_monitor_fn = NULL;
    interceptor_group_sync();
    // The child's own view, the parent's, and that of the registered hook.
    EXPECT(__atomic_load_n(&births, __ATOMIC_SEQ_CST) == 3);
    EXPECT(interceptor_unregister(handle, 100000) == 0);
    EXPECT(interceptor_synchronize(100000) == 0);
    interceptor_clone_hook_child = NULL;
    interceptor_clone_hook_parent = NULL;
    interceptor_syscall_hook = NULL;
    interceptor_signal_hook = NULL;
    interceptor_remote_hook = NULL;
}

static void queries(void) {
    EXPECT(!strcmp(interceptor_syscall_name(SYS_read), "read"));
    EXPECT(interceptor_syscall_number("read") == SYS_read);
    EXPECT(interceptor_syscall_is_in(SYS_read, "%desc") == 1);
    EXPECT(!strcmp(interceptor_errno_name(EPERM), "EPERM"));
    EXPECT(!strcmp(interceptor_errno_description(EPERM), "Operation not permitted"));
    EXPECT(interceptor_errno_number("EPERM") == EPERM);
    EXPECT(!strcmp(interceptor_signal_name(SIGHUP), "SIGHUP"));

    struct interceptor_coverage coverage;
    EXPECT(interceptor_coverage(0, &coverage) == 0 && coverage.object[0]);
    EXPECT(coverage.hole + coverage.after + coverage.before + coverage.trap + coverage.missed +
               coverage.not_code + coverage.int80 + coverage.sysenter > 0);
    struct interceptor_counts counts;
    EXPECT(interceptor_query_counts(SYS_umask, &counts) == 0);
    EXPECT(counts.calls == 2 && counts.errors == 0 && counts.timed <= 2);
    EXPECT(counts.longest <= counts.cycles);
    EXPECT(interceptor_query_counts(-1, &counts) == 0 && counts.calls > 4);
    EXPECT(interceptor_query_counts(512, &counts) == -1 && errno == EINVAL);
    struct interceptor_losses losses;
    EXPECT(interceptor_query_losses(&losses) == 0);
    EXPECT(losses.not_armed + losses.not_followed + losses.calls + losses.threads + losses.effects == 0);
}

__attribute__((constructor)) static void start(void) {
    enum interceptor_decision decision = INTERCEPTOR_FORWARD;
    EXPECT(decision == 0);
    hooks();
    queries();
    char line[] = "line 000 of declarations.c\n";
    for (int place = 7, rest = failed; place > 4; place--, rest /= 10)
        line[place] = (char)('0' + rest % 10);
    if (failed) {
        EXPECT(write(1, line, sizeof line - 1));
        _exit(1);
    }
    EXPECT(write(1, "ok\n", 3));
}
