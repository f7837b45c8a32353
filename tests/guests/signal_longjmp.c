// expect: A handler may leave by siglongjmp out of a blocking call that never returns; whatever an interceptor
// keeps for the call (a frame on a private stack, a nesting count, a flag "inside") must not be left behind, and
// the next call must be intercepted as the first. Ten thousand times a handler leaves a blocking read, poll,
// nanosleep, pause or futex that way, from libc's site or from the guest's own; then calls of many kinds still work.
// musl: yes
// userlands: yes
#include "guest.h"
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

enum { ROUNDS = 10000 };
static sigjmp_buf back;
static volatile int handled;

static void leave(int sig) {
    (void)sig;
    handled++;
    raw0(SYS_getppid);
    siglongjmp(back, 1);
}

int main(void) {
    int ends[2];
    char byte;
    static int word;
    CHECK(pipe(ends) == 0, "pipe");
    struct sigaction action = {.sa_handler = leave};
    sigaction(SIGALRM, &action, NULL);
    struct pollfd ready = {.fd = ends[0], .events = POLLIN};
    struct timespec long_time = {LIMIT_MS / 1000, 0};
    long pid = getpid();
    for (volatile int round = 0; round < ROUNDS; round++) {
        if (sigsetjmp(back, 1) == 0) {
            struct itimerval once = {{0, 0}, {0, 30 + round % 50}};
            setitimer(ITIMER_REAL, &once, NULL);
            switch (round % 7) {
            case 0: read(ends[0], &byte, 1); break;
            case 1: poll(&ready, 1, LIMIT_MS); break;
            case 2: nanosleep(&long_time, NULL); break;
            case 3: pause(); break;
            case 4: raw4(SYS_futex, &word, 0, 0, NULL); break;
            case 5: raw3(SYS_read, ends[0], &byte, 1); break;
            case 6: for (;;) raw0(SYS_getpid);
            }
            differs("round %d: the blocking call returned", round);
        }
        CHECK(raw0(SYS_getpid) == pid, "getpid after round %d", round);
    }
    CHECK(handled == ROUNDS, "%d signals", handled);
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    CHECK(!sigismember(&mask, SIGALRM), "SIGALRM is blocked");
    CHECK(write(ends[1], "x", 1) == 1 && read(ends[0], &byte, 1) == 1 && byte == 'x', "pipe");
    CHECK(raw1(SYS_close, -1) == -EBADF, "failing call");
    ok("%d calls left by siglongjmp", ROUNDS);
    return 0;
}
