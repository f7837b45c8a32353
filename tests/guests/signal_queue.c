// flags: -lrt
// expect: Signals are also taken without handlers and in order: queued real-time signals arrive with their values,
// lowest number first, each as often as sent; sigwaitinfo, sigtimedwait and signalfd take blocked ones; timers and
// siginfo say who sent what. All real-time signals that libc offers (SIGRTMIN to SIGRTMAX) must be free for the
// program, and its own mask is given back whole, with no signal of an interceptor's added or missing.
// musl: yes
// userlands: yes
#include "guest.h"
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>

static volatile int values[256], numbers[256], taken;

static void take(int sig, siginfo_t *info, void *context) {
    (void)context;
    CHECK(info->si_signo == sig && info->si_code == SI_QUEUE && info->si_pid == getpid(), "siginfo: code %d from %d",
          info->si_code, info->si_pid);
    numbers[taken] = sig;
    values[taken++] = info->si_value.sival_int;
}

int main(void) {
    sigset_t all, old, now;
    struct timespec limit = {LIMIT_MS / 1000, 0}, none = {0, 0};
    siginfo_t info;

    struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_SIGINFO};
    sigfillset(&action.sa_mask);
    for (int sig = SIGRTMIN; sig <= SIGRTMAX; sig++)
        CHECK(sigaction(sig, &action, NULL) == 0, "sigaction of %d", sig);
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &old) == 0, "block all");
    for (int sig = 1; sig <= 64; sig++)
        CHECK(sigismember(&old, sig) != 1, "signal %d was blocked from the start", sig);
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    for (int sig = 1; sig <= 64; sig++) {
        int expected = sig != SIGKILL && sig != SIGSTOP && (sig < 32 || sig >= SIGRTMIN);
        CHECK(sigismember(&now, sig) == 1 || !expected, "signal %d is not in the mask that was set", sig);
    }
    for (int sig = SIGRTMAX; sig >= SIGRTMIN; sig--)
        for (int i = 0; i < 3; i++)
            CHECK(sigqueue(getpid(), sig, (union sigval){.sival_int = sig * 10 + i}) == 0, "sigqueue");
    CHECK(taken == 0, "blocked signals were delivered");
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    CHECK(taken == 3 * (SIGRTMAX - SIGRTMIN + 1), "%d signals taken", taken);
    // With all others masked in the handler, each unblocked signal is taken in the order of its number.
    for (int i = 0; i < taken; i++)
        CHECK(numbers[i] == SIGRTMIN + i / 3 && values[i] == numbers[i] * 10 + i % 3, "signal %d: %d with %d", i,
              numbers[i], values[i]);
    ok("queued real-time signals in order");

    sigset_t some;
    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    sigaddset(&some, SIGRTMIN);
    pthread_sigmask(SIG_BLOCK, &some, NULL);
    CHECK(sigtimedwait(&some, &info, &none) == -1 && errno == EAGAIN, "nothing to take");
    for (int i = 0; i < 100; i++) {
        kill(getpid(), SIGUSR1);
        CHECK(sigwaitinfo(&some, &info) == SIGUSR1 && info.si_code == SI_USER && info.si_pid == getpid(), "sigwaitinfo");
        sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i});
        CHECK(sigtimedwait(&some, &info, &limit) == SIGRTMIN && info.si_value.sival_int == i, "sigtimedwait");
    }
    ok("sigwaitinfo and sigtimedwait");

    int fd = signalfd(-1, &some, 0);
    CHECK(fd >= 0, "signalfd");
    for (int i = 0; i < 100; i++) {
        struct signalfd_siginfo got[2];
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i});
        kill(getpid(), SIGUSR1);
        CHECK(poll(&ready, 1, LIMIT_MS) == 1, "poll of signalfd");
        CHECK(read(fd, got, sizeof got) == sizeof got, "read of signalfd");
        CHECK(got[0].ssi_signo == SIGUSR1 && got[1].ssi_signo == (uint32_t)SIGRTMIN && got[1].ssi_int == i, "signalfd");
    }
    ok("signalfd");

    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value = {.sival_int = 77}};
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "timer_create");
    struct itimerspec soon = {{0, 0}, {0, 1000000}};
    timer_settime(timer, 0, &soon, NULL);
    CHECK(sigwaitinfo(&some, &info) == SIGRTMIN && info.si_code == SI_TIMER && info.si_value.sival_int == 77, "timer");
    timer_delete(timer);
    ok("timer with a value");
    return 0;
}
