/*
 * Kills a process at single instructions of what changes the counts of threads and processes, in turn, and counts.
 * STEPPED names what it does there: a thread ends, the process ends, its first thread ends alone, a thread or a process
 * is born, a program is executed. The scenario runs in the constructor of whatever program this is preloaded into; it
 * prints "ok", or what is wrong, and ends the process. Without STEPPED nothing happens but the counting.
 * Every STEPS-th instruction has its turn. What was made before the kill ends by itself.
 */
// flags: -pthread
#define _GNU_SOURCE
#include <interceptor.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "check.h"

extern char **environ;

/* What is stepped through. */

static void end_thread(void) { syscall(SYS_exit, 0L); }
static void end_process(void) { syscall(SYS_exit_group, 0L); }

static void *nothing(void *unused) { return unused; }

static void make_thread(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, nothing, NULL);
}

static void make_process(void) {
    if (syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L) == 0)
        syscall(SYS_exit_group, 0L);
}

static void execute(void) {
    char *arguments[] = {"true", NULL};
    execve("/bin/true", arguments, environ);
}

static const struct action {
    const char *name;
    void (*act)(void);
    int by_first, with_another;
} actions[] = {
    {"thread ends", end_thread, 0, 0},    {"process ends", end_process, 1, 0}, {"first ends", end_thread, 1, 1},
    {"process with threads ends", end_process, 0, 1}, {"thread is born", make_thread, 1, 0},
    {"process is born", make_process, 1, 0}, {"executes", execute, 1, 1},
};

static const struct action *action;

/* In the process that is killed. */

static volatile pid_t *stepped;

static void *idle(void *unused) {
    for (;;)
        pause();
    return unused;
}

static void *be_stepped(void *unused) {
    pid_t self = (pid_t)syscall(SYS_gettid);
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    *stepped = self;
    syscall(SYS_tgkill, getpid(), self, SIGSTOP);
    action->act();
    end_process();
    return unused;
}

static void victim(void) {
    pthread_t thread;
    end_with_parent();
    if (action->with_another)
        CHECK(!pthread_create(&thread, NULL, idle, NULL), "pthread_create");
    if (action->by_first)
        be_stepped(NULL);
    else
        CHECK(!pthread_create(&thread, NULL, be_stepped, NULL), "pthread_create");
    idle(NULL);
}

/* In the one that counts. */

/* Whether there is nothing more to step through: the thread ends, or executes a program. */
static int is_over;

/* Waits until the thread stops, without a look at the counts. Returns the signal; 0 when it has ended. */
static int stops(pid_t thread) {
    int status = 0;
    CHECK(interceptor_syscall(SYS_wait4, (long)thread, &status, (long)__WALL, NULL) == thread, "wait4");
    int event = status >> 8;
    is_over = !WIFSTOPPED(status) || event == (SIGTRAP | PTRACE_EVENT_EXIT << 8) || event == (SIGTRAP | PTRACE_EVENT_EXEC << 8);
    return WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
}

/* Whether it was killed before it had done all. */
static int one_round(int count) {
    size_t threads = interceptor_pgstat->nr_thread, groups = interceptor_pgstat->nr_tgrp;
    *stepped = 0;
    pid_t child = fork();
    if (child == 0)
        victim();
    CHECK(child > 0, "fork");
    while (*stepped == 0)
        usleep(50);
    pid_t thread = *stepped;
    int sig = stops(thread);
    CHECK(sig == SIGSTOP, "stopped by %d", sig);
    /* The end of a first thread is told only with that of all others, but its beginning at once. */
    CHECK(!ptrace(PTRACE_SETOPTIONS, thread, 0, PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC), "PTRACE_SETOPTIONS");
    sig = SIGTRAP;
    for (int made = 0; made < count && !is_over; made++) {
        ptrace(PTRACE_SINGLESTEP, thread, 0, sig == SIGTRAP ? 0 : sig);
        sig = stops(thread);
    }
    int was_over = is_over;
    kill(child, SIGKILL);
    while (sig) {
        ptrace(PTRACE_CONT, thread, 0, 0);
        sig = stops(thread);
    }
    /* Those that were made are ours now. */
    while (waitpid(-1, NULL, __WALL) > 0)
        ;
    CHECK(interceptor_pgstat->nr_thread == threads && interceptor_pgstat->nr_tgrp == groups,
          "%s: killed after %d instructions: %zu threads in %zu groups; expected %zu in %zu", action->name, count,
          interceptor_pgstat->nr_thread, interceptor_pgstat->nr_tgrp, threads, groups);
    return !was_over;
}

__attribute__((constructor(102))) static void start(void) {
    const char *wanted = getenv("STEPPED"), *steps = getenv("STEPS");
    if (!wanted)
        return;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (!strcmp(actions[i].name, wanted))
            action = &actions[i];
    CHECK(action, "no scenario %s", wanted);
    unsetenv("STEPPED");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    stepped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int count = 0, rounds = 0, each = steps ? atoi(steps) : 1;
    interceptor_group_sync();
    for (; one_round(count); count += each)
        rounds++;
    dprintf(2, "killed at %d of %d instructions\n", rounds, count);
    dprintf(1, "ok\n");
    _exit(0);
}
