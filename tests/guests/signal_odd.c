// expect: What few programs ask of signals, as the kernel has it. An action without SA_RESTORER: the kernel cannot call
// its handler and forces a SIGSEGV, which is handled, or ends the process when it is blocked, ignored, left to its
// default or without a restorer itself. Flags: SA_EXPOSE_TAGBITS, SA_UNSUPPORTED, unknown bits and reserved ones read
// back as the kernel keeps them; sizes and pointers that are wrong, with the action in place or not. SS_AUTODISARM:
// the handler's stack is disarmed while it runs, may be set anew, and is back afterwards; swapcontext off it works.
// Sizes and flags of sigaltstack that are refused. Things that differ between kernels are printed.
// ends: 0
#include "guest.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif
enum { RESTORER = 0x04000000, EXPOSE_TAGBITS = 0x800, UNSUPPORTED = 0x400 };

struct kernel_sigaction {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
};
static struct kernel_sigaction libcs;

static long set_raw(int sig, void *handler, unsigned long flags) {
    struct kernel_sigaction action = {handler, flags, flags & RESTORER ? libcs.restorer : NULL, 0};
    return raw4(SYS_rt_sigaction, sig, &action, 0, 8);
}

static volatile int handled, code, forced;
static void *volatile rip;
static sigjmp_buf back;

static void never(int sig) { differs("the handler of %d was called", sig); }
static void count(int sig) {
    (void)sig;
    handled++;
}
static void on_segv(int sig, siginfo_t *info, void *context) {
    (void)sig;
    forced++;
    code = info->si_code;
    rip = (void *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    CHECK(info->si_addr == NULL && info->si_errno == 0, "siginfo");
    if (forced > 1)
        siglongjmp(back, 1);
}

extern char after_kill[];
__attribute__((noinline)) static long kill_here(long pid, long sig) {
    long ret;
    __asm__ volatile("syscall\n\t.globl after_kill\nafter_kill:"
                     : "=a"(ret)
                     : "a"(SYS_kill), "D"(pid), "S"(sig)
                     : "rcx", "r11", "memory");
    return ret;
}

static int status_of(void (*what)(int), int sig) {
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        set_raw(sig, (void *)never, SA_SIGINFO);
        what(sig);
        raw2(SYS_kill, raw0(SYS_getpid), sig);
        _exit(3);
    }
    CHECK(waitpid(child, &status, 0) == child, "waitpid");
    return status;
}
static void with_default(int sig) { (void)sig; }
static void with_blocked(int sig) {
    sigset_t set;
    (void)sig;
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    set_raw(SIGSEGV, (void *)never, SA_SIGINFO | RESTORER);
    sigprocmask(SIG_BLOCK, &set, NULL);
}
static void with_ignored(int sig) {
    (void)sig;
    signal(SIGSEGV, SIG_IGN);
}
static void with_none_itself(int sig) {
    (void)sig;
    set_raw(SIGSEGV, (void *)never, SA_SIGINFO);
}

static void without_restorer(void) {
    static const int sigs[] = {SIGUSR1, SIGILL, SIGTRAP, 40};
    for (volatile size_t i = 0; i < sizeof sigs / sizeof *sigs; i++) {
        forced = 0;
        CHECK(set_raw(SIGSEGV, (void *)on_segv, SA_SIGINFO | RESTORER) == 0, "SIGSEGV");
        CHECK(set_raw(sigs[i], (void *)never, SA_SIGINFO) == 0, "no restorer");
        struct kernel_sigaction old;
        CHECK(raw4(SYS_rt_sigaction, sigs[i], 0, &old, 8) == 0 && old.handler == (void *)never && old.restorer == NULL,
              "reads back as %p with %lx", old.handler, old.flags);
        CHECK(!(old.flags & RESTORER), "flags %lx", old.flags);
        CHECK(kill_here(getpid(), sigs[i]) == 0 && forced == 1, "signal %d: forced %d", sigs[i], forced);
        CHECK(rip == after_kill, "signal %d: RIP %p, not %p", sigs[i], rip, (void *)after_kill);
        ok("signal %d without a restorer: SIGSEGV with code %d", sigs[i], code);
        if (sigsetjmp(back, 1) == 0)
            kill_here(getpid(), sigs[i]);
        CHECK(forced == 2, "left by siglongjmp");
        void (*const ways[])(int) = {with_default, with_blocked, with_ignored, with_none_itself};
        for (size_t way = 0; way < 4; way++) {
            signal(SIGSEGV, SIG_DFL);
            int status = status_of(ways[way], sigs[i]);
            CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "way %zu: status %#x", way, status);
        }
        signal(sigs[i], SIG_DFL);
    }
    ok("a SIGSEGV that cannot be handled ends the process");
}

