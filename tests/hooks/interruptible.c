// Lets itself be interrupted, and makes calls of its own through libc. INTERRUPTIBLE=scenario, read by the constructor,
// which runs the scenario and ends the process: with "ok" and status 0, or with a line that says what was wrong and
// status 1. Without one it is a hook of whatever program it is in, and forwards; as "never" so is one that makes a call of its
// own, and is not interrupted.

#define _GNU_SOURCE
#include "check.h"
#include "interceptor.h"
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

// More than a hook has, as the program's stack has.
enum { HANDLERS_STACK = 600 * 1024, HOOKS_STACK = 150 * 1024, FAULT_LENGTH = 11, NO_CALL = 5001 };
static volatile int handled, hooked, in_hook, seen_in_hook;
static char *volatile programs_stack;
static volatile pid_t self;
static sigjmp_buf out;

// Uses that much of the stack, which nobody else may.
static __attribute__((noinline)) void use_stack(unsigned size, int salt, void (*meanwhile)(void)) {
    volatile char room[size];
    for (unsigned i = 0; i < size; i += 64)
        room[i] = (char)(i / 64 + (unsigned)salt);
    meanwhile();
    for (unsigned i = 0; i < size; i += 64)
        CHECK(room[i] == (char)(i / 64 + (unsigned)salt), "stack of %u, at %u", size, i);
}

// Calls of the hook's own.
static void own_calls(void) {
    for (int i = 0; i < 50; i++)
        CHECK(syscall(SYS_getpid) == self && syscall(SYS_getppid) > 0 && close(-1) == -1 && errno == EBADF, "a call of the hook's own");
}

static void send_all(void) {
    unsigned long all = ~0ul, old = 0;
    interceptor_syscall(SYS_rt_sigprocmask, (long)SIG_BLOCK, &all, &old, 8L);
    for (long sig = SIGRTMIN; sig <= SIGRTMAX; sig++)
        CHECK(interceptor_syscall(SYS_tgkill, (long)self, (long)self, sig) == 0, "tgkill %ld", sig);
    int before = handled;
    interceptor_syscall(SYS_rt_sigprocmask, (long)SIG_SETMASK, &old, NULL, 8L);
    CHECK(handled == before + SIGRTMAX - SIGRTMIN + 1, "%d handled in the hook", handled - before);
}

static void fault(void) {
    int before = handled;
    __asm__ volatile("movl $1, 8" ::: "memory"); // FAULT_LENGTH bytes
    CHECK(handled == before + 1, "the fault is handled");
}

static void nothing(void) {}

static void (*volatile in_between)(void) = own_calls;
static volatile int calls_itself;
static long interruptible(long nr, long a0, long a1, long a2, long a3, long a4, long a5, int *forward) {
    (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    hooked++;
    if (calls_itself)
        CHECK(syscall(SYS_getpid) == self, "a call of the hook's own");
    if (nr == SYS_getpgrp) {
        in_hook = 1;
        use_stack(HOOKS_STACK, 1, in_between);
        in_hook = 0;
    }
    if (nr == NO_CALL)
        __asm__ volatile("movl $1, 8" ::: "memory"); // FAULT_LENGTH bytes
    *forward = 1;
    return 0;
}

static void call_hooked(void) {
    int before = hooked;
    syscall(SYS_getppid);
    CHECK(hooked == before + 1, "a handler that interrupted a hook is hooked");
}

static void deep(int sig, siginfo_t *info, void *given) {
    char *here = __builtin_frame_address(0);
    CHECK(info->si_signo == sig, "siginfo of %d", sig);
    CHECK(here < programs_stack && here > programs_stack - (1 << 20), "the frame is at %p, the program's stack at %p", (void *)here, (void *)programs_stack);
    CHECK((char *)given < programs_stack && (char *)given > here, "the context is at %p", given);
    if (in_hook)
        seen_in_hook++;
    int was_in_hook = in_hook;
    in_hook = 0;
    use_stack(HANDLERS_STACK, sig, call_hooked);
    in_hook = was_in_hook;
    ucontext_t *context = given;
    if (sig == SIGSEGV)
        context->uc_mcontext.gregs[REG_RIP] += FAULT_LENGTH;
    handled++;
}

static void leave(int sig, siginfo_t *info, void *given) {
    deep(sig, info, given);
    siglongjmp(out, 1);
}

static void handle(int sig, void (*handler)(int, siginfo_t *, void *), int flags) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    sigaction(sig, &action, NULL);
}

