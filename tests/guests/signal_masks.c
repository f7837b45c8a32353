// expect: Everything is blocked in all the ways that there are, SIGILL with it, and calls go on: in handlers that interrupt
// sigsuspend, ppoll, pselect and epoll_pwait with masks of their own, in handlers whose action blocks everything, after a handler that
// returns with another mask in its context. What is blocked reads back as it was set, from sigprocmask and from a handler's
// context. A SIGILL that is sent while blocked waits for its time; an illegal instruction then ends the process.
// musl: yes
#include "masks.h"
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

static volatile int handled, ills;
static uint64_t seen_mask, context_mask;
static volatile int sets_mask;

static uint64_t all(void) { return ~0ul & ~(1ul << (SIGKILL - 1)) & ~(1ul << (SIGSTOP - 1)); }

static void handle(int sig, siginfo_t *info, void *given) {
    (void)sig, (void)info;
    ucontext_t *context = given;
    for (int i = 0; i < 3; i++)
        raw0(SYS_getppid);
    CHECK(getppid() > 0, "a call in the handler");
    seen_mask = mask_now();
    memcpy(&context_mask, &context->uc_sigmask, 8);
    if (sets_mask)
        memset(&context->uc_sigmask, 0xff, 8);
    handled++;
}

static void ill(int sig) {
    (void)sig;
    ills++;
    raw0(SYS_getppid);
}

static void block(uint64_t mask) { CHECK(raw4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8) == 0, "rt_sigprocmask"); }

int main(void) {
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
    sigaction(SIGALRM, &action, NULL);
    signal(SIGILL, ill);
    sigset_t but_alarm;
    sigfillset(&but_alarm);
    sigdelset(&but_alarm, SIGALRM);
    uint64_t before = 1ul << (SIGALRM - 1);
    int epoll = epoll_create1(0);
    for (int way = 0; way < 4; way++) {
        block(before);
        handled = 0;
        raise(SIGALRM); // it is blocked until the call
        int result = 0;
        switch (way) {
        case 0: result = sigsuspend(&but_alarm); break;
        case 1: result = ppoll(NULL, 0, NULL, &but_alarm); break;
        case 2: result = pselect(0, NULL, NULL, NULL, NULL, &but_alarm); break;
        case 3: {
            struct epoll_event event;
            result = epoll_pwait(epoll, &event, 1, -1, &but_alarm);
        }
        }
        CHECK(result == -1 && errno == EINTR && handled == 1, "way %d: %d", way, result);
        ok("way %d: in the handler %lx, in its context %lx, afterwards %lx", way, seen_mask, context_mask, mask_now());
    }
    block(0);
    sigfillset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    raise(SIGALRM);
    ok("all blocked by the action: %lx in the handler, %lx afterwards", seen_mask, mask_now());
    block(all());
    CHECK(mask_now() == all() && getppid() == getppid(), "all blocked: %lx", mask_now());
    block(all() & ~before);
    raise(SIGALRM);
    ok("all but one blocked: %lx in the context, %lx afterwards", context_mask, mask_now());
    block(0);
    sets_mask = 1;
    raise(SIGALRM);
    sets_mask = 0;
    ok("all blocked by the handler: %lx", mask_now());
    for (int i = 0; i < 3; i++)
        raw0(SYS_getppid);
    kill(getpid(), SIGILL);
    raise(SIGILL);
    for (int i = 0; i < 3; i++)
        raw0(SYS_getppid);
    CHECK(ills == 0, "SIGILL while blocked");
    block(0);
    CHECK(ills > 0, "SIGILL when no longer blocked");
    ok("SIGILL waits until it is not blocked");
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        block(all());
        __builtin_trap();
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGILL, "status %#x", status);
    ok("an illegal instruction with SIGILL blocked ends the process");
    return 0;
}
