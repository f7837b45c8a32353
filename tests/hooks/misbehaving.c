// Hooks that do what they may not, in the process that loads this library.
// MISBEHAVE names the scenario. The hook sees getppid. It is that of the variable or, with
// MISBEHAVES=registered, a registered one.
#define _GNU_SOURCE
#include "interceptor.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

static long (*misbehave)(void);
static int calls;

static long hook(long nr, long a0, long a1, long a2, long a3, long a4, long a5, int *forward) {
    (void)nr, (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5, (void)forward;
    calls++;
    return misbehave();
}

static int registered(struct interceptor_call *call, void *data) {
    (void)data;
    calls++;
    call->result = misbehave();
    return INTERCEPTOR_ANSWER;
}

// Runs a child to its end. Returns its status.
static int in_child(void (*run)(void)) {
    pid_t child = fork();
    if (child == 0) {
        run();
        syscall(SYS_exit_group, 0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child, "no child");
    return status;
}

static void call(void) {
    syscall(SYS_getppid);
}

static long crash(void) {
    volatile int *volatile nowhere = (volatile int *)16;
    *nowhere = 1;
    return 0;
}

static void notice(int sig, siginfo_t *info, void *context) {
    (void)context;
    syscall(SYS_exit_group, sig == SIGSEGV && info->si_addr == (void *)16 ? 5 : 6);
}

static void call_with_handler(void) {
    struct sigaction action = {.sa_sigaction = notice, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    call();
}

// A hook that crashes ends the program by its signal; a handler of the program is
// called.
static void crashes(void) {
    misbehave = crash;
    int status = in_child(call);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "status %#x", status);
    status = in_child(call_with_handler);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5, "status %#x", status);
    misbehave = (long (*)(void))abort;
    status = in_child(call);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %#x", status);
}

static volatile long depth;
static long (*volatile again)(void);

static long recurse(void) {
    volatile char room[512];
    room[0] = depth++;
    return again() + room[0];
}

// So does one that recurses without an end, with or without a handler: there is no
// stack left to call that on.
static void recurses(void) {
    misbehave = again = recurse;
    int status = in_child(call);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "status %#x", status);
    status = in_child(call_with_handler);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "status %#x", status);
}

static int pipe_ends[2];
static volatile int handled, is_in_hook;
static volatile long hook_read, handled_in_hook;

static long block(void) {
    char byte;
    is_in_hook = 1;
    do {
        hook_read = read(pipe_ends[0], &byte, 1);
    } while (hook_read == -1 && errno == EINTR);
    handled_in_hook = handled;
    return 42;
}

static void handle(int sig) {
    (void)sig;
    handled++;
}

static void pause_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&time, &time) == -1)
        ;
}

static void *interfere(void *thread) {
    while (!is_in_hook)
        sched_yield();
    pause_ms(20);
    pthread_kill(*(pthread_t *)thread, SIGUSR1);
    pause_ms(20);
    CHECK(!handled, "handled while the hook runs");
    write(pipe_ends[1], "x", 1);
    return NULL;
}

static void call_to_be_killed(void) {
    alarm(1);
    call();
}

// A hook that blocks: handlers wait until it is done, what ends the process does not.
static void blocks(void) {
    misbehave = block;
    pipe(pipe_ends);
    signal(SIGUSR1, handle);
    pthread_t self = pthread_self(), other;
    pthread_create(&other, NULL, interfere, &self);
    CHECK(syscall(SYS_getppid) == 42, "not answered");
    CHECK(hook_read == 1 && !handled_in_hook && handled == 1, "handled %d", handled);
    pthread_join(other, NULL);
    int status = in_child(call_to_be_killed);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM, "status %#x", status);
}

static jmp_buf place;

static long leave(void) {
    CHECK(interceptor_in_hook(), "not in a hook");
    longjmp(place, 1);
}

static void *leave_often(void *unused) {
    (void)unused;
    for (volatile int i = 0; i < 1000; i++) {
        if (setjmp(place) == 0) {
            call();
            CHECK(0, "the hook has come back");
        }
        CHECK(!interceptor_in_hook(), "in a hook");
    }
    return NULL;
}

static long answer(void) {
    return 43;
}

// A hook that leaves by longjmp: the thread is hooked again, and a thread after it.
static void leaves(void) {
    misbehave = leave;
    leave_often(NULL);
    pthread_t other;
    pthread_create(&other, NULL, leave_often, NULL);
    pthread_join(other, NULL);
    CHECK(calls == 2000, "%d calls of 2000", calls);
    misbehave = answer;
    CHECK(syscall(SYS_getppid) == 43, "not hooked");
    CHECK(interceptor_synchronize(LIMIT_MS) == 0, "not left: %d", errno);
}

static long end(void) {
    exit(3);
}

// A hook that ends the process.
static void ends(void) {
    misbehave = end;
    int status = in_child(call);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3, "status %#x", status);
}

static pid_t of_parent;

// A signal waits for the hook, and for the child that it was sent to; then the child dies.
static long die(void) {
    if (getpid() == of_parent)
        return 44;
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGKILL);
    return 45;
}

