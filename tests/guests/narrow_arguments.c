// expect: Of an argument that is an int the kernel looks at the lower half of the register; a caller may have left
// anything in the upper one, as one without a prototype does. Signals that are named to rt_sigaction, ways to change the
// mask, descriptors of calls that an interceptor has to know: with the upper half full the calls do what they do
// otherwise, and each wrong value is refused with the same errno.
// musl: yes
#include "guest.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#define FULL(x) ((long)0xdeadbeef00000000 | (unsigned)(x))

struct kernel_sigaction {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
};

static volatile int handled;
static void note(int sig) { handled = sig; }

static void actions(int sig) {
    struct kernel_sigaction installed, action, old = {0};
    CHECK(signal(SIGUSR1, note) != SIG_ERR && raw4(SYS_rt_sigaction, SIGUSR1, 0, &installed, 8) == 0, "libc's");
    action = installed;
    CHECK(raw4(SYS_rt_sigaction, FULL(sig), &action, &old, 8) == 0 && old.handler == SIG_DFL, "installed");
    handled = 0;
    CHECK(raise(sig) == 0 && handled == sig, "handled %d", handled);
    CHECK(raw4(SYS_rt_sigaction, FULL(sig), 0, &old, 8) == 0 && old.handler == (void *)note, "read back");
    CHECK(old.flags == action.flags && old.restorer == action.restorer && old.mask == action.mask, "all of it");
    action.handler = SIG_IGN;
    CHECK(raw4(SYS_rt_sigaction, FULL(sig), &action, &old, 8) == 0 && old.handler == (void *)note, "ignored");
    handled = 0;
    CHECK(raise(sig) == 0 && handled == 0, "ignored");
    action.handler = SIG_DFL;
    CHECK(raw4(SYS_rt_sigaction, FULL(sig), &action, &old, 8) == 0 && old.handler == SIG_IGN, "default");
    ok("actions of %d", sig);
}

static void masks(int sig) {
    uint64_t set = (uint64_t)1 << (sig - 1), old, none = 0;
    CHECK(signal(sig, note) != SIG_ERR, "installed");
    handled = 0;
    CHECK(raw4(SYS_rt_sigprocmask, FULL(SIG_BLOCK), &set, &old, 8) == 0 && old == 0, "mask %#lx", (long)old);
    CHECK(kill(getpid(), sig) == 0 && handled == 0, "blocked");
    CHECK(raw4(SYS_rt_sigprocmask, FULL(SIG_UNBLOCK), &set, &old, 8) == 0 && old == set, "mask %#lx", (long)old);
    CHECK(handled == sig, "unblocked");
    CHECK(raw4(SYS_rt_sigprocmask, FULL(SIG_SETMASK), &set, &old, 8) == 0 && old == 0, "mask %#lx", (long)old);
    CHECK(raw4(SYS_rt_sigprocmask, FULL(SIG_UNBLOCK), 0, &old, 8) == 0 && old == set, "asked %#lx", (long)old);
    CHECK(raw4(SYS_rt_sigprocmask, FULL(SIG_SETMASK), &none, &old, 8) == 0 && old == set, "mask %#lx", (long)old);
    CHECK(signal(sig, SIG_DFL) == note, "default");
    ok("masks with %d", sig);
}

int main(void) {
    struct kernel_sigaction action = {SIG_IGN, 0, NULL, 0}, old;
    uint64_t set = 0;
    for (int i = 0; i < 3; i++) {
        static const int signals[] = {SIGUSR2, SIGILL, 64};
        actions(signals[i]);
        masks(signals[i]);
    }
    for (int i = 0; i < 6; i++) {
        static const int signals[] = {0, -1, 65, 0x7fffffff, SIGKILL, SIGSTOP};
        long asked = raw4(SYS_rt_sigaction, FULL(signals[i]), 0, &old, 8);
        CHECK(asked == (i < 4 ? -EINVAL : 0), "asked for %d: %ld", signals[i], asked);
        CHECK(raw4(SYS_rt_sigaction, FULL(signals[i]), &action, 0, 8) == -EINVAL, "%d", signals[i]);
    }
    CHECK(raw4(SYS_rt_sigprocmask, FULL(3), &set, 0, 8) == -EINVAL, "no way");
    CHECK(raw4(SYS_rt_sigprocmask, FULL(-1), &set, 0, 8) == -EINVAL, "no way");
    CHECK(raw4(SYS_rt_sigprocmask, FULL(SIG_BLOCK), &set, 0, FULL(8)) == -EINVAL, "a size is not an int");
    CHECK(raw4(SYS_rt_sigaction, SIGUSR2, 0, &old, FULL(8)) == -EINVAL, "a size is not an int");
    ok("refused");

    int null = open("/dev/null", O_RDWR);
    CHECK(null >= 0 && raw2(SYS_dup2, FULL(null), FULL(77)) == 77 && write(77, "", 1) == 1, "dup2");
    CHECK(raw3(SYS_fcntl, FULL(77), FULL(F_DUPFD), 80) == 80 && raw1(SYS_close, FULL(80)) == 0, "fcntl");
    CHECK(raw1(SYS_close, FULL(77)) == 0 && raw1(SYS_close, FULL(77)) == -EBADF, "close");
    CHECK(raw3(SYS_close_range, FULL(200), FULL(300), FULL(0)) == 0, "close_range");
    int nice = getpriority(PRIO_PROCESS, 0);
    CHECK(raw3(SYS_setpriority, FULL(PRIO_PROCESS), FULL(0), FULL(nice)) == 0, "setpriority");
    ok("descriptors and others");
    return 0;
}
