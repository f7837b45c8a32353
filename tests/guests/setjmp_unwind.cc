// flags: -fnon-call-exceptions
// expect: A C++ handler may throw: the unwinder walks from the handler over the signal frame into the interrupted
// function by its exact program counter. Thrown while a read blocks in libc and while one blocks at the guest's own
// instruction, the exception is caught around the call and the destructors between run; longjmp out of the handler
// likewise leaves nothing behind. Fifty rounds of each, with calls in between.
// userlands: yes
#include "guest.h"
#include <setjmp.h>
#include <signal.h>
#include <stdexcept>
#include <sys/time.h>

static int ends[2];
static volatile int entered, destroyed, jump;
static sigjmp_buf back;

struct Guard {
    ~Guard() { destroyed = destroyed + 1; }
};

static void handle(int) {
    if (!entered)
        return; // the timer comes again
    entered = 0;
    struct itimerval none = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &none, nullptr);
    if (jump)
        siglongjmp(back, 1);
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    sigprocmask(SIG_UNBLOCK, &alarm_only, nullptr);
    throw std::runtime_error("interrupted");
}

// Where an exception may come from begins, for the compiler, at the first call that may throw: before `entered` is set.
__attribute__((noinline)) static void block_in_libc() {
    Guard guard;
    char byte;
    close(-1);
    entered = 1;
    (void)!read(ends[0], &byte, 1);
    differs("read returned");
}

__attribute__((noinline)) static void block_at_own_instruction() {
    Guard guard;
    char byte;
    close(-1);
    entered = 1;
    raw3(SYS_read, ends[0], &byte, 1);
    differs("read returned");
}

static void soon() {
    struct itimerval period = {{0, 3000}, {0, 3000}};
    setitimer(ITIMER_REAL, &period, nullptr);
}

int main() {
    CHECK(pipe(ends) == 0, "pipe");
    struct sigaction action = {};
    action.sa_handler = handle;
    sigaction(SIGALRM, &action, nullptr);
    void (*const blocks[])() = {block_in_libc, block_at_own_instruction};
    for (volatile int kind = 0; kind < 2; kind++) {
        for (volatile int round = 0; round < 50; round++) {
            volatile bool caught = false;
            destroyed = jump = 0;
            try {
                soon();
                blocks[kind]();
            } catch (const std::runtime_error &error) {
                caught = !strcmp(error.what(), "interrupted");
            }
            CHECK(caught && destroyed == 1, "caught %d, destroyed %d", caught, destroyed);
            CHECK(raw0(SYS_getpid) == getpid() && close(-1) == -1, "calls after the exception");
            jump = 1;
            if (sigsetjmp(back, 1) == 0) {
                soon();
                blocks[kind]();
            }
            CHECK(raw0(SYS_getpid) == getpid() && close(-1) == -1, "calls after the jump");
        }
        ok("exceptions and jumps out of a read %s", kind ? "at an own instruction" : "in libc");
    }
    return 0;
}