// In the child other signals are blocked than in its parent.
static void kill_child_in_hook(void) {
    sigset_t two;
    sigemptyset(&two);
    sigaddset(&two, SIGUSR2);
    pid_t child = vfork();
    if (child == 0) {
        sigprocmask(SIG_BLOCK, &two, NULL);
        call();
        _exit(0);
    }
    int before = calls, status;
    CHECK(!interceptor_in_hook(), "in a hook");
    CHECK(child > 0 && waitpid(child, &status, 0) == child, "no child");
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %#x", status);
    sigprocmask(SIG_BLOCK, NULL, &two);
    CHECK(!sigismember(&two, SIGUSR2) && !sigismember(&two, SIGUSR1), "blocked in the parent");
    CHECK(!handled, "what the child got was handled in its parent");
    for (int i = 1; i < 10; i++)
        CHECK(syscall(SYS_getppid) == 44 && calls == before + i, "%d calls of %d", calls - before, i);
}

static void kill_child_on_alternate_stack(int sig) {
    (void)sig;
    kill_child_in_hook();
    kill_child_in_hook();
}

// A vfork child that is killed while a hook runs leaves its parent as it was.
static void dies(void) {
    of_parent = getpid();
    misbehave = die;
    signal(SIGUSR1, handle);
    for (int i = 0; i < 20; i++)
        kill_child_in_hook();
    static char room[65536];
    stack_t stack = {.ss_sp = room, .ss_size = sizeof room};
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_handler = kill_child_on_alternate_stack, .sa_flags = SA_ONSTACK};
    sigaction(SIGALRM, &action, NULL);
    for (int i = 0; i < 20; i++)
        raise(SIGALRM);
    kill_child_in_hook();
    CHECK(interceptor_synchronize(LIMIT_MS) == 0, "not left: %d", errno);
}

static int told;

static void is_told(pid_t child, void *data) {
    (void)child, (void)data;
    told++;
}

// A hook that makes a process, which another hook is told of, is one as before.
static long make_process(void) {
    pid_t child = fork();
    if (child == 0) {
        syscall(SYS_getppid);
        _exit(calls);
    }
    syscall(SYS_getppid);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 1 << 8, "status %#x", status);
    CHECK(interceptor_in_hook(), "in no hook");
    return 46;
}

static void makes(void) {
    const struct interceptor_hook listener = {.size = sizeof listener, .calls = "getpgid", .child_born = is_told};
    int handle = interceptor_register(&listener);
    CHECK(handle > 0, "not registered: %d", errno);
    misbehave = make_process;
    CHECK(syscall(SYS_getppid) == 46 && calls == 1, "%d calls", calls);
    CHECK(told == 1, "told %d times", told);
    CHECK(interceptor_unregister(handle, LIMIT_MS) == 0, "not left: %d", errno);
}

// A child on a stack of its own makes its calls beside the hook that waits for it, whose stack is whole afterwards.
static long spawn_process(void) {
    volatile unsigned char stack[8192];
    for (size_t i = 0; i < sizeof stack; i++)
        stack[i] = (unsigned char)i;
    char *const arguments[] = {"true", NULL}, *const environment[] = {NULL};
    pid_t child;
    int status = -1;
    CHECK(posix_spawn(&child, "/nonexistent", NULL, NULL, arguments, environment) == ENOENT, "spawned nothing");
    CHECK(posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environment) == 0, "not spawned");
    CHECK(waitpid(child, &status, 0) == child && status == 0, "status %#x", status);
    for (size_t i = 0; i < sizeof stack; i++)
        CHECK(stack[i] == (unsigned char)i, "%zu bytes below, the stack was overwritten", i);
    syscall(SYS_getppid);
    CHECK(interceptor_in_hook(), "in no hook");
    return 47;
}

static void spawns(void) {
    misbehave = spawn_process;
    for (int i = 1; i < 10; i++)
        CHECK(syscall(SYS_getppid) == 47 && calls == i, "%d calls of %d", calls, i);
}

static const struct {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    {"crashes", crashes}, {"recurses", recurses}, {"blocks", blocks},
    {"leaves", leaves},   {"ends", ends},         {"dies", dies},
    {"makes", makes},     {"spawns", spawns},
};

__attribute__((constructor)) static void start(void) {
    const char *name = getenv("MISBEHAVE");
    interceptor_unsubscribe(-1);
    interceptor_subscribe(SYS_getppid);
    for (size_t i = 0; name && i < sizeof scenarios / sizeof *scenarios; i++)
        if (!strcmp(scenarios[i].name, name)) {
            const struct interceptor_hook another = {.size = sizeof another, .calls = "getppid", .enter = registered};
            int handle = 0;
            if (!getenv("MISBEHAVES"))
                interceptor_syscall_hook = hook;
            else
                CHECK((handle = interceptor_register(&another)) > 0, "not registered: %d", errno);
            scenarios[i].run();
            dprintf(1, "ok\n");
            interceptor_syscall_hook = NULL;
            CHECK(!handle || interceptor_unregister(handle, LIMIT_MS) == 0, "not left: %d", errno);
        }
}
