// expect: A program may use Syscall User Dispatch itself (Wine does): with its selector set, each of its calls
// outside the allowed range raises SIGSYS instead. Either that works as natively (the handler sees the number and
// the address after the program's instruction, and its result is the program's), or prctl refuses as a kernel
// without it would; having two owners, where the program's calls go unnoticed or its selector is ignored, is wrong.
// Prints which. Bad arguments are refused by EINVAL and EFAULT either way.
#include "guest.h"
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif
enum { OFF, ON, ALLOW = 0, BLOCK = 1 };

static volatile char selector;
static volatile int dispatched, number;
static void *volatile call_address;

static void on_sigsys(int sig, siginfo_t *info, void *context) {
    (void)sig;
    selector = ALLOW;
    dispatched++;
    number = info->si_syscall;
    call_address = info->si_call_addr;
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    CHECK(regs[REG_RAX] == number && regs[REG_RIP] == (greg_t)info->si_call_addr, "rax %lld", regs[REG_RAX]);
    CHECK(regs[REG_RCX] == regs[REG_RIP] && info->si_code == 2 /* SYS_USER_DISPATCH */, "code %d", info->si_code);
    regs[REG_RAX] = 4711;
}

__asm__(R"(
    .text
    .type dispatched_call, @function
dispatched_call:
    .cfi_startproc
    mov %rdi, %rax
    syscall
after_dispatched_call:
    ret
    .cfi_endproc
    .size dispatched_call, .-dispatched_call
)");
long dispatched_call(long nr);
extern char after_dispatched_call[];

static int dispatch(void *start, unsigned long len, volatile char *selects) {
    return prctl(PR_SET_SYSCALL_USER_DISPATCH, ON, start, len, selects);
}

static void passes(const char *where) {
    int before = dispatched;
    selector = BLOCK;
    long ret = dispatched_call(1000);
    selector = ALLOW;
    CHECK(ret == -ENOSYS && dispatched == before, "%s: %ld, dispatched %d", where, ret, dispatched - before);
}

static void *in_thread(void *unused) {
    passes("a new thread");
    return unused;
}

// How a child ends that has its calls dispatched.
static int child(char selected, struct sigaction *action, int is_blocked) {
    pid_t pid = fork();
    if (pid == 0) {
        passes("a child");
        sigaction(SIGSYS, action, NULL);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGSYS);
        if (is_blocked)
            sigprocmask(SIG_BLOCK, &set, NULL);
        if (dispatch((void *)4096, 1, &selector) != 0)
            _exit(1);
        selector = selected;
        dispatched_call(1000);
        selector = ALLOW;
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid, "waitpid");
    return status;
}

static volatile int alarms;

static void on_alarm(int sig) {
    (void)sig;
    char selected = selector;
    selector = ALLOW;
    alarms += raw0(SYS_getppid) > 0;
    selector = selected;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &action, NULL);
    CHECK(prctl(PR_SET_SYSCALL_USER_DISPATCH, 7, 0, 0, 0) == -1 && errno == EINVAL, "unknown mode");
    CHECK(prctl(PR_SET_SYSCALL_USER_DISPATCH, OFF, 1, 0, 0) == -1 && errno == EINVAL, "off with a range");
    ok("bad arguments are refused");

    // The range allowed lies elsewhere, so every site of the program is dispatched while the selector says so.
    if (prctl(PR_SET_SYSCALL_USER_DISPATCH, ON, 4096, 1, &selector) != 0) {
        CHECK(errno == EINVAL, "refused in a way no kernel does");
        ok("dispatch is refused as by a kernel without it");
        return 0;
    }
    for (int i = 1; i <= 100; i++) {
        selector = BLOCK;
        long ret = dispatched_call(1000 + i);
        CHECK(selector == ALLOW && dispatched == i, "call %d was dispatched %d times", i, dispatched);
        CHECK(number == 1000 + i, "number %d", number);
        CHECK(call_address == after_dispatched_call, "%ld bytes after the call",
              (long)((char *)call_address - after_dispatched_call));
        CHECK(ret == 4711, "result %ld", ret);
        CHECK(raw0(SYS_getpid) == getpid() && dispatched == i, "allowed call was dispatched");
    }
    CHECK(prctl(PR_SET_SYSCALL_USER_DISPATCH, OFF, 0, 0, 0) == 0, "off");
    selector = BLOCK;
    CHECK(dispatched_call(1000) == -ENOSYS && dispatched == 100, "dispatched although off");
    ok("dispatch works as natively");

    CHECK(dispatch((void *)4096, -1ul, NULL) == -1 && errno == EINVAL, "a range that ends before it begins");
    CHECK(dispatch((void *)4096, 1, (char *)-1l) == -1 && errno == EFAULT, "a selector that is no address");
    CHECK(dispatch(after_dispatched_call, 1, &selector) == 0, "a range");
    passes("from the range");
    // All that lies behind it passes; without a selector it never does.
    char *behind = after_dispatched_call + 1;
    CHECK(dispatch(behind, (1ul << 47) - (uintptr_t)behind, NULL) == 0, "no selector");
    for (int i = 0; i < 10; i++)
        CHECK(dispatched_call(2000) == 4711 && number == 2000, "number %d", number);
    CHECK(dispatched == 110, "dispatched %d times", dispatched);
    ok("ranges");

    CHECK(dispatch((void *)4096, 1, &selector) == 0, "on");
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, in_thread, NULL) == 0 && pthread_join(thread, NULL) == 0, "a thread");
    struct sigaction by_default = {.sa_handler = SIG_DFL}, ignoring = {.sa_handler = SIG_IGN};
    int handled = child(BLOCK, &action, 0), defaulted = child(BLOCK, &by_default, 0);
    int ignored = child(BLOCK, &ignoring, 0), blocked = child(BLOCK, &action, 1), wrong = child(2, &action, 0);
    CHECK(handled == 0, "handled: %x", handled);
    CHECK(WTERMSIG(defaulted) == SIGSYS && WTERMSIG(ignored) == SIGSYS, "%x, ignored: %x", defaulted, ignored);
    CHECK(WTERMSIG(blocked) == SIGSYS && WTERMSIG(wrong) == SIGSYS, "blocked: %x, wrong: %x", blocked, wrong);
    ok("threads and children have none, and may have their own");

    // A handler's return is a call, too: libc's lies behind.
    CHECK(dispatch(behind, (1ul << 47) - (uintptr_t)behind, &selector) == 0, "on");
    signal(SIGALRM, on_alarm);
    struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 5000 || (alarms < 3 && i < 5000000); i++) {
        int before = dispatched;
        selector = BLOCK;
        long ret = dispatched_call(3000);
        selector = ALLOW;
        CHECK(ret == 4711 && dispatched == before + 1, "%ld, %d times", ret, dispatched - before);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    ok("signals in between");
    return 0;
}
