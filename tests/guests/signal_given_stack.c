// expect: Whether handlers that ask for an alternate stack get one though none was set is the interceptor's affair; what the
// program sees of it is not. It reads that it has none, also in the handler and in its context, sets one, in a handler, too,
// uses it, takes it back, in the first thread, in others and in children; handlers come where they should. GIVEN=BYTES
// says that there is one of that size for those who have none; without it there must be none.
// musl: yes
#include "guest.h"
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <ucontext.h>

static long given;
static volatile int is_first_kept;
static __thread char own[65536];
static __thread volatile int handled;
static __thread int has_own;

static int is_on(const void *place, const void *stack, size_t size) {
    return (const char *)place >= (const char *)stack && (const char *)place < (const char *)stack + size;
}

static void check_none(const stack_t *stack, const char *where) {
    CHECK(stack->ss_flags == SS_DISABLE && stack->ss_sp == NULL && stack->ss_size == 0, "%s: flags %x, %p, %zu", where,
          stack->ss_flags, stack->ss_sp, stack->ss_size);
}

static void handle(int sig, siginfo_t *info, void *context) {
    stack_t now;
    const stack_t *shown = &((ucontext_t *)context)->uc_stack;
    char *interrupted = (char *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RSP];
    (void)info;
    handled++;
    CHECK(raw2(SYS_sigaltstack, 0, &now) == 0, "sigaltstack");
    if (has_own) {
        CHECK(is_on(&now, own, sizeof own) && now.ss_flags == SS_ONSTACK && now.ss_sp == own && shown->ss_sp == own,
              "not on its own stack");
        return;
    }
    check_none(&now, "in the handler");
    CHECK(shown->ss_sp == NULL && shown->ss_size == 0, "the context shows %p, %zu", shown->ss_sp, shown->ss_size);
    // The program's own stack is not far away, unless there is another one.
    CHECK(is_on(&now, interrupted - 65536, 65536) == !given, "the handler's stack is at %p, the program's at %p",
          (void *)&now, interrupted);
    CHECK(raw0(SYS_getppid) == getppid(), "a call");
    if (sig == SIGUSR2) {
        stack_t wrong = {.ss_sp = own, .ss_size = 100}, odd = {.ss_sp = own, .ss_size = sizeof own, .ss_flags = 4};
        CHECK(raw2(SYS_sigaltstack, &wrong, 0) == -ENOMEM && raw2(SYS_sigaltstack, &odd, 0) == -EINVAL, "wrong ones");
        CHECK(raw2(SYS_sigaltstack, 8, 0) == -EFAULT && raw2(SYS_sigaltstack, 0, 8) == -EFAULT, "bad pointers");
        stack_t mine = {.ss_sp = own, .ss_size = sizeof own};
        CHECK(raw2(SYS_sigaltstack, &mine, &now) == 0, "set in the handler");
        check_none(&now, "before it was set");
        CHECK(raw2(SYS_sigaltstack, 0, &now) == 0 && now.ss_sp == own && now.ss_flags == 0, "read back");
    }
}

static void *use(void *unused) {
    // A stack that was never set, and not cleared either, stays what a handler makes it.
    raise(SIGUSR2);
    stack_t first;
    CHECK(raw2(SYS_sigaltstack, 0, &first) == 0, "sigaltstack");
    is_first_kept += first.ss_sp == own;
    raw2(SYS_sigaltstack, &(stack_t){.ss_flags = SS_DISABLE}, 0);
    stack_t now, mine = {.ss_sp = own, .ss_size = sizeof own}, none = {.ss_flags = SS_DISABLE};
    for (int i = 0; i < 10; i++) {
        has_own = handled = 0;
        CHECK(raw2(SYS_sigaltstack, 0, &now) == 0, "sigaltstack");
        check_none(&now, "at first");
        raise(SIGUSR1);
        CHECK(raw2(SYS_sigaltstack, &mine, &now) == 0, "set");
        check_none(&now, "the one before");
        has_own = 1;
        raise(SIGUSR1);
        CHECK(raw2(SYS_sigaltstack, &none, &now) == 0 && now.ss_sp == own, "taken back");
        has_own = 0;
        raise(SIGUSR1);
        raise(SIGUSR2);
        // Its return has set what its context said.
        CHECK(raw2(SYS_sigaltstack, 0, &now) == 0, "sigaltstack");
        check_none(&now, "after the handler");
        raise(SIGUSR1);
        CHECK(handled == 5, "handled %d times", handled);
    }
    return unused;
}

int main(void) {
    given = getenv("GIVEN") ? atol(getenv("GIVEN")) : 0;
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    use(NULL);
    ok("the first thread, kept %d", is_first_kept);
    for (int i = 0; i < 20; i++) {
        pthread_t threads[4];
        for (int j = 0; j < 4; j++)
            pthread_create(&threads[j], NULL, use, NULL);
        for (int j = 0; j < 4; j++)
            pthread_join(threads[j], NULL);
    }
    ok("other threads");
    int status;
    pid_t child = fork();
    if (child == 0) {
        use(NULL);
        _exit(7);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7, "child: %x", status);
    ok("a child");
    return 0;
}
