// expect: Signals come at one moment, some of which do not block themselves (SA_NODEFER): the handler that runs first sees
// none of those blocked whose handlers have yet to run, neither in its mask nor in its context, unless they were
// blocked before or by an action beneath; and one that is sent then comes at once, within it. What a handler writes to its
// context is the mask of the next, and of the program.
// musl: yes
#include "masks.h"
#include <signal.h>
#include <ucontext.h>

#define BIT(sig) (1ul << ((sig) - 1))
static const int signals[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGALRM};
enum { SIGNALS = 4, SEEN = 16 };
static const uint64_t all = BIT(SIGHUP) | BIT(SIGUSR1) | BIT(SIGUSR2) | BIT(SIGALRM);

static struct {
    int sig, depth;
    uint64_t mask, context;
} seen[SEEN];
static volatile int count, depth, sends_in, sent, blocks_in;

static void handle(int sig, siginfo_t *info, void *given) {
    ucontext_t *context = given;
    CHECK(info->si_signo == sig && count < SEEN, "siginfo");
    uint64_t mask = mask_in(context);
    seen[count].sig = sig, seen[count].context = mask, seen[count].mask = mask_now(), seen[count].depth = depth;
    count++, depth++;
    if (sends_in == sig) {
        sends_in = 0;
        raw2(SYS_kill, getpid(), sent);
        raw0(SYS_getppid);
    }
    if (blocks_in == sig) {
        mask ^= BIT(SIGUSR1);
        memcpy(&context->uc_sigmask, &mask, 8);
    }
    depth--;
}

static void act(int sig, int flags, uint64_t mask) {
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | flags};
    memcpy(&action.sa_mask, &mask, 8);
    CHECK(sigaction(sig, &action, NULL) == 0, "sigaction");
}

// All of them at once; those of `before` stay blocked.
static void come(uint64_t before, const char *what, int which) {
    count = depth = 0;
    set_mask(all);
    for (int i = 0; i < SIGNALS; i++)
        raw2(SYS_kill, getpid(), signals[i]);
    set_mask(before);
    char line[900];
    size_t used = 0;
    for (int i = 0; i < count; i++)
        used += (size_t)snprintf(line + used, sizeof line - used, " %d in %d sees %lx, shown %lx;", seen[i].sig, seen[i].depth, seen[i].mask, seen[i].context);
    ok("%s %x:%s then %lx", what, which, line, mask_now());
    set_mask(0);
}

int main(void) {
    // Bits of those that do not block themselves.
    for (int which = 0; which < 1 << SIGNALS; which++) {
        for (int i = 0; i < SIGNALS; i++)
            act(signals[i], which >> i & 1 ? SA_NODEFER : 0, 0);
        come(0, "all at once", which);
        come(BIT(SIGUSR1), "one stays blocked", which);
        for (int who = 0; who < SIGNALS; who++) {
            for (int what = 0; what < SIGNALS; what++) {
                sends_in = signals[who], sent = signals[what];
                come(0, "one is sent", which);
            }
            blocks_in = signals[who];
            come(0, "the context's mask is changed", which);
            blocks_in = 0;
            // What its handler blocks does not come before it has returned.
            for (int what = 0; what < SIGNALS; what++) {
                act(signals[who], which >> who & 1 ? SA_NODEFER : 0, BIT(signals[what]));
                come(0, "one blocks another", which);
            }
            act(signals[who], which >> who & 1 ? SA_NODEFER : 0, 0);
        }
    }
    return 0;
}