static void flags_and_pointers(void) {
    struct kernel_sigaction old, action = {(void *)count, RESTORER | SA_SIGINFO, libcs.restorer, 0};
    static const unsigned long bits[] = {EXPOSE_TAGBITS, UNSUPPORTED, EXPOSE_TAGBITS | UNSUPPORTED, 0x100, 0x20000000,
                                         0x10000, 1ul << 40, ~0ul & ~(unsigned long)(SA_RESETHAND | SA_ONSTACK)};
    void *const handlers[] = {(void *)count, SIG_IGN, SIG_DFL};
    for (size_t h = 0; h < 3; h++)
        for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
            action.handler = handlers[h];
            action.flags = RESTORER | bits[i];
            CHECK(raw4(SYS_rt_sigaction, SIGUSR1, &action, 0, 8) == 0, "flags %lx", action.flags);
            CHECK(raw4(SYS_rt_sigaction, SIGUSR1, 0, &old, 8) == 0 && old.handler == handlers[h], "handler %p", old.handler);
            ok("handler %zu, flags %lx read back as %lx", h, action.flags, old.flags);
        }
    action.handler = (void *)count;
    action.flags = RESTORER | EXPOSE_TAGBITS | UNSUPPORTED | 0x100;
    raw4(SYS_rt_sigaction, SIGUSR1, &action, 0, 8);
    handled = 0;
    raise(SIGUSR1);
    CHECK(handled == 1, "handled %d times", handled);

    static const long sizes[] = {0, 4, 7, 9, 16, 128, -1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        CHECK(raw4(SYS_rt_sigaction, SIGUSR1, &action, &old, sizes[i]) == -EINVAL, "size %ld", sizes[i]);
    char *bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static const int numbers[] = {0, -1, 65, 1000, SIGKILL, SIGSTOP, SIGUSR2};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        long both = raw4(SYS_rt_sigaction, numbers[i], bad, bad, 8), new = raw4(SYS_rt_sigaction, numbers[i], bad, 0, 8),
             out = raw4(SYS_rt_sigaction, numbers[i], 0, bad, 8), set = raw4(SYS_rt_sigaction, numbers[i], &action, 0, 8),
             half = raw4(SYS_rt_sigaction, numbers[i], &action, bad, 8);
        ok("signal %d: %ld %ld %ld %ld %ld", numbers[i], both, new, out, set, half);
    }
    // The action is in place although the old one could not be told.
    handled = 0;
    raise(SIGUSR2);
    CHECK(handled == 1, "handled %d times", handled);
    CHECK(raw4(SYS_rt_sigaction, SIGUSR2, 1l << 50, 0, 8) == -EFAULT, "an address that is none");
}

static char room[2][65536];
static ucontext_t outside, inside;

static int is_on(const void *place, const char *stack) { return (char *)place >= stack && (char *)place < stack + 65536; }

