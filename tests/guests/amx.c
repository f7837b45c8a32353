// expect: AMX tiles belong to a thread once it has asked for them; a system call leaves them alone, a signal handler begins without and
// gets the interrupted ones back when it returns, however the signal comes: by tgkill, by a timer at any instruction of an interceptor's,
// on the alternate stack, or into a wait with a mask. Children and threads have tiles of their own. An interceptor that composes
// signal frames, or leaves by rt_sigreturn, with the size of the state that it has seen at first, loses them, or all of AVX with them.
// flags: -pthread
// musl: yes
#include "guest.h"
#include <cpuid.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { TILES = 8, ROWS = 16, ROW_BYTES = 64, TILE_BYTES = ROWS * ROW_BYTES };
enum { ARCH_REQ_XCOMP_PERM = 0x1023, XTILEDATA = 18 };

struct config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} __attribute__((aligned(64)));

static struct config config = {.palette = 1};
static uint8_t pattern[TILES][TILE_BYTES] __attribute__((aligned(64)));

static int has_tiles(void) {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & 1u << 24) &&
           syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0;
}

static void load(void) {
    __asm__ volatile("ldtilecfg %0" : : "m"(config));
    long stride = ROW_BYTES;
#define LOAD(n) __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #n : : "r"(pattern[n]), "r"(stride) : "memory")
    LOAD(0); LOAD(1); LOAD(2); LOAD(3); LOAD(4); LOAD(5); LOAD(6); LOAD(7);
}

static void are_whole(const char *when) {
    static __thread uint8_t is[TILES][TILE_BYTES] __attribute__((aligned(64)));
    struct config now;
    __asm__ volatile("sttilecfg %0" : "=m"(now));
    CHECK(!memcmp(&now, &config, sizeof now), "configuration after %s", when);
    long stride = ROW_BYTES;
#define STORE(n) __asm__ volatile("tilestored %%tmm" #n ", (%0,%1,1)" : : "r"(is[n]), "r"(stride) : "memory")
    STORE(0); STORE(1); STORE(2); STORE(3); STORE(4); STORE(5); STORE(6); STORE(7);
    CHECK(!memcmp(is, pattern, sizeof is), "tiles after %s", when);
}

static int is_without(void) {
    struct config now;
    __asm__ volatile("sttilecfg %0" : "=m"(now));
    return now.palette == 0;
}

static volatile sig_atomic_t handled, with_tiles;
static void handler(int sig) {
    (void)sig;
    with_tiles += !is_without();
    __asm__ volatile("ldtilecfg %0; tilezero %%tmm0; tilezero %%tmm7; tilerelease" : : "m"(config));
    syscall(SYS_getppid);
    handled++;
}

static void calls(void) {
    static const long kinds[] = {SYS_getpid, SYS_close, 1000, SYS_sched_yield, SYS_gettid};
    for (int i = 0; i < 10; i++)
        syscall(kinds[i % 5], -1);
}

static void early(int sig) {
    (void)sig;
    calls();
}

static void uses_tiles(int sig) {
    (void)sig;
    load();
    calls();
    are_whole("calls in a handler");
    handled++;
}

static void wait_in_poll(const sigset_t *mask) {
    struct timespec long_enough = {LIMIT_MS / 1000, 0};
    CHECK(ppoll(NULL, 0, &long_enough, mask) == -1 && errno == EINTR, "ppoll");
}

static void *thread(void *unused) {
    ok("a thread has a configuration: %d", !is_without());
    load();
    for (int i = 0; i < 100; i++)
        syscall(SYS_sched_yield);
    are_whole("calls of a thread");
    return unused;
}

int main(void) {
    if (!has_tiles()) {
        ok("no tiles");
        return 0;
    }
    for (int tile = 0; tile < TILES; tile++) {
        config.row_bytes[tile] = ROW_BYTES, config.rows[tile] = ROWS;
        for (int at = 0; at < TILE_BYTES; at++)
            pattern[tile][at] = (uint8_t)(at * 7 + tile * 31 + at / 256);
    }
    static uint8_t stack[64 * 1024];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    CHECK(sigaltstack(&alternate, NULL) == 0, "sigaltstack");
    // A signal before the first tile: its frame is small.
    struct sigaction action = {.sa_handler = early, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    load();
    for (int round = 0; round < 10; round++) {
        calls();
        are_whole("calls");
    }
    ok("calls");

    action.sa_handler = uses_tiles;
    sigaction(SIGUSR1, &action, NULL);
    for (int round = 0; round < 10; round++) {
        raise(SIGUSR1);
        are_whole("a handler with tiles, on the alternate stack");
    }
    action.sa_flags = 0;
    sigaction(SIGUSR1, &action, NULL);
    for (int round = 0; round < 10; round++) {
        raise(SIGUSR1);
        are_whole("a handler with tiles");
    }
    ok("handlers with tiles: %d", handled);
    handled = 0;

    action.sa_handler = handler;
    sigaction(SIGUSR1, &action, NULL);
    for (int round = 0; round < 100; round++) {
        raise(SIGUSR1);
        are_whole("a signal");
    }
    ok("signals: %d, with tiles: %d", handled, with_tiles);

    action.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &action, NULL);
    for (int round = 0; round < 100; round++) {
        raise(SIGUSR1);
        are_whole("a signal on the alternate stack");
    }
    ok("on the alternate stack: %d, with tiles: %d", handled, with_tiles);

    sigset_t block, before;
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_BLOCK, &block, &before);
    for (int round = 0; round < 20; round++) {
        raise(SIGUSR1);
        wait_in_poll(&before);
        are_whole("a wait");
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    ok("in a wait: %d, with tiles: %d", handled, with_tiles);

    action.sa_flags = 0;
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {{0, 73}, {0, 73}};
    handled = 0;
    setitimer(ITIMER_REAL, &often, NULL);
    while (handled < 3000) {
        calls();
        are_whole("calls and signals");
    }
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
    ok("a timer's signals, with tiles: %d", with_tiles);

    pid_t child = fork();
    if (child == 0) {
        ok("a child has a configuration: %d", !is_without());
        load();
        syscall(SYS_getpid);
        are_whole("a call of the child");
        raise(SIGUSR1);
        are_whole("a signal of the child");
        _exit(7);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child, "waitpid");
    are_whole("fork");
    ok("a child: %x", status);

    pthread_t other;
    pthread_create(&other, NULL, thread, NULL);
    pthread_join(other, NULL);
    are_whole("a thread");
    ok("a thread");
    return 0;
}
