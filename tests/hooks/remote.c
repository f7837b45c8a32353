/*
 * What one process does to another. REMOTE=1 runs a scenario in the constructor
 * of whatever program this is preloaded into: a child, and a thread of it, are
 * acted on in all ways; it is to be told of each, once, with what was passed. It
 * prints "ok", or what is wrong, and ends the process.
 */
// flags: -pthread
#define _GNU_SOURCE
#include <errno.h>
#include <interceptor.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { MOST = 64, ANYBODY = 0, MONITOR = -1 };

/* What the child and its thread have been told; shared with the parent. */
static struct {
    atomic_int begun, count;
    struct told {
        pid_t tid;
        struct interceptor_remote effect;
    } told[MOST];
    atomic_int go_on, is_ready, end;
    pid_t thread;
    char target[8];
} *shared;

static void note(const struct interceptor_remote *effect) {
    int at = shared->begun++;
    if (at < MOST) {
        shared->told[at].tid = (pid_t)syscall(SYS_gettid);
        shared->told[at].effect = *effect;
    }
    shared->count++;
}

static void *thread(void *unused) {
    shared->thread = (pid_t)syscall(SYS_gettid);
    for (int round = 0; !shared->end;) {
        if (shared->go_on > round) {
            round++;
            getppid();
        }
        usleep(500);
    }
    return unused;
}

static void *monitor(void *unused) {
    struct interceptor_remote effect;
    CHECK(!interceptor_remote_wait(&effect, 0), "nothing was done yet");
    shared->is_ready = 1;
    while (!shared->end)
        if (interceptor_remote_wait(&effect, 10))
            note(&effect);
    return unused;
}

static void child(int with_monitor) {
    end_with_parent();
    pthread_t id;
    sigset_t none;
    sigfillset(&none);
    sigprocmask(SIG_BLOCK, &none, NULL);
    CHECK(!pthread_create(&id, NULL, thread, NULL), "pthread_create");
    if (with_monitor) {
        interceptor_remote_hook = NULL;
        CHECK(interceptor_attach_monitor(NULL, monitor, NULL), "no monitor");
    }
    if (!with_monitor)
        shared->is_ready = 1;
    while (!shared->end)
        usleep(500);
    _exit(0);
}

/* The child is told of a call of ours, and only of that. */
static pid_t other;

static void told(const char *what, long result, pid_t reader, pid_t target, long nr, long a0, long a1, long a2) {
    CHECK(result >= 0, "%s: %s", what, strerror(errno));
    shared->go_on++;
    for (int i = 0; !shared->count; i++) {
        CHECK(i < LOOKS, "%s: not told", what);
        usleep(1000);
    }
    struct told *seen = &shared->told[0];
    CHECK(shared->count == 1, "%s: told %d times", what, shared->count);
    CHECK(reader <= 0 || seen->tid == reader, "%s: told to %d, not %d", what, seen->tid, reader);
    CHECK(seen->effect.caller_tid == getpid() && seen->effect.target == (reader == MONITOR ? other : target), "%s: of %d to %d", what,
          seen->effect.caller_tid, seen->effect.target);
    CHECK((long)seen->effect.nr == nr && seen->effect.result == result, "%s: number %lu, result %ld", what,
          seen->effect.nr, seen->effect.result);
    CHECK((long)seen->effect.args[0] == a0 && (long)seen->effect.args[1] == a1 && (long)seen->effect.args[2] == a2,
          "%s: arguments %#lx, %#lx, %#lx", what, seen->effect.args[0], seen->effect.args[1], seen->effect.args[2]);
    shared->begun = shared->count = 0;
}

#define TELLS(reader, target, nr, a0, a1, a2, ...)                             \
    told(#nr, syscall(nr, a0, a1, a2, ##__VA_ARGS__), reader, target, nr,      \
         (long)(a0), (long)(a1), (long)(a2))

/* Another PID namespace, if it may, for the children of the caller alone. */
static void *leave_namespace(void *unused) {
    syscall(SYS_unshare, CLONE_NEWPID);
    return unused;
}

static pid_t second;

static void *wait_at_end(void *unused) {
    second = (pid_t)syscall(SYS_gettid);
    while (!shared->end)
        usleep(500);
    return unused;
}

