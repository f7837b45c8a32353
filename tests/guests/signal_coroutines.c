// expect: Coroutines that are exchanged by signal handlers, in any order, by a switch of stacks that the kernel knows nothing of and
// by swapcontext: each is left in a handler, or in one that interrupted it, that has interrupted a blocking call, and so have
// those that run meanwhile, whose calls come out before and after. All calls that were left come out with the program's registers
// and result, though younger ones have come out before older ones, and many others were made meanwhile. So do those of
// coroutines that go on in another thread than the one that they were interrupted in.
// CHANGED=1 says that a hook makes these calls of others (tests/hooks/change_calls.c).
// musl: yes
#include "kept_registers.h"
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#ifdef __GLIBC__
#include <ucontext.h>
#endif

enum { COROUTINES = 24, SWITCHES = 600, MOVES = 100, STACK = 64 * 1024, IS_READ = 5001, FURTHER = 1000 };
static struct coroutine {
    void *rsp;
    int ends[2];
    long rounds;
#ifdef __GLIBC__
    ucontext_t context;
#endif
} all[COROUTINES];
static _Alignas(16) char stacks[COROUTINES][STACK];
static volatile int current, switches, is_over;
static int is_changed, by_swapcontext;
static unsigned seed;
static pid_t self;

// void exchange(void **from, void *to): goes on where `to` was left by it, and leaves the caller's stack pointer at `from`.
void exchange(void **from, void *to);
__asm__(R"(
    .text
    .type exchange, @function
exchange:
    push_kept
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop_kept
    ret
    .size exchange, . - exchange
)");

static void go_to_another(void) {
    int was = current, next = 0;
    // The first one ends it all.
    if (++switches >= SWITCHES)
        is_over = 1;
    else if ((next = (int)(rand_r(&seed) % (COROUTINES - 1))) >= was)
        next++;
    CHECK(raw3(SYS_write, all[next].ends[1], "x", 1) == 1, "write for %d", next);
    if (next == was)
        return;
    current = next;
    if (!by_swapcontext)
        exchange(&all[was].rsp, all[next].rsp);
#ifdef __GLIBC__
    else
        CHECK(swapcontext(&all[was].context, &all[next].context) == 0, "swapcontext");
#endif
    CHECK(current == was, "%d goes on as %d", current, was);
    CHECK(raw0(SYS_getpid) == self, "a call of the handler's");
}

static void handle(int sig) {
    CHECK(raw0(SYS_getpid) == self, "a call of the handler's");
    // Some are left in a handler that has interrupted a handler.
    if (sig == SIGALRM && switches % 3 == 0)
        CHECK(raw3(SYS_tgkill, self, self, SIGUSR1) == 0, "tgkill");
    else
        go_to_another();
}

// A read that waits until somebody lets this coroutine go on. Returns its result.
static long read_byte(int which, char *byte) {
    long nr = is_changed ? IS_READ : SYS_read, fd = all[which].ends[0] + (is_changed ? FURTHER : 0);
    long rax = nr, rdi = fd, rsi = (long)byte, rdx = 1;
    register long r10 __asm__("r10") = 0x10101010 + which;
    register long r8 __asm__("r8") = 0x08080808 + which;
    register long r9 __asm__("r9") = 0x09090909 + which;
    __asm__ volatile("syscall" : "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9) : : "rcx", "r11", "memory");
    long r10_after = r10, r8_after = r8, r9_after = r9;
    CHECK(rdi == fd && rsi == (long)byte && rdx == 1, "%d: first arguments: %lx %lx %lx", which, rdi, rsi, rdx);
    CHECK(r10_after == 0x10101010 + which && r8_after == 0x08080808 + which && r9_after == 0x09090909 + which,
          "%d: last arguments: %lx %lx %lx", which, r10_after, r8_after, r9_after);
    return rax;
}

static void wait_for_turn(int which) {
    char byte = 0;
    long result = read_byte(which, &byte);
    CHECK(result == 1 && byte == 'x', "%d: the read returned %ld", which, result);
}

static void coroutine(int which) {
    volatile unsigned long canary[32];
    for (int i = 0; i < 32; i++)
        canary[i] = 0xc0de00000000u + (unsigned)(which * 100 + i);
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGALRM);
    sigaddset(&both, SIGUSR1);
    sigprocmask(SIG_UNBLOCK, &both, NULL);
    while (!is_over) {
        CHECK(current == which, "%d runs, not %d", which, current);
        wait_for_turn(which);
        CHECK(raw0(SYS_getppid) > 0 && raw1(SYS_close, -1) == -EBADF, "calls");
        all[which].rounds++;
        for (int i = 0; i < 32; i++)
            CHECK(canary[i] == 0xc0de00000000u + (unsigned)(which * 100 + i), "the stack of %d", which);
    }
    CHECK(which == 0, "%d is over", which);
}

