// Signals that come while a hook runs, whose handlers never return: they leave by an exception, by setcontext or by siglongjmp,
// at once, or ten deep, each from a call of the handler before. The constructor does it all and ends the process: with "ok" and
// status 0, or with a line that says what was wrong and status 1.
// flags: -fnon-call-exceptions
#include "check.h"
#include "interceptor.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

namespace {

enum { ON_THE_WAY_IN = 5001, ON_THE_WAY_OUT, DEPTH = 10, ROUNDS = 100 };
enum way { THROWN, CONTEXT, JUMP, RETURNED, WAYS };
const char *const names[] = {"an exception", "setcontext", "siglongjmp", "a return"};

volatile int entered, left, handled, destroyed, depth, most;
volatile way how;
ucontext_t back;
sigjmp_buf out;
char alternate[1 << 18];

struct Left {};
struct Guard {
    ~Guard() { destroyed = destroyed + 1; }
};

// Calls of the program's, in which the hook sends a signal.
__attribute__((noinline)) long call(long number) {
    long result;
    asm volatile("syscall" : "=a"(result) : "a"(number) : "rcx", "r11", "memory");
    return result;
}

__attribute__((noinline)) long guarded(long number) {
    Guard guard;
    // For the compiler an exception may come from here on.
    sigset_t set;
    if (sigemptyset(&set) != 0)
        throw Left();
    return call(number);
}

void send() {
    // Not by libc: where sites are trapped, its trap would be handled on the alternate stack, on which the handler is.
    long group = interceptor_syscall(SYS_getpid), thread = interceptor_syscall(SYS_gettid);
    interceptor_syscall(SYS_tgkill, group, thread, (long)SIGUSR1);
    // Longer than the signal is on its way.
    interceptor_syscall(SYS_getppid);
}

bool is_ours(long nr) { return nr >= ON_THE_WAY_IN && nr <= ON_THE_WAY_OUT + 1; }

int enter(struct interceptor_call *seen, void *) {
    entered = entered + is_ours(seen->nr);
    if (seen->nr == ON_THE_WAY_IN)
        send();
    return INTERCEPTOR_FORWARD_AND_EXIT;
}

void leave(struct interceptor_call *seen, void *) {
    left = left + is_ours(seen->nr);
    if (seen->nr == ON_THE_WAY_OUT)
        send();
}

volatile long number;

void handle(int, siginfo_t *info, void *given) {
    handled = handled + 1;
    auto *regs = static_cast<ucontext_t *>(given)->uc_mcontext.gregs;
    CHECK(info->si_signo == SIGUSR1, "siginfo");
    long at = number == ON_THE_WAY_IN ? number : -38;
    CHECK(regs[REG_RAX] == at, "rax is %lld, not %ld", regs[REG_RAX], at);
    depth = depth + 1;
    if (depth < most) {
        guarded(number);
        CHECK(how == RETURNED, "a handler has returned");
        return;
    }
    switch (how) {
    case THROWN: throw Left();
    case CONTEXT: setcontext(&back); break;
    case JUMP: siglongjmp(out, 1);
    default: break;
    }
}

// Returns how often it was left before it returned.
__attribute__((noinline)) int round() {
    volatile int times = 0;
    try {
        getcontext(&back);
        if (how == CONTEXT && depth == most)
            return times + 1;
        if (sigsetjmp(out, 1))
            return times + 1;
        long result = guarded(number);
        CHECK(how == RETURNED && result == -38, "%s: %ld", names[how], result);
    } catch (const Left &) {
        times = times + 1;
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        sigprocmask(SIG_UNBLOCK, &set, nullptr);
    }
    return times;
}

void all_ways() {
    for (int w = 0; w < WAYS; w++)
        for (int deep = 0; deep < 2; deep++)
            for (number = ON_THE_WAY_IN; number <= ON_THE_WAY_OUT; number++)
                for (int i = 0; i < ROUNDS; i++) {
                    how = static_cast<way>(w);
                    most = deep ? DEPTH : 1;
                    depth = handled = destroyed = entered = 0;
                    int times = round();
                    CHECK(times == (how != RETURNED), "%s: left %d times", names[how], times);
                    CHECK(handled == most, "%s: handled %d times, not %d", names[how], handled, most);
                    int guards = how == THROWN || how == RETURNED ? most : 0;
                    CHECK(destroyed == guards, "%s: %d destroyed, not %d", names[how], destroyed, guards);
                    CHECK(entered == most, "%s: the hook was entered %d times, not %d", names[how], entered, most);
                    // The next call is seen as the first was.
                    int before = entered, before_left = left;
                    long result = call(ON_THE_WAY_OUT + 1);
                    CHECK(result == -38 && entered == before + 1 && left == before_left + 1, "%s out of %d: the next call gives %ld, entered %d, left %d", names[how], most, result, entered - before, left - before_left);
                }
}

__attribute__((constructor)) void start() {
    static struct interceptor_hook hook = {};
    hook.size = sizeof hook;
    hook.enter = enter;
    hook.exit = leave;
    CHECK(interceptor_register(&hook) >= 0, "interceptor_register");
    struct sigaction action = {};
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    CHECK(sigaction(SIGUSR1, &action, nullptr) == 0, "sigaction");
    all_ways();
    stack_t stack = {};
    stack.ss_sp = alternate;
    stack.ss_size = sizeof alternate;
    CHECK(sigaltstack(&stack, nullptr) == 0, "sigaltstack");
    action.sa_flags |= SA_ONSTACK;
    CHECK(sigaction(SIGUSR1, &action, nullptr) == 0, "sigaction");
    all_ways();
    (void)!write(STDOUT_FILENO, "ok\n", 3);
    _exit(0);
}

} // namespace
