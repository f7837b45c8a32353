// flags: -lrt
// expect: No wake-up is lost. A thread waits for a signal in each of the ways in which that can be done without a race,
// another one sends it at any moment and waits until it was seen: sigsuspend, ppoll, pselect, epoll_pwait with a mask that
// lets it in, sigwaitinfo, sigtimedwait, sigwait, a signalfd that is polled or read, a pipe that the handler writes to,
// siglongjmp out of a wait, futexes that the handler wakes; also signals of alarm clocks and timers. Thousands of times, with
// handlers on an alternate stack half of the time, while signals of other numbers interrupt and are restarted. One that
// is lost is a wait that never ends.
// musl: yes
#include "guest.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <time.h>

enum { ROUNDS = 400, WAKE = 40, NOISE = SIGURG };

static volatile int asked, seen, is_over, came;
static int ends[2], epoll, fd;
static pid_t target;
static sigset_t only_wake, before;
static sigjmp_buf out;
static volatile int can_leave;

static void count(int sig) {
    (void)sig;
    came++;
}
static void write_byte(int sig) {
    (void)sig;
    came++;
    CHECK(write(ends[1], "x", 1) == 1, "write");
}
static void wake(int sig) {
    (void)sig;
    came++;
    raw3(SYS_futex, &came, 1 /* FUTEX_WAKE */, 1);
}
static void leave(int sig) {
    (void)sig;
    came++;
    if (can_leave)
        siglongjmp(out, 1);
}
static void noise(int sig) {
    (void)sig;
    raw0(SYS_getppid);
}

// Sends what was asked for, at any moment, and noise.
static void *send_all(void *unused) {
    for (unsigned random = 1; !is_over;) {
        while (asked == seen && !is_over) {
            random = random * 1103515245 + 12345;
            if (random >> 28 == 0)
                raw3(SYS_tgkill, getpid(), target, NOISE);
            else
                sched_yield();
        }
        for (volatile unsigned i = random >> 20 & 1023; i; i--)
            ;
        if (is_over)
            break;
        seen = asked;
        CHECK(raw3(SYS_tgkill, getpid(), target, WAKE) == 0, "tgkill");
        while (came != seen && !is_over)
            sched_yield();
    }
    return unused;
}

static void by_sigsuspend(void) { sigsuspend(&before); }
static void by_ppoll(void) { CHECK(ppoll(NULL, 0, NULL, &before) == -1 && errno == EINTR, "ppoll"); }
static void by_pselect(void) {
    CHECK(pselect(0, NULL, NULL, NULL, NULL, &before) == -1 && errno == EINTR, "pselect");
}
static void by_epoll(void) {
    struct epoll_event event;
    CHECK(epoll_pwait(epoll, &event, 1, -1, &before) == -1 && errno == EINTR, "epoll_pwait");
}
static void by_sigwaitinfo(void) {
    siginfo_t info;
    int sig = sigwaitinfo(&only_wake, &info);
    CHECK(sig == WAKE || (sig == -1 && errno == EINTR), "sigwaitinfo: %d", sig);
    came += sig == WAKE;
}
static void by_sigtimedwait(void) {
    struct timespec limit = {100, 0};
    int sig = sigtimedwait(&only_wake, NULL, &limit);
    CHECK(sig == WAKE || (sig == -1 && errno == EINTR), "sigtimedwait: %d", sig);
    came += sig == WAKE;
}
static void by_sigwait(void) {
    int sig = 0;
    CHECK(sigwait(&only_wake, &sig) == 0 && sig == WAKE, "sigwait: %d", sig);
    came++;
}
static void by_signalfd(void) {
    struct signalfd_siginfo info;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    while (poll(&ready, 1, -1) != 1)
        CHECK(errno == EINTR, "poll");
    CHECK(read(fd, &info, sizeof info) == sizeof info && info.ssi_signo == WAKE, "signalfd");
    came++;
}
static void by_signalfd_read(void) {
    struct signalfd_siginfo info;
    CHECK(read(fd, &info, sizeof info) == sizeof info && info.ssi_signo == WAKE, "signalfd");
    came++;
}
static void by_pipe(void) {
    char byte;
    struct pollfd ready = {.fd = ends[0], .events = POLLIN};
    while (poll(&ready, 1, -1) != 1)
        CHECK(errno == EINTR, "poll");
    CHECK(read(ends[0], &byte, 1) == 1, "read");
}
static void by_read(void) {
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1, "read");
}
static void by_futex(void) {
    int last = asked - 1;
    while (came == last)
        raw4(SYS_futex, &came, 0 /* FUTEX_WAIT */, last, NULL);
}
static void by_longjmp(void) {
    if (sigsetjmp(out, 1) == 0) {
        can_leave = 1;
        while (came != asked)
            pause();
    }
    can_leave = 0;
}