static void act(int with_monitor) {
    memset(shared, 0, sizeof *shared);
    pid_t elsewhere = vfork();
    if (elsewhere == 0) {
        leave_namespace(NULL);
        _exit(0);
    }
    CHECK(waitpid(elsewhere, NULL, 0) == elsewhere, "vfork");
    pthread_t id;
    CHECK(!pthread_create(&id, NULL, leave_namespace, NULL) && !pthread_join(id, NULL), "pthread_create");
    other = fork();
    if (other == 0)
        child(with_monitor);
    second = 0;
    CHECK(!pthread_create(&id, NULL, wait_at_end, NULL), "pthread_create");
    while (!shared->is_ready || !shared->thread || !second)
        usleep(100);
    pid_t of_thread = with_monitor ? MONITOR : shared->thread, of_process = with_monitor ? MONITOR : ANYBODY;
    struct rlimit limit;
    CHECK(!getrlimit(RLIMIT_CORE, &limit), "getrlimit");
    cpu_set_t cpus;
    CHECK(!sched_getaffinity(0, sizeof cpus, &cpus), "sched_getaffinity");
    struct sched_param param = {0};
    char byte = 'x';
    struct iovec from = {&byte, 1}, to = {shared->target, 1};

    TELLS(of_process, other, SYS_prlimit64, other, RLIMIT_CORE, &limit, NULL);
    TELLS(of_process, other, SYS_kill, other, SIGUSR1, 0);
    TELLS(of_thread, shared->thread, SYS_tgkill, other, shared->thread, SIGUSR1);
    TELLS(of_thread, shared->thread, SYS_tkill, shared->thread, SIGUSR2, 0);
    TELLS(of_thread, shared->thread, SYS_sched_setaffinity, shared->thread, sizeof cpus, &cpus);
    TELLS(of_thread, shared->thread, SYS_sched_setscheduler, shared->thread, SCHED_OTHER, &param);
    TELLS(of_thread, shared->thread, SYS_setpriority, PRIO_PROCESS, shared->thread, 1);
    TELLS(of_thread, shared->thread, SYS_ioprio_set, 1, shared->thread, 0);
    TELLS(of_process, other, SYS_process_vm_writev, other, &from, 1, &to, 1, 0);
    CHECK(shared->target[0] == 'x', "process_vm_writev");
    TELLS(of_process, other, SYS_setpgid, other, 0, 0);
    TELLS(of_process, other, SYS_kill, -(long)other, SIGUSR1, 0);
    int pidfd = (int)syscall(SYS_pidfd_open, other, 0);
    CHECK(pidfd >= 0, "pidfd_open");
    TELLS(of_process, other, SYS_pidfd_send_signal, pidfd, SIGUSR2, NULL, 0);
    siginfo_t info = {.si_code = SI_QUEUE};
    info.si_pid = getpid();
    TELLS(of_process, other, SYS_rt_sigqueueinfo, other, SIGUSR1, &info);
    TELLS(of_thread, shared->thread, SYS_rt_tgsigqueueinfo, other, shared->thread, SIGUSR1, &info);

    /* A process by the id of one of its threads. */
    TELLS(of_process, other, SYS_prlimit64, shared->thread, RLIMIT_CORE, &limit, NULL);
    TELLS(of_process, other, SYS_kill, shared->thread, SIGUSR1, 0);
    TELLS(of_process, other, SYS_process_vm_writev, shared->thread, &from, 1, &to, 1, 0);

    /* Failing calls, and those on oneself and on strangers, are nobody's business. */
    CHECK(syscall(SYS_kill, other, 1000) == -1, "kill with a bad signal");
    CHECK(!syscall(SYS_kill, getpid(), 0) && !kill(getppid(), 0), "kill of oneself");
    CHECK(!syscall(SYS_kill, second, 0), "kill of oneself by another thread's id");
    CHECK(!syscall(SYS_setpriority, PRIO_PROCESS, 0, 0), "setpriority");
    shared->go_on++;
    usleep(20000);
    CHECK(shared->count == 0, "told of %lu", shared->told[0].effect.nr);

    /* More than the mailbox holds: none is told twice, and we go on. */
    CHECK(!kill(other, SIGSTOP), "SIGSTOP");
    for (int i = 0; i < 3000; i++)
        CHECK(!kill(other, 0), "kill");
    CHECK(!kill(other, SIGCONT), "SIGCONT");
    for (int i = 0; i < LOOKS && shared->count < MOST; i++) {
        shared->go_on++;
        usleep(1000);
    }
    CHECK(shared->count >= MOST && shared->count <= 3001, "%d of 3000", shared->count);
    shared->end = 1;
    int status;
    CHECK(waitpid(other, &status, 0) == other && status == 0, "status %#x", status);
    pthread_join(id, NULL);
}

/* Two registered hooks, told in their order before the hook of the variable, which notes. */
static _Thread_local int steps;

static void is_told(const struct interceptor_remote *effect, void *second) {
    CHECK(effect->caller_tid && effect->nr, "not an effect");
    CHECK(!second || steps == 1, "told as number %d", steps);
    steps = second ? 2 : 1;
}

static void note_last(const struct interceptor_remote *effect) {
    CHECK(steps == 2, "%d were told before", steps);
    steps = 0;
    note(effect);
}

static void register_two(void) {
    struct interceptor_hook hook = {.size = sizeof hook, .priority = 1, .data = "second", .remote = is_told};
    CHECK(interceptor_register(&hook) > 0, "register");
    hook.priority = 0, hook.data = NULL;
    CHECK(interceptor_register(&hook) > 0, "register");
    interceptor_remote_hook = note_last;
}

__attribute__((constructor(102))) static void start(void) {
    interceptor_remote_hook = note;
    interceptor_subscribe(SYS_getppid);
    interceptor_subscribe(SYS_clock_nanosleep);
    const char *how = getenv("REMOTE");
    if (!how)
        return;
    how = strdup(how);
    unsetenv("REMOTE");
    if (!strcmp(how, "registered"))
        register_two();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    act(0);
    act(1);
    dprintf(1, "ok\n");
    _exit(0);
}
