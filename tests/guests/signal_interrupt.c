// expect: A signal that arrives in a blocking call ends it with EINTR or restarts it, by the call and by
// SA_RESTART; the kernel restarts by setting the program counter back to the call, so an interceptor has to have the
// number and all arguments still in place there. A 2 ms timer interrupts read, readv, poll, nanosleep, an absolute
// clock_nanosleep, wait and futex; without SA_RESTART each fails with EINTR, with it read, wait, futex go on until
// the handler has provided what they wait for, and poll and nanosleep still fail, the latter with the time that
// remains.
// musl: yes
// userlands: yes
#include "guest.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

static const long SECOND = 1000000000;

static int ends[2];
static volatile int handled, provide_after;
static volatile int word;
static volatile pid_t child, victim; // victim: the child once the handler may kill it

static void provide(int sig) {
    (void)sig;
    int saved = errno;
    handled++;
    raw1(SYS_close, -1);
    if (provide_after && handled == provide_after) {
        word = 1;
        CHECK(write(ends[1], "abc", 3) == 3, "write in handler");
        raw3(SYS_futex, &word, 1 /* FUTEX_WAKE */, 1);
        if (victim)
            kill(victim, SIGKILL);
    }
    errno = saved;
}

static void every_2_ms(int flags, int after) {
    struct sigaction action = {.sa_handler = provide, .sa_flags = flags};
    sigaction(SIGALRM, &action, NULL);
    handled = word = 0;
    provide_after = after;
    struct itimerval period = {{0, 2000}, {0, 2000}};
    setitimer(ITIMER_REAL, &period, NULL);
}

static void stop(void) {
    struct itimerval none = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &none, NULL);
}

static long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

int main(void) {
    char buffer[8];
    struct iovec parts[2] = {{buffer, 1}, {buffer + 1, 7}};
    struct pollfd ready = {.events = POLLIN};
    struct timespec minute = {60, 0}, left, limit;
    CHECK(pipe(ends) == 0, "pipe");
    ready.fd = ends[0];

    every_2_ms(0, 0);
    CHECK(read(ends[0], buffer, sizeof buffer) == -1 && errno == EINTR, "read");
    CHECK(raw3(SYS_read, ends[0], buffer, sizeof buffer) == -EINTR, "read by own instruction");
    CHECK(readv(ends[0], parts, 2) == -1 && errno == EINTR, "readv");
    CHECK(poll(&ready, 1, 60000) == -1 && errno == EINTR, "poll");
    // What is left is told of the latest moment at which the kernel may wake (PR_SET_TIMERSLACK), so it may be more
    // than was asked for; and it is less by as much as passes until the process has a processor again.
    long slack = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0), begin = now();
    CHECK(nanosleep(&minute, &left) == -1 && errno == EINTR, "nanosleep");
    long rest = left.tv_sec * SECOND + left.tv_nsec, least = 60 * SECOND - (now() - begin);
    CHECK(rest >= least && rest <= 60 * SECOND + slack, "nanosleep leaves %ld ns of at least %ld", rest, least);
    clock_gettime(CLOCK_MONOTONIC, &limit);
    limit.tv_sec += 60;
    CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &limit, NULL) == EINTR, "clock_nanosleep");
    CHECK(raw4(SYS_futex, &word, 0, 0, NULL) == -EINTR, "futex");
    CHECK(pause() == -1 && errno == EINTR, "pause");
    child = fork();
    if (child == 0) {
        end_with_parent();
        for (;;)
            pause();
    }
    CHECK(waitpid(child, NULL, 0) == -1 && errno == EINTR, "waitpid");
    CHECK(handled >= 8, "%d signals", handled);
    stop();
    ok("EINTR without SA_RESTART");

    for (int round = 0; round < 3; round++) {
        memset(buffer, 0, sizeof buffer);
        every_2_ms(SA_RESTART, 5);
        CHECK(read(ends[0], buffer, sizeof buffer) == 3 && !memcmp(buffer, "abc", 3), "read");
        CHECK(handled >= 5, "read ended after %d signals", handled);
        memset(buffer, 0, sizeof buffer);
        every_2_ms(SA_RESTART, 5);
        CHECK(raw3(SYS_read, ends[0], buffer, sizeof buffer) == 3 && !memcmp(buffer, "abc", 3), "read by own");
        CHECK(handled >= 5, "read by own instruction ended after %d signals", handled);
        memset(buffer, 0, sizeof buffer);
        every_2_ms(SA_RESTART, 5);
        CHECK(readv(ends[0], parts, 2) == 3 && !memcmp(buffer, "abc", 3), "readv");
        CHECK(handled >= 5, "readv ended after %d signals", handled);
        every_2_ms(SA_RESTART, 5);
        CHECK(raw4(SYS_futex, &word, 0, 0, NULL) == 0 || word == 1, "futex");
        CHECK(handled >= 5, "futex ended after %d signals", handled);
        CHECK(read(ends[0], buffer, sizeof buffer) == 3, "drain");
    }
    CHECK(poll(&ready, 1, 60000) == -1 && errno == EINTR, "poll");
    CHECK(nanosleep(&minute, &left) == -1 && errno == EINTR, "nanosleep");
    int status;
    victim = child;
    every_2_ms(SA_RESTART, 5);
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "waitpid");
    CHECK(handled >= 5, "waitpid ended after %d signals", handled);
    stop();
    ok("restarts with SA_RESTART");

    every_2_ms(0, 0);
    minute.tv_sec = 0;
    minute.tv_nsec = 30000000;
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    while (nanosleep(&minute, &minute) == -1)
        CHECK(errno == EINTR, "nanosleep");
    clock_gettime(CLOCK_MONOTONIC, &to);
    stop();
    CHECK((to.tv_sec - from.tv_sec) * 1000000000L + to.tv_nsec - from.tv_nsec >= 30000000, "slept too short");
    ok("a sleep resumed with what remains");
    return 0;
}