static __attribute__((noinline)) void interrupted_at_random(void) {
    programs_stack = __builtin_frame_address(0);
    handle(SIGALRM, deep, SA_RESTART);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 400}, {0, 400}}, NULL);
    long group = getpgrp();
    while (seen_in_hook < 300)
        CHECK(syscall(SYS_getpgrp) == group && syscall(SYS_getpid) == self, "results");
    // Left from anywhere, and hooked as before.
    for (volatile int left = 0; left < 100; left++)
        if (sigsetjmp(out, 1) == 0) {
            handle(SIGALRM, leave, SA_RESTART);
            for (;;)
                CHECK(syscall(SYS_getpgrp) == group, "result");
        } else {
            in_hook = 0;
        }
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
    handle(SIGALRM, deep, SA_RESTART);
    int before = hooked;
    CHECK(syscall(SYS_getpgrp) == group && hooked == before + 1, "hooked after siglongjmp");
}

static __attribute__((noinline)) void interrupted_by_all(void) {
    programs_stack = __builtin_frame_address(0);
    for (int sig = SIGRTMIN; sig <= SIGRTMAX; sig++)
        handle(sig, deep, 0);
    in_between = send_all;
    for (int i = 0; i < 50; i++)
        CHECK(syscall(SYS_getpgrp) == getpgrp(), "result");
}

static __attribute__((noinline)) void interrupted_by_fault(void) {
    programs_stack = __builtin_frame_address(0);
    handle(SIGSEGV, deep, 0);
    in_between = fault;
    for (int i = 0; i < 50; i++)
        CHECK(syscall(SYS_getpgrp) == getpgrp(), "result");
    // Also one that is not to be interrupted.
    interceptor_hook_is_interruptible(0);
    for (int i = 0; i < 50; i++)
        CHECK(syscall(SYS_getpgrp) == getpgrp(), "result");
}

// Of two hooks in a row the first one keeps a word, and the second one is interrupted by a handler whose calls keep others.
static volatile int told;
static int keep(struct interceptor_call *call, void *data) {
    (void)data;
    call->word = (unsigned long)call->nr * 1000 + 1;
    return INTERCEPTOR_FORWARD_AND_EXIT;
}

static void is_kept(struct interceptor_call *call, void *data) {
    (void)data;
    told++;
    CHECK(call->word == (unsigned long)call->nr * 1000 + 1, "call %ld has the word %lu", call->nr, call->word);
}

static int is_interrupted(struct interceptor_call *call, void *data) {
    (void)data;
    if (call->nr == SYS_getpgrp)
        fault();
    return INTERCEPTOR_FORWARD;
}

static __attribute__((noinline)) void interrupted_in_a_row(void) {
    programs_stack = __builtin_frame_address(0);
    handle(SIGSEGV, deep, 0);
    in_between = nothing;
    const struct interceptor_hook first = {.size = sizeof first, .priority = 1, .enter = keep, .exit = is_kept};
    const struct interceptor_hook second = {.size = sizeof second, .priority = 2, .enter = is_interrupted};
    CHECK(interceptor_register(&first) >= 0 && interceptor_register(&second) >= 0, "register");
    for (int i = 0; i < 50; i++) {
        told = 0;
        CHECK(syscall(SYS_getpgrp) == getpgrp(), "result");
        CHECK(told >= 4, "told %d times", told);
    }
}

// A handler that has interrupted a hook makes a child on its own memory, whose calls are hooked on a stack above the
// handler's, and spawns a program.
enum { CHILDS_STACK = 64 * 1024, CHILDS_CALLS = 20 };
static char *volatile childs_stack;
static int child(void *unused) {
    int before = hooked;
    for (int i = 0; i < CHILDS_CALLS; i++)
        CHECK(syscall(SYS_getpid) != self && close(-1) == -1, "a call of the child's");
    _exit(hooked == before + 2 * CHILDS_CALLS && !unused ? 3 : 4);
}

