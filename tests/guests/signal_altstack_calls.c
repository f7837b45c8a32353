// expect: A handler on the alternate stack makes calls of many kinds, is interrupted there by others on that stack, and by
// SIGILL, which a child sends at any moment: what lies above it on that stack, its siginfo and its context stay what they
// are; sigaltstack says that it is on it, and lets nothing be changed; frames beneath name it; afterwards it is as it was
// set. So it is with SS_AUTODISARM, in threads, in a child of fork and of vfork that the handler makes, and where the handler
// is left by siglongjmp. An interceptor whose own code comes from another stack has the kernel begin it anew.
// musl: yes
#include "at_any_moment.h"
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

enum { SIZE = 131072, CALLS = 25 };
static __thread char *room;
static __thread int flags, leaves;
static __thread sigjmp_buf out;
static __thread volatile int outer, inner;
static volatile int ills, alarms;

static int is_in_room(const void *at) { return (const char *)at >= room && (const char *)at < room + SIZE; }

static void check_stack(const char *when) {
    stack_t now, other = {.ss_sp = room, .ss_size = SIZE / 2};
    CHECK(raw2(SYS_sigaltstack, 0, &now) == 0, "%s: sigaltstack", when);
    if (flags) {
        CHECK(now.ss_flags == SS_DISABLE, "%s: flags %x", when, now.ss_flags);
        return;
    }
    CHECK(now.ss_flags == SS_ONSTACK && now.ss_sp == room && now.ss_size == SIZE, "%s: flags %x, %zu bytes", when, now.ss_flags, now.ss_size);
    CHECK(raw2(SYS_sigaltstack, &other, 0) == -EPERM, "%s: it is changed", when);
}

static void on_inner(int sig, siginfo_t *info, void *given) {
    ucontext_t *context = given;
    CHECK(info->si_signo == sig && is_in_room(&context), "the inner one is elsewhere");
    stack_t *in = &context->uc_stack;
    CHECK(flags ? in->ss_flags == SS_DISABLE : in->ss_flags == 0 && in->ss_sp == room && in->ss_size == SIZE, "in the context: flags %x, %zu bytes", in->ss_flags, in->ss_size);
    check_stack("in the inner one");
    inner++;
}

static void on_ill(int sig, siginfo_t *info, void *context) {
    (void)context;
    CHECK(sig == SIGILL && info->si_code == SI_USER, "SIGILL");
    raw0(SYS_getppid);
    ills++;
}

static void on_alarm(int sig) {
    (void)sig;
    alarms++;
}

static void children(void) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        check_stack("in a child");
        _exit(7);
    }
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7, "fork: %#x", status);
    child = vfork();
    if (child == 0)
        _exit(raw0(SYS_getppid) > 0 ? 8 : 9);
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 8, "vfork: %#x", status);
}

static void call(int i) {
    struct timespec moment = {0, 10000};
    switch (i % 6) {
    case 0: CHECK(raw0(SYS_getppid) > 0 && close(-1) == -1 && errno == EBADF, "calls"); break;
    case 1: check_stack("between calls"); break;
    case 2: CHECK(pthread_kill(pthread_self(), SIGUSR2) == 0, "raise"); break;
    case 3: CHECK(poll(NULL, 0, 0) >= -1 && nanosleep(&moment, NULL) >= -1, "waits"); break;
    case 4: {
        sigset_t none;
        sigemptyset(&none);
        CHECK(raw6(SYS_ppoll, 0, 0, (long)&moment, (long)&none, 8, 0) <= 0, "ppoll");
        break;
    }
    default: {
        void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(page != MAP_FAILED && munmap(page, 4096) == 0, "mmap");
    }
    }
}

static void on_outer(int sig, siginfo_t *info, void *context) {
    static __thread int with_children;
    siginfo_t was = *info;
    ucontext_t was_in;
    memcpy(&was_in, context, sizeof was_in);
    volatile char filled[4096];
    for (unsigned i = 0; i < sizeof filled; i++)
        filled[i] = (char)(i * 7 + (unsigned)sig);
    CHECK(is_in_room(&was), "the outer one is elsewhere");
    for (int i = 0; i < CALLS; i++) {
        call(i);
        if (with_children < 3 && i == CALLS / 2)
            children();
        CHECK(!memcmp(&was, info, sizeof was), "siginfo after call %d", i);
        CHECK(!memcmp(&was_in.uc_mcontext.gregs, &((ucontext_t *)context)->uc_mcontext.gregs, sizeof was_in.uc_mcontext.gregs), "context after call %d", i);
        for (unsigned at = 0; at < sizeof filled; at++)
            CHECK(filled[at] == (char)(at * 7 + (unsigned)sig), "its stack after call %d", i);
    }
    with_children++;
    outer++;
    if (leaves)
        siglongjmp(out, 1);
}

static void use(int with) {
    stack_t stack = {.ss_sp = room, .ss_size = SIZE, .ss_flags = (int)with}, now;
    flags = with;
    CHECK(sigaltstack(&stack, NULL) == 0, "sigaltstack");
    outer = inner = 0;
    for (volatile int i = 1; i <= 20; i++) {
        leaves = !flags && i % 4 == 0;
        if (!sigsetjmp(out, 1))
            CHECK(pthread_kill(pthread_self(), SIGUSR1) == 0, "raise");
        CHECK(outer == i && inner == 4 * i, "round %d: %d and %d inner ones", i, outer, inner);
        CHECK(sigaltstack(NULL, &now) == 0 && now.ss_sp == room && now.ss_size == SIZE && now.ss_flags == (int)with, "afterwards: flags %x", now.ss_flags);
    }
}

static void *all(void *unused) {
    room = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(room != MAP_FAILED, "mmap");
    use((int)SS_AUTODISARM);
    use(0);
    return unused;
}

static void act(int sig, void (*handler)(int, siginfo_t *, void *), int more) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART | more};
    CHECK(sigaction(sig, &action, NULL) == 0, "sigaction");
}

int main(void) {
    act(SIGUSR1, on_outer, SA_ONSTACK);
    act(SIGUSR2, on_inner, SA_ONSTACK);
    all(NULL);
    ok("in the main thread");
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, all, NULL) == 0, "pthread_create");
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    ok("in threads");
    signal(SIGALRM, on_alarm);
    // Its handler is elsewhere: so much for one that is sent while a hook runs.
    act(SIGILL, on_ill, 0);
    struct sender sender = begin_sending();
    outer = leaves = 0;
    for (int i = 0; i < ROUNDS; i++) {
        send_one(&sender, i);
        pthread_kill(pthread_self(), SIGUSR1);
        while (ills <= i)
            raw0(SYS_getppid);
    }
    end_sending(&sender);
    CHECK(ills == ROUNDS && outer == ROUNDS, "%d of %d, in %d", ills, ROUNDS, outer);
    ok("%d sent at any moment", ills);
    return 0;
}
