// expect: Which signal may interrupt which handler is the program's choice: sa_mask, the signal itself unless
// SA_NODEFER, once only with SA_RESETHAND. Handlers raise further signals and record in which order begins and ends
// happen; the record must be the one the masks prescribe. A self-pipe written by a handler a thousand times delivers a
// thousand bytes to a poll loop, none lost, while the masks of pselect, ppoll, epoll_pwait and sigsuspend let a
// pending signal in exactly once and put the old mask back.
// musl: yes
// userlands: yes
#include "guest.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>

static char record[128];
static volatile size_t recorded;
static volatile int depth, ends[2], handled;

static void note(char c) { record[recorded++] = c; }
static void expect_record(const char *what, const char *expected) {
    record[recorded] = 0;
    CHECK(!strcmp(record, expected), "%s: %s, expected %s", what, record, expected);
    recorded = 0;
    ok("%s: %s", what, expected);
}

static void raise_second(int sig) {
    (void)sig;
    note('a');
    raise(SIGUSR2);
    note('A');
}
static void second(int sig) {
    (void)sig;
    note('b');
    raw0(SYS_getppid);
    note('B');
}
static void recurse(int sig) {
    note((char)('0' + depth));
    if (depth++ < 4)
        raise(sig);
    depth--;
    note('<');
}
static void write_byte(int sig) {
    (void)sig;
    int saved = errno;
    CHECK(write(ends[1], "x", 1) == 1, "self-pipe");
    errno = saved;
}
static void count(int sig) {
    (void)sig;
    handled++;
}

static void set(int sig, void (*handler)(int), int flags, int masked) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    if (masked)
        sigaddset(&action.sa_mask, masked);
    CHECK(sigaction(sig, &action, NULL) == 0, "sigaction");
}

int main(void) {
    set(SIGUSR2, second, 0, 0);
    set(SIGUSR1, raise_second, 0, 0);
    raise(SIGUSR1);
    expect_record("handler interrupted by another", "abBA");
    set(SIGUSR1, raise_second, 0, SIGUSR2);
    raise(SIGUSR1);
    expect_record("sa_mask defers the other", "aAbB");
    set(SIGUSR1, recurse, SA_NODEFER, 0);
    raise(SIGUSR1);
    expect_record("SA_NODEFER recurses", "01234<<<<<");
    set(SIGUSR1, recurse, SA_RESETHAND | SA_NODEFER, 0);
    signal(SIGCHLD, SIG_DFL);
    struct sigaction action;
    set(SIGURG, recurse, SA_RESETHAND | SA_NODEFER, SIGUSR2); // its default is to be ignored
    raise(SIGURG);
    expect_record("SA_RESETHAND handles once", "0<");
    sigaction(SIGURG, NULL, &action);
    CHECK(action.sa_handler == SIG_DFL, "handler after SA_RESETHAND");
    CHECK((unsigned)action.sa_flags == (SA_RESETHAND | SA_NODEFER | 0x04000000 /* SA_RESTORER, of libc */), "flags after SA_RESETHAND: %#x", action.sa_flags);
    CHECK(sigismember(&action.sa_mask, SIGUSR2), "mask after SA_RESETHAND");

    CHECK(pipe((int *)ends) == 0, "pipe");
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    set(SIGUSR1, write_byte, SA_RESTART, 0);
    int bytes = 0;
    for (int i = 0; i < 1000; i++) {
        kill(getpid(), SIGUSR1);
        struct pollfd ready = {.fd = ends[0], .events = POLLIN};
        int n = poll(&ready, 1, LIMIT_MS);
        CHECK(n == 1, "poll of the self-pipe: %d", n);
        char buffer[16];
        bytes += (int)read(ends[0], buffer, sizeof buffer);
    }
    CHECK(bytes == 1000, "%d bytes in the self-pipe", bytes);
    ok("self-pipe");

    set(SIGUSR1, count, SA_RESTART, 0);
    sigset_t blocked, open_mask, now;
    sigemptyset(&blocked);
    sigemptyset(&open_mask);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    int epoll = epoll_create1(0);
    struct timespec limit = {LIMIT_MS / 1000, 0};
    struct epoll_event event;
    for (int i = 0; i < 400; i++) {
        handled = 0;
        kill(getpid(), SIGUSR1);
        CHECK(handled == 0, "blocked signal was delivered");
        int ret = 0;
        switch (i % 4) {
        case 0: ret = pselect(0, NULL, NULL, NULL, &limit, &open_mask); break;
        case 1: ret = ppoll(NULL, 0, &limit, &open_mask); break;
        case 2: ret = epoll_pwait(epoll, &event, 1, LIMIT_MS, &open_mask); break;
        case 3: ret = sigsuspend(&open_mask); break;
        }
        CHECK(ret == -1 && errno == EINTR, "kind %d: %d", i % 4, ret);
        CHECK(handled == 1, "kind %d: handled %d times", i % 4, handled);
        sigprocmask(SIG_SETMASK, NULL, &now);
        CHECK(sigismember(&now, SIGUSR1) == 1, "kind %d: the old mask is not back", i % 4);
    }
    ok("masks of pselect, ppoll, epoll_pwait and sigsuspend");
    return 0;
}