static void make_children(int sig, siginfo_t *info, void *given) {
    (void)sig, (void)info;
    int status = 0;
    pid_t made = clone(child, childs_stack + CHILDS_STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
    CHECK(waitpid(made, &status, 0) == made && WIFEXITED(status) && WEXITSTATUS(status) == 3, "the child's status is %x", status);
    char *arguments[] = {"true", NULL}, *environment[] = {NULL};
    CHECK(posix_spawn(&made, "/bin/true", NULL, NULL, arguments, environment) == 0, "posix_spawn");
    CHECK(waitpid(made, &status, 0) == made && status == 0, "its status is %x", status);
    ((ucontext_t *)given)->uc_mcontext.gregs[REG_RIP] += FAULT_LENGTH;
    handled++;
}

static __attribute__((noinline)) void interrupted_by_births(void) {
    char stack[CHILDS_STACK];
    childs_stack = stack;
    handle(SIGSEGV, make_children, 0);
    in_between = fault;
    for (int i = 0; i < 50; i++)
        CHECK(syscall(SYS_getpgrp) == getpgrp(), "result");
}

// Hooks that handlers interrupt whose calls are hooked, as deep as that goes. A vfork child is killed there, with all levels
// in use; its parent has them all afterwards.
enum { DEPTHS = 4 };
static volatile int depth, dies_at;
static void nest(int sig, siginfo_t *info, void *given) {
    (void)sig, (void)info;
    if (++depth == dies_at)
        syscall(SYS_kill, syscall(SYS_getpid), (long)SIGKILL);
    if (depth < DEPTHS)
        CHECK(syscall(NO_CALL) == -1, "result");
    depth--;
    ((ucontext_t *)given)->uc_mcontext.gregs[REG_RIP] += FAULT_LENGTH;
    handled++;
}

static int hooked_by_nesting(void) {
    int before = hooked;
    CHECK(syscall(NO_CALL) == -1 && depth == 0, "result");
    return hooked - before;
}

static void killed_amid(int least) {
    int expected = hooked_by_nesting();
    CHECK(expected >= least, "%d hooks amid each other", expected);
    for (int i = 0; i < 40; i++) {
        int status = 0;
        dies_at = 1 + i % DEPTHS;
        pid_t made = vfork();
        if (made == 0) {
            syscall(NO_CALL);
            _exit(1);
        }
        dies_at = depth = in_hook = 0;
        CHECK(waitpid(made, &status, 0) == made && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %x", status);
        int now = hooked_by_nesting();
        CHECK(now == expected, "%d hooks amid each other, before %d", now, expected);
    }
}

static void killed_on_alternate(int sig, siginfo_t *info, void *given) {
    (void)sig, (void)info, (void)given;
    killed_amid(1);
}

static void killed_amid_all(void) {
    static char stack[1 << 20];
    handle(SIGSEGV, nest, SA_NODEFER);
    killed_amid(DEPTHS);
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    handle(SIGUSR1, killed_on_alternate, SA_ONSTACK);
    CHECK(raise(SIGUSR1) == 0, "raise");
    killed_amid(DEPTHS);
}

__attribute__((constructor(102))) static void start(void) {
    const char *scenario = getenv("INTERRUPTIBLE");
    if (!interceptor_allowed())
        return;
    self = getpid();
    if (!scenario)
        in_between = nothing;
    interceptor_syscall_hook = interruptible;
    calls_itself = scenario && !strcmp(scenario, "never");
    if (calls_itself)
        return;
    interceptor_hook_is_interruptible(1);
    if (!scenario)
        return;
    if (!strcmp(scenario, "at random"))
        interrupted_at_random();
    else if (!strcmp(scenario, "at once"))
        interrupted_by_all();
    else if (!strcmp(scenario, "fault"))
        interrupted_by_fault();
    else if (!strcmp(scenario, "in a row"))
        interrupted_in_a_row();
    else if (!strcmp(scenario, "births"))
        interrupted_by_births();
    else if (!strcmp(scenario, "killed"))
        killed_amid_all();
    else
        CHECK(0, "no scenario %s", scenario);
    ssize_t n = write(1, "ok\n", 3);
    _exit(n != 3);
}
