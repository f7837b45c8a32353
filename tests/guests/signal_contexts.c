// expect: A handler leaves for another context by setcontext, out of a blocking call that is never returned to, and by swapcontext, which
// leads back into the handler later, and by its return into whatever it interrupted: two coroutines on stacks of their own, that make
// calls and are exchanged by a timer at any moment. Nothing of an interceptor's may be left behind, or stay on one of the stacks.
// Then the older ways to install a handler, signal, bsd_signal, sysv_signal, sigset and siginterrupt: what they read back and do; and sighold, sigrelse,
// sigpause and sigignore.
// flags: -Wno-deprecated-declarations
#define _GNU_SOURCE
#include "guest.h"
#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <ucontext.h>

enum { ROUNDS = 600, SWITCHES = 200 };
static ucontext_t back, of[2], host;
static volatile int handled, current, switches;
static volatile long made[2];
static int ends[2];
static pid_t self;

static void clock_at(long first_us, long then_us) {
    setitimer(ITIMER_REAL, &(struct itimerval){{0, then_us}, {0, first_us}}, NULL);
}

static void leave(int sig) {
    (void)sig;
    handled++;
    raw0(SYS_getppid);
    setcontext(&back);
}

static void left_for_good(void) {
    signal(SIGALRM, leave);
    volatile int round = 0;
    getcontext(&back);
    while (round < ROUNDS) {
        round++;
        CHECK(raw0(SYS_getpid) == self, "round %d", round);
        char byte;
        clock_at(30 + round % 50, 0);
        switch (round % 3) {
        case 0: read(ends[0], &byte, 1); break;
        case 1: poll(&(struct pollfd){ends[0], POLLIN, 0}, 1, -1); break;
        default: for (;;) raw0(SYS_getuid);
        }
        differs("round %d: the call returned", round);
    }
    CHECK(handled == ROUNDS - 1 || handled == ROUNDS, "handled %d", handled);
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    CHECK(!sigismember(&mask, SIGALRM), "SIGALRM is blocked");
    ok("%d calls left by setcontext", ROUNDS);
}

static void exchange(int sig) {
    (void)sig;
    int was = current;
    switches++;
    current = !was;
    CHECK(raw0(SYS_getpid) == self, "a call in the handler");
    if (switches >= SWITCHES)
        setcontext(&host);
    CHECK(swapcontext(&of[was], &of[!was]) == 0, "swapcontext");
}

static void coroutine(int which) {
    volatile unsigned long canary[32];
    for (int i = 0; i < 32; i++)
        canary[i] = 0xc0de00000000u + (unsigned)(which * 100 + i);
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    sigprocmask(SIG_UNBLOCK, &alarm, NULL);
    for (;;) {
        char byte = 0;
        CHECK(current == which, "this is the one that runs");
        CHECK(raw0(SYS_getpid) == self && getppid() > 0, "a call");
        CHECK(raw1(SYS_close, -1) == -EBADF, "a failing call");
        CHECK(write(ends[1], "x", 1) == 1, "write");
        while (read(ends[0], &byte, 1) != 1)
            ;
        CHECK(byte == 'x', "read");
        made[which]++;
        for (int i = 0; i < 32; i++)
            CHECK(canary[i] == 0xc0de00000000u + (unsigned)(which * 100 + i), "the stack of %d", which);
    }
}

static void exchanged(void) {
    static char stacks[2][256 * 1024];
    struct sigaction action = {.sa_handler = exchange, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    for (int i = 0; i < 2; i++) {
        getcontext(&of[i]);
        // swapcontext sets the mask while it is on the other stack still.
        sigaddset(&of[i].uc_sigmask, SIGALRM);
        of[i].uc_stack = (stack_t){.ss_sp = stacks[i], .ss_size = sizeof stacks[i]};
        makecontext(&of[i], (void (*)(void))coroutine, 1, i);
    }
    getcontext(&host);
    if (switches < SWITCHES) {
        clock_at(300, 300);
        setcontext(&of[0]);
    }
    clock_at(0, 0);
    CHECK(made[0] > 0 && made[1] > 0, "%ld and %ld rounds", made[0], made[1]);
    CHECK(raw0(SYS_getpid) == self, "a call");
    ok("coroutines that were exchanged %d times", SWITCHES);
}

static void count(int sig) {
    (void)sig;
    handled++;
}

// What <signal.h> declares for older standards only.
extern sighandler_t bsd_signal(int sig, sighandler_t handler);

static void older_ways(void) {
    struct sigaction is;
    CHECK(signal(SIGUSR1, count) == SIG_DFL, "signal");
    sigaction(SIGUSR1, NULL, &is);
    ok("signal: %d, %x", is.sa_handler == count, is.sa_flags);
    siginterrupt(SIGUSR1, 1);
    sigaction(SIGUSR1, NULL, &is);
    ok("siginterrupt: %d, %x", is.sa_handler == count, is.sa_flags);
    siginterrupt(SIGUSR1, 0);
    sigaction(SIGUSR1, NULL, &is);
    ok("not any more: %d, %x", is.sa_handler == count, is.sa_flags);
    siginterrupt(SIGUSR1, 1);
    CHECK(bsd_signal(SIGUSR1, leave) == count && bsd_signal(SIGUSR1, count) == leave, "bsd_signal");
    sigaction(SIGUSR1, NULL, &is);
    ok("bsd_signal after siginterrupt: %d, %x", is.sa_handler == count, is.sa_flags);
    siginterrupt(SIGUSR1, 0);
    CHECK(bsd_signal(SIGUSR1, count) == count, "bsd_signal");
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &is);
    ok("bsd_signal: %d, %x", is.sa_handler == count, is.sa_flags);
    CHECK(sysv_signal(SIGUSR1, count) == count, "sysv_signal");
    sigaction(SIGUSR1, NULL, &is);
    ok("sysv_signal: %d, %x", is.sa_handler == count, is.sa_flags);
    handled = 0;
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &is);
    ok("it was handled %d times, and is reset: %d", handled, is.sa_handler == SIG_DFL);
    CHECK(sigset(SIGUSR1, count) == SIG_DFL && sigset(SIGUSR1, SIG_HOLD) == count, "sigset");
    raise(SIGUSR1);
    sigset_t waits;
    sigpending(&waits);
    ok("sigset: handled %d times, waits %d", handled, sigismember(&waits, SIGUSR1));
    CHECK(sigset(SIGUSR1, count) == SIG_HOLD, "sigset");
    ok("afterwards: handled %d times", handled);
    CHECK(sighold(SIGUSR1) == 0, "sighold");
    raise(SIGUSR1);
    ok("sighold: handled %d times", handled);
    CHECK(sigpause(SIGUSR1) == -1 && errno == EINTR, "sigpause");
    sigprocmask(SIG_SETMASK, NULL, &waits);
    ok("sigpause: handled %d times, blocked %d", handled, sigismember(&waits, SIGUSR1));
    raise(SIGUSR1);
    CHECK(sigrelse(SIGUSR1) == 0, "sigrelse");
    ok("sigrelse: handled %d times", handled);
    CHECK(sigignore(SIGUSR1) == 0, "sigignore");
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &is);
    ok("sigignore: handled %d times, ignored %d", handled, is.sa_handler == SIG_IGN);
}

int main(void) {
    self = getpid();
    CHECK(pipe(ends) == 0, "pipe");
    left_for_good();
    exchanged();
    older_ways();
    return 0;
}