static void on_disarmed(int sig, siginfo_t *info, void *context) {
    (void)info;
    stack_t now, next = {.ss_sp = room[1], .ss_size = sizeof room[1]};
    CHECK(is_on(&now, room[0]), "not on the stack");
    CHECK(raw2(SYS_sigaltstack, 0, &now) == 0 && now.ss_flags == SS_DISABLE && now.ss_sp == NULL && now.ss_size == 0,
          "in the handler: flags %x, %p", now.ss_flags, now.ss_sp);
    const stack_t *shown = &((ucontext_t *)context)->uc_stack;
    CHECK(shown->ss_sp == room[0] && shown->ss_size == sizeof room[0] && (unsigned)shown->ss_flags == SS_AUTODISARM,
          "the context shows flags %x, %p", shown->ss_flags, shown->ss_sp);
    handled++;
    if (sig == SIGUSR1) {
        // Another one, for a handler that comes meanwhile.
        CHECK(raw2(SYS_sigaltstack, &next, 0) == 0, "set in the handler");
        raise(SIGUSR2);
        CHECK(handled == 2, "nested");
    }
    if (sig == SIGHUP) {
        CHECK(swapcontext(&inside, &outside) == 0 && handled == 2, "swapcontext");
        handled = 3;
    }
}
static void on_second(int sig) {
    int local = sig;
    stack_t now;
    CHECK(is_on(&local, room[1]), "not on the second stack");
    CHECK(raw2(SYS_sigaltstack, 0, &now) == 0 && now.ss_flags == SS_ONSTACK && now.ss_sp == room[1], "second");
    handled++;
}

static void be_outside(void) {
    CHECK(handled == 1, "in the handler");
    CHECK(raw0(SYS_getppid) == getppid(), "a call");
    handled = 2;
    setcontext(&inside);
}

static void disarmed(void) {
    stack_t now, stack = {.ss_sp = room[0], .ss_size = sizeof room[0], .ss_flags = (int)SS_AUTODISARM};
    struct sigaction action = {.sa_sigaction = on_disarmed, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    sigaction(SIGUSR2, &(struct sigaction){.sa_handler = on_second, .sa_flags = SA_ONSTACK}, NULL);
    CHECK(raw2(SYS_sigaltstack, &stack, 0) == 0, "sigaltstack");
    for (int i = 0; i < 100; i++) {
        handled = 0;
        raise(SIGUSR1);
        CHECK(handled == 2, "handled %d times", handled);
        CHECK(raw2(SYS_sigaltstack, 0, &now) == 0 && now.ss_sp == room[0] && (unsigned)now.ss_flags == SS_AUTODISARM,
              "afterwards: flags %x, %p", now.ss_flags, now.ss_sp);
        raw0(SYS_getppid);
    }
    // Off the handler and back into it: what the flag is for.
    handled = 0;
    CHECK(getcontext(&outside) == 0, "getcontext");
    outside.uc_stack = (stack_t){.ss_sp = room[1], .ss_size = sizeof room[1]};
    makecontext(&outside, be_outside, 0);
    raise(SIGHUP);
    CHECK(handled == 3, "returned too early");
    CHECK(raw2(SYS_sigaltstack, 0, &now) == 0 && now.ss_sp == room[0], "afterwards");
    ok("a handler that disarms its stack");
    static const struct {
        long offset, size;
        unsigned flags;
    } odd[] = {{0, 0, 0}, {0, 2047, 0}, {0, 16384, 0}, {0, 65536, SS_ONSTACK}, {0, 65536, 4}, {0, 65536, 0x40000000},
               {0, 65536, SS_AUTODISARM | SS_ONSTACK}, {0, 0, SS_DISABLE}, {0, 0, SS_DISABLE | SS_AUTODISARM}};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        stack = (stack_t){.ss_sp = room[0], .ss_size = (size_t)odd[i].size, .ss_flags = (int)odd[i].flags};
        long ret = raw2(SYS_sigaltstack, &stack, 0);
        raw2(SYS_sigaltstack, 0, &now);
        ok("a stack of %ld with flags %x: %ld; reads back %zu with %x", odd[i].size, odd[i].flags, ret, now.ss_size,
           (unsigned)now.ss_flags);
    }
    CHECK(raw2(SYS_sigaltstack, 8, 0) == -EFAULT && raw2(SYS_sigaltstack, 0, 8) == -EFAULT, "bad pointers");
}

int main(void) {
    sigaction(SIGUSR2, &(struct sigaction){.sa_handler = count}, NULL);
    CHECK(raw4(SYS_rt_sigaction, SIGUSR2, 0, &libcs, 8) == 0, "rt_sigaction");
    stack_t now;
    CHECK(raw2(SYS_sigaltstack, 0, &now) == 0 && now.ss_flags == SS_DISABLE && !now.ss_sp && !now.ss_size, "a stack");
    without_restorer();
    flags_and_pointers();
    disarmed();
    return 0;
}