static const struct {
    const char *name;
    void (*wait)(void);
    void (*handler)(int);
    int is_blocked;
} ways[] = {
    {"sigsuspend", by_sigsuspend, count, 1},
    {"ppoll", by_ppoll, count, 1},
    {"pselect", by_pselect, count, 1},
    {"epoll_pwait", by_epoll, count, 1},
    {"sigwaitinfo", by_sigwaitinfo, count, 1},
    {"sigtimedwait", by_sigtimedwait, count, 1},
    {"sigwait", by_sigwait, count, 1},
    {"a signalfd that is polled", by_signalfd, count, 1},
    {"a signalfd that is read", by_signalfd_read, count, 1},
    {"a pipe that is polled", by_pipe, write_byte, 0},
    {"a pipe that is read", by_read, write_byte, 0},
    {"a futex", by_futex, wake, 0},
    {"siglongjmp", by_longjmp, leave, 0},
};

static void use(unsigned way, int flags) {
    struct sigaction action = {.sa_handler = ways[way].handler, .sa_flags = SA_RESTART | flags};
    sigaction(WAKE, &action, NULL);
    pthread_sigmask(ways[way].is_blocked ? SIG_BLOCK : SIG_UNBLOCK, &only_wake, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        int last = asked;
        asked = last + 1;
        while (came == last)
            ways[way].wait();
        CHECK(came == asked, "%s, round %d: %d came of %d", ways[way].name, round, came, asked);
    }
}

int main(void) {
    static char stack[65536];
    target = (pid_t)raw0(SYS_gettid);
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    sigemptyset(&only_wake);
    sigaddset(&only_wake, WAKE);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    sigaction(NOISE, &(struct sigaction){.sa_handler = noise, .sa_flags = SA_RESTART}, NULL);
    CHECK(pipe(ends) == 0, "pipe");
    epoll = epoll_create1(0);
    fd = signalfd(-1, &only_wake, 0);
    pthread_t sender;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    pthread_create(&sender, NULL, send_all, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    for (unsigned way = 0; way < sizeof ways / sizeof *ways; way++) {
        use(way, 0);
        use(way, SA_ONSTACK);
        ok("%s", ways[way].name);
    }
    is_over = 1;
    pthread_join(sender, NULL);

    // Clocks.
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = count}, NULL);
    sigaction(WAKE, &(struct sigaction){.sa_handler = count}, NULL);
    sigset_t both = only_wake;
    sigaddset(&both, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &both, NULL);
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = WAKE};
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "timer_create");
    for (int round = 0; round < ROUNDS; round++) {
        struct itimerval once = {{0, 0}, {0, 1 + round % 100}};
        struct itimerspec soon = {{0, 0}, {0, 1000 + round % 100 * 1000}};
        int last = came;
        if (round % 2)
            timer_settime(timer, 0, &soon, NULL);
        else
            setitimer(ITIMER_REAL, &once, NULL);
        while (came == last)
            sigsuspend(&before);
    }
    ok("clocks");
    return 0;
}
