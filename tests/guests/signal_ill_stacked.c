// expect: Three signals come at one moment, let in by sigsuspend, ppoll, pselect, epoll_pwait or sigprocmask: the handler of
// the last runs first, and each finds SIGILL blocked by what was blocked before, by the call's mask and by the actions of
// those beneath, in its mask and in both of its context. So it is with SIGILL itself among them, which comes first, and with
// one that a handler sends; what a handler writes to its context is the mask of the next, and of the program. A signal that
// a handler has held off comes with the mask that was before the wait. One handler leaves them all by siglongjmp.
// musl: yes
#include "masks.h"
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>
#include <ucontext.h>

#define BIT(sig) (1ul << ((sig) - 1))
static const uint64_t ill = BIT(SIGILL);
static const int signals[] = {SIGHUP, SIGUSR2, SIGALRM};
enum { SIGNALS = 3, SEEN = 16 };

static struct {
    int sig;
    uint64_t mask, context;
} seen[SEEN];
static volatile int count, sends_in, sent, flips_in, leaves_in;
static sigjmp_buf out;

static void handle(int sig, siginfo_t *info, void *given) {
    ucontext_t *context = given;
    CHECK(info->si_signo == sig && count < SEEN, "siginfo");
    uint64_t mask = mask_in(context);
    seen[count].sig = sig, seen[count].context = mask, seen[count].mask = mask_now();
    count++;
    if (sends_in == sig) {
        raw2(SYS_kill, getpid(), sent);
        raw0(SYS_getppid);
    }
    if (flips_in == sig) {
        mask ^= ill;
        memcpy(&context->uc_sigmask, &mask, 8);
    }
    if (leaves_in == sig)
        siglongjmp(out, 1);
}

static void act(int sig, uint64_t mask) {
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
    memcpy(&action.sa_mask, &mask, 8);
    CHECK(sigaction(sig, &action, NULL) == 0, "sigaction");
}

static const char *const names[] = {"sigsuspend", "ppoll", "pselect", "epoll_pwait", "sigprocmask"};
enum { WAYS = sizeof names / sizeof *names, UNBLOCKS = WAYS - 1 };

static void let_in(int way, uint64_t mask) {
    struct timespec limit = {LIMIT_MS / 1000, 0};
    struct epoll_event event;
    struct {
        const void *mask;
        size_t size;
    } sized = {&mask, 8};
    long result = 0;
    switch (way) {
    case 0: result = raw2(SYS_rt_sigsuspend, &mask, 8); break;
    case 1: result = raw6(SYS_ppoll, 0, 0, (long)&limit, (long)&mask, 8, 0); break;
    case 2: result = raw6(SYS_pselect6, 0, 0, 0, 0, (long)&limit, (long)&sized); break;
    case 3: {
        int epoll = epoll_create1(0);
        result = raw6(SYS_epoll_pwait, epoll, (long)&event, 1, LIMIT_MS, (long)&mask, 8);
        close(epoll);
        break;
    }
    default: set_mask(mask);
    }
    CHECK(result == (way == UNBLOCKS ? 0 : -EINTR), "%s: %ld", names[way], result);
}

// What the handlers saw, in their order.
static void tell(const char *what, const char *name) {
    char line[640];
    size_t used = 0;
    for (int i = 0; i < count; i++)
        used += (size_t)snprintf(line + used, sizeof line - used, " %d sees %lx, shown %lx;", seen[i].sig, seen[i].mask, seen[i].context);
    ok("%s, %s:%s then %lx", name, what, line, mask_now());
}

// All of them at once, with SIGILL blocked before or not.
static void come(int way, uint64_t ill_before, uint64_t wait, int also) {
    uint64_t all = ill_before;
    for (int i = 0; i < SIGNALS; i++)
        all |= BIT(signals[i]);
    count = 0;
    set_mask(all | (also ? BIT(also) : 0));
    for (int i = 0; i < SIGNALS; i++)
        raw2(SYS_kill, getpid(), signals[i]);
    if (also)
        raw2(SYS_kill, getpid(), also);
    let_in(way, wait);
}

static void all_masks(int way) {
    for (int who = -1; who < SIGNALS; who++) {
        for (int i = 0; i < SIGNALS; i++)
            act(signals[i], i == who ? ill : 0);
        for (int which = 0; which < 4; which++) {
            come(way, which & 1 ? ill : 0, which & 2 ? ill : 0, 0);
            char what[64];
            snprintf(what, sizeof what, "blocked before %d, meanwhile %d, by %d", which & 1, which >> 1, who < 0 ? 0 : signals[who]);
            tell(what, names[way]);
        }
    }
}

static void with_ill(int way) {
    act(SIGILL, 0);
    come(way, 0, 0, SIGILL);
    tell("SIGILL among them", names[way]);
    act(SIGILL, BIT(SIGALRM));
    come(way, 0, 0, SIGILL);
    tell("SIGILL among them, which holds one off", names[way]);
}

static void with_handlers_that_act(int way) {
    for (int i = 0; i < SIGNALS; i++)
        act(signals[i], i == 1 ? ill : 0);
    for (int i = 0; i < SIGNALS; i++) {
        sends_in = signals[i], sent = SIGILL;
        come(way, ill, 0, 0);
        tell("one sends SIGILL", names[way]);
        set_mask(0);
        tell("one has sent SIGILL", names[way]);
        sends_in = 0;
        for (int which = 0; which < 2; which++) {
            flips_in = signals[i];
            come(way, which ? ill : 0, which ? 0 : ill, 0);
            tell("one changes its context", names[way]);
        }
        flips_in = 0;
        leaves_in = signals[i];
        set_mask(i == 1 ? ill : 0);
        if (!sigsetjmp(out, 1))
            come(way, i == 1 ? 0 : ill, i == 1 ? ill : 0, 0);
        tell("one leaves them", names[way]);
        leaves_in = 0;
    }
    act(SIGUSR1, 0);
    for (int which = 0; which < 2; which++) {
        act(SIGHUP, BIT(SIGUSR1));
        sends_in = SIGHUP, sent = SIGUSR1;
        come(way, which ? ill : 0, which ? 0 : ill, 0);
        tell("one comes after the wait", names[way]);
        sends_in = 0;
    }
}

int main(void) {
    for (int way = 0; way < WAYS; way++) {
        all_masks(way);
        for (int i = 0; i < SIGNALS; i++)
            act(signals[i], 0);
        with_ill(way);
        with_handlers_that_act(way);
    }
    for (int round = 0; round < 200; round++) {
        act(SIGALRM, ill);
        come(round % WAYS, round & 1 ? ill : 0, round & 2 ? ill : 0, 0);
        CHECK(count == SIGNALS, "round %d: %d", round, count);
        for (int i = 0; i < SIGNALS; i++)
            CHECK(seen[i].mask & BIT(seen[i].sig), "round %d", round);
    }
    ok("again and again");
    return 0;
}