static void begin(void) {
    coroutine(current);
    differs("%d returned", current);
}

static void exchanged(const char *how) {
    switches = is_over = current = 0;
    for (struct coroutine *it = all; it < all + COROUTINES; it++) {
        CHECK(pipe(it->ends) == 0, "pipe");
        it->rounds = 0;
        void **top = (void **)(stacks[it - all] + STACK);
        // Where it goes on, as if that had been called.
        top[-2] = (void *)begin;
        it->rsp = top - 8;
#ifdef __GLIBC__
        if (!by_swapcontext)
            continue;
        getcontext(&it->context);
        // swapcontext sets the mask while it is on the other stack still.
        sigaddset(&it->context.uc_sigmask, SIGALRM);
        sigaddset(&it->context.uc_sigmask, SIGUSR1);
        it->context.uc_stack = (stack_t){.ss_sp = stacks[it - all], .ss_size = STACK};
        makecontext(&it->context, begin, 0);
#endif
    }
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 300}, {0, 300}}, NULL);
    coroutine(0);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
    for (int i = 0; i < COROUTINES; i++) {
        CHECK(all[i].rounds > 0, "%d has made no calls", i);
        close(all[i].ends[0]);
        close(all[i].ends[1]);
    }
    ok("exchanged by %s", how);
}

// What follows has one coroutine. It is left in a handler in the first thread, and comes back in the second one.
static void *first, *second;
static volatile int is_waiting, restarts;
static int to_second[2], to_first[2];
static sigset_t alarm_only;

static void leave_first(int sig) {
    CHECK(sig == SIGALRM && is_waiting, "a signal that nobody waits for");
    is_waiting = 0;
    exchange(&all[0].rsp, first);
}

static void moving(void) {
    for (;;) {
        char byte = 0;
        is_waiting = 1;
        setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 300}}, NULL);
        long result = read_byte(0, &byte);
        if (result == -EINTR && !restarts)
            result = read_byte(0, &byte);
        CHECK(result == 1 && byte == 'x', "the read returned %ld", result);
        CHECK(raw0(SYS_getpid) == self, "a call in the other thread");
        exchange(&all[0].rsp, second);
    }
}

static void *run_second(void *unused) {
    char byte;
    while (read(to_second[0], &byte, 1) == 1) {
        exchange(&second, all[0].rsp);
        // The handler has returned here, with its coroutine's mask.
        pthread_sigmask(SIG_BLOCK, &alarm_only, NULL);
        CHECK(write(to_first[1], "", 1) == 1, "write");
    }
    return unused;
}

static void moved_to_another_thread(void) {
    pthread_t thread;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    CHECK(pipe(all[0].ends) == 0 && pipe(to_second) == 0 && pipe(to_first) == 0, "pipes");
    void **top = (void **)(stacks[0] + STACK);
    top[-2] = (void *)moving;
    all[0].rsp = top - 8;
    pthread_sigmask(SIG_BLOCK, &alarm_only, NULL);
    CHECK(pthread_create(&thread, NULL, run_second, NULL) == 0, "thread");
    for (int i = 0; i < MOVES; i++) {
        char byte;
        restarts = i & 1;
        sigaction(SIGALRM, &(struct sigaction){.sa_handler = leave_first, .sa_flags = restarts ? SA_RESTART : 0}, NULL);
        pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
        exchange(&first, all[0].rsp);
        pthread_sigmask(SIG_BLOCK, &alarm_only, NULL);
        CHECK(write(all[0].ends[1], "x", 1) == 1 && write(to_second[1], "", 1) == 1, "write");
        CHECK(read(to_first[0], &byte, 1) == 1, "read");
    }
    close(to_second[1]);
    pthread_join(thread, NULL);
    ok("moved to another thread");
}

int main(void) {
    self = getpid();
    is_changed = getenv("CHANGED") != NULL;
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    sigaddset(&action.sa_mask, SIGALRM);
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    exchanged("the program itself");
#ifdef __GLIBC__
    by_swapcontext = 1;
    exchanged("swapcontext");
#endif
    moved_to_another_thread();
    return 0;
}
