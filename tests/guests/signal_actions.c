// expect: What two threads install for one signal at once is one action or the other, to the word, however often, and a
// signal that arrives meanwhile finds a whole one: the flags, mask and handler that belong together. Unknown flags
// and signals that no mask holds read back as the kernel has it. More distinct actions than anybody keeps are given
// back, too. A vfork child's handlers are its own: its parent keeps what it had, also after the child installed
// twenty others.
// musl: yes
// userlands: yes
#include "masks.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <ucontext.h>

struct kernel_sigaction {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
};

enum { ROUNDS = 20000, ACTIONS = 24, FRAME = 16 * 1024 };
static struct sigaction libcs;
static volatile int handled[2], wrong, stop;

static int bit(uint64_t mask, int sig) { return (int)(mask >> (sig - 1) & 1); }

// Two handlers: each runs with a mask, and on flags, of its own. The first may interrupt the second.
static void one(int sig, siginfo_t *info, void *context) {
    uint64_t mask = mask_now();
    wrong += !bit(mask, SIGUSR2) || !bit(mask, SIGUSR1) || info->si_signo != sig || !context;
    handled[0]++;
}
static void two(int sig) {
    uint64_t mask = mask_now();
    wrong += bit(mask, SIGUSR2) || !bit(mask, SIGWINCH) || bit(mask, SIGUSR1) || sig != SIGUSR1;
    handled[1]++;
}

static struct kernel_sigaction actions[2];

static void *install(void *which) {
    struct kernel_sigaction *mine = which;
    for (int i = 0; i < ROUNDS; i++) {
        struct kernel_sigaction old;
        CHECK(raw4(SYS_rt_sigaction, SIGUSR1, mine, &old, 8) == 0, "rt_sigaction");
        CHECK(!memcmp(&old, &actions[0], sizeof old) || !memcmp(&old, &actions[1], sizeof old),
              "a mixture: handler %p flags %lx mask %lx", old.handler, old.flags, old.mask);
    }
    return NULL;
}

static void *be_hit(void *unused) {
    while (!stop)
        raw0(SYS_getppid);
    return unused;
}

static void any(int sig) { (void)sig; }

int main(void) {
    // What libc passes along: its restorer.
    sigaction(SIGUSR2, &(struct sigaction){.sa_handler = any}, &libcs);
    struct kernel_sigaction libc;
    CHECK(raw4(SYS_rt_sigaction, SIGUSR2, 0, &libc, 8) == 0, "rt_sigaction");
    enum { RESTORER = 0x04000000, UNSUPPORTED = 0x400, UNKNOWN = 0x100000 };

    actions[0] = (struct kernel_sigaction){(void *)one, RESTORER | SA_SIGINFO | SA_RESTART, libc.restorer,
                                           1ul << (SIGUSR2 - 1)};
    actions[1] = (struct kernel_sigaction){(void *)two, RESTORER | SA_NODEFER, libc.restorer, 1ul << (SIGWINCH - 1)};
    CHECK(raw4(SYS_rt_sigaction, SIGUSR1, &actions[0], 0, 8) == 0, "rt_sigaction");
    pthread_t installers[2], target;
    // The second handler interrupts itself, also before its first instruction: at worst all signals nest.
    pthread_attr_t roomy;
    pthread_attr_init(&roomy);
    pthread_attr_setstacksize(&roomy, ROUNDS * FRAME);
    CHECK(pthread_create(&target, &roomy, be_hit, NULL) == 0, "pthread_create");
    for (int i = 0; i < 2; i++)
        pthread_create(&installers[i], NULL, install, &actions[i]);
    for (int i = 0; i < ROUNDS; i++)
        pthread_kill(target, SIGUSR1);
    for (int i = 0; i < 2; i++)
        pthread_join(installers[i], NULL);
    stop = 1;
    pthread_join(target, NULL);
    CHECK(!wrong, "%d signals found parts of two actions", wrong);
    CHECK(handled[0] + handled[1] > 0, "no signal was handled");
    ok("two threads install two actions while signals arrive");

    struct kernel_sigaction odd = actions[0], old;
    odd.flags |= UNSUPPORTED | UNKNOWN;
    odd.mask = ~0ul;
    CHECK(raw4(SYS_rt_sigaction, SIGUSR2, &odd, 0, 8) == 0 && raw4(SYS_rt_sigaction, SIGUSR2, 0, &old, 8) == 0, "odd");
    ok("unknown flags read back as %lx, all signals as %lx", old.flags, old.mask);

    for (int round = 0; round < 3; round++)
        for (int i = 0; i < ACTIONS; i++) {
            struct kernel_sigaction next = actions[0], before = actions[0];
            next.mask = 1ul << (32 + i);
            before.mask = 1ul << (32 + (i + ACTIONS - 1) % ACTIONS);
            CHECK(raw4(SYS_rt_sigaction, SIGHUP, &next, &old, 8) == 0, "rt_sigaction");
            if (round + i)
                CHECK(!memcmp(&old, &before, sizeof old), "round %d, action %d: mask %lx", round, i, old.mask);
        }
    ok("%d actions in turn", ACTIONS);

    CHECK(raw4(SYS_rt_sigaction, SIGUSR1, &actions[0], 0, 8) == 0, "rt_sigaction");
    handled[0] = handled[1] = 0;
    static volatile int in_child;
    pid_t child = vfork();
    if (child == 0) {
        for (int i = 0; i < 20; i++) {
            struct kernel_sigaction mine = actions[1];
            mine.mask |= 1ul << (32 + i);
            raw4(SYS_rt_sigaction, SIGUSR1, &mine, 0, 8);
        }
        raw2(SYS_kill, raw0(SYS_getpid), SIGUSR1);
        in_child = handled[1];
        _exit(0);
    }
    CHECK(waitpid(child, NULL, 0) == child, "waitpid");
    CHECK(in_child == 1 && handled[0] == 0, "vfork child's own handler: %d and %d", in_child, handled[0]);
    CHECK(raw4(SYS_rt_sigaction, SIGUSR1, 0, &old, 8) == 0 && !memcmp(&old, &actions[0], sizeof old),
          "after vfork: handler %p mask %lx", old.handler, old.mask);
    raise(SIGUSR1);
    CHECK(handled[0] == 1 && !wrong, "parent's handler after vfork: %d, %d", handled[0], wrong);
    ok("a vfork child's handlers are its own");
    return 0;
}
