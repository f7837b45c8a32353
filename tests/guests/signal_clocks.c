// expect: Clocks tell by a signal: those of the process's own time (SIGPROF, SIGVTALRM, CLOCK_PROCESS_CPUTIME_ID) while it makes
// calls of all kinds, which go on with what they have said; one that tells a certain thread, and nobody else (SIGEV_THREAD_ID);
// one for which libc makes a thread (SIGEV_THREAD), whose calls and signals are like any other's; and how often one could not tell
// (timer_getoverrun). Then files and queues: F_SETSIG, F_SETOWN_EX and mq_notify say with which signal, from whom and to whom.
// flags: -pthread -lrt
// musl: yes
#include "guest.h"
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif
#ifndef F_SETSIG
#define F_SETSIG 10
#endif

enum { OFTEN = 40 };

static atomic_int told;
static atomic_int by_whom, code, value, descriptor;

static void count(int sig, siginfo_t *info, void *context) {
    (void)sig, (void)context;
    by_whom = (int)syscall(SYS_gettid);
    code = info->si_code;
    value = info->si_value.sival_int;
    descriptor = info->si_code > 0 ? info->si_fd : -1;
    told++;
}

static void handle(int sig) {
    struct sigaction action = {.sa_sigaction = count, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK(sigaction(sig, &action, NULL) == 0, "sigaction %d", sig);
    told = 0;
}

static void calls(void) {
    static int pipe_[2];
    static const struct timespec at_once = {0, 0};
    char byte = 'x';
    if (pipe_[0] == 0)
        CHECK(pipe(pipe_) == 0, "pipe");
    CHECK(write(pipe_[1], &byte, 1) == 1 && read(pipe_[0], &byte, 1) == 1 && byte == 'x', "a pipe");
    CHECK(syscall(SYS_getppid) == getppid(), "getppid");
    CHECK(syscall(SYS_close, -1) == -1 && errno == EBADF, "close");
    CHECK(syscall(5000) == -1 && errno == ENOSYS, "an unknown call");
    nanosleep(&at_once, NULL);
    for (volatile int busy = 0; busy < 20000; busy++)
        ;
}

static void of_its_own_time(int which, int sig, const char *name) {
    handle(sig);
    struct itimerval every = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    CHECK(setitimer(which, &every, NULL) == 0, "setitimer");
    while (told < OFTEN)
        calls();
    CHECK(setitimer(which, &never, NULL) == 0, "setitimer");
    ok("%s: code %d", name, code);
}

static timer_t start(clockid_t clock, struct sigevent *event, long period_ns) {
    timer_t timer;
    CHECK(timer_create(clock, event, &timer) == 0, "timer_create");
    struct itimerspec every = {{0, period_ns}, {0, period_ns}};
    CHECK(timer_settime(timer, 0, &every, NULL) == 0, "timer_settime");
    return timer;
}

static void of_the_process(void) {
    handle(SIGRTMIN + 3);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3, .sigev_value = {.sival_int = 4711}};
    timer_t timer = start(CLOCK_PROCESS_CPUTIME_ID, &event, 300000);
    while (told < OFTEN)
        calls();
    CHECK(timer_delete(timer) == 0, "timer_delete");
    ok("the process's time: code %d, value %d", code, value);
}

static void missed(void) {
    handle(SIGRTMIN + 4);
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 4);
    sigprocmask(SIG_BLOCK, &set, &before);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 4};
    timer_t timer = start(CLOCK_MONOTONIC, &event, 1000000);
    poll(NULL, 0, 50);
    struct itimerspec never = {{0, 0}, {0, 0}};
    siginfo_t info;
    CHECK(sigwaitinfo(&set, &info) == SIGRTMIN + 4, "sigwaitinfo");
    ok("missed some: %d, as siginfo says: %d", timer_getoverrun(timer) > 10, info.si_overrun > 10);
    timer_settime(timer, 0, &never, NULL);
    CHECK(timer_delete(timer) == 0, "timer_delete");
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static atomic_int chosen, go_on = 1;
static void *waits(void *unused) {
    chosen = (int)syscall(SYS_gettid);
    while (go_on)
        calls();
    return unused;
}

static void a_certain_thread(void) {
    handle(SIGRTMIN + 5);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, waits, NULL) == 0, "pthread_create");
    while (chosen == 0)
        sched_yield();
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 5};
    event.sigev_notify_thread_id = chosen;
    timer_t timer = start(CLOCK_MONOTONIC, &event, 200000);
    for (int seen = 0; seen < OFTEN; seen = told) {
        calls();
        CHECK(told == 0 || by_whom == chosen, "thread %d was told, not %d", by_whom, chosen);
    }
    CHECK(timer_delete(timer) == 0, "timer_delete");
    go_on = 0;
    pthread_join(thread, NULL);
    ok("a certain thread");
}

static atomic_int in_thread, other_thread;
static void thread_of_libc(union sigval given) {
    calls();
    other_thread += given.sival_int == 4712 && syscall(SYS_gettid) != getpid();
    in_thread++;
}

static void a_thread_of_libc(void) {
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = thread_of_libc, .sigev_value = {.sival_int = 4712}};
    timer_t timer = start(CLOCK_MONOTONIC, &event, 500000);
    while (in_thread < 50)
        calls();
    CHECK(timer_delete(timer) == 0, "timer_delete");
    CHECK(other_thread >= 50, "%d of %d", other_thread, in_thread);
    ok("a thread of libc's");
}

static void files(void) {
    int ends[2];
    handle(SIGRTMIN + 6);
    CHECK(pipe(ends) == 0, "pipe");
    CHECK(fcntl(ends[0], F_SETOWN, getpid()) == 0 && fcntl(ends[0], F_SETSIG, SIGRTMIN + 6) == 0, "F_SETSIG");
    CHECK(fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK) == 0, "O_ASYNC");
    for (int round = 1; round <= OFTEN; round++) {
        char byte = 0;
        CHECK(write(ends[1], &byte, 1) == 1, "write");
        for (int look = 0; told < round && look < LOOKS; look++)
            poll(NULL, 0, 1);
        CHECK(told == round && descriptor == ends[0], "%d of %d, descriptor %d", told, round, descriptor);
        CHECK(read(ends[0], &byte, 1) == 1, "read");
    }
    ok("files: code %d", code);
}

static void queues(void) {
    char name[64], text[8];
    snprintf(name, sizeof name, "/guest-%d", getpid());
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = sizeof text};
    mqd_t queue = mq_open(name, O_CREAT | O_RDWR | O_EXCL, 0600, &attributes);
    if (queue == (mqd_t)-1) {
        ok("no queues");
        return;
    }
    mq_unlink(name);
    handle(SIGRTMIN + 7);
    for (int round = 1; round <= 20; round++) {
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 7, .sigev_value = {.sival_int = round}};
        CHECK(mq_notify(queue, &event) == 0, "mq_notify");
        CHECK(mq_send(queue, "message", sizeof text, 0) == 0, "mq_send");
        CHECK(told == round && value == round, "%d of %d, value %d", told, round, value);
        CHECK(mq_receive(queue, text, sizeof text, NULL) == (ssize_t)sizeof text, "mq_receive");
    }
    ok("queues: code %d", code);
}

int main(void) {
    of_its_own_time(ITIMER_PROF, SIGPROF, "SIGPROF");
    of_its_own_time(ITIMER_VIRTUAL, SIGVTALRM, "SIGVTALRM");
    of_the_process();
    missed();
    a_certain_thread();
    a_thread_of_libc();
    files();
    queues();
    return 0;
}
