// expect: A vfork child makes threads and processes itself, on its parent's memory: with the storage that it has from its
// parent, with some of its own, or beside a vfork child of its own. It ends by itself, executes a program, or is killed,
// and what it has made ends with it or goes on. An interceptor that has moved the state of that storage elsewhere, for
// the child, must find it again for the parent, which goes on as it was: it makes calls, threads and processes, its mask
// is what it was, and handlers run.
#include "raw_thread.h"
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { STACK = 65536, ARCH_GET_FS = 0x1003 };
enum end { EXITS, LEAVES_IT, EXECUTES, IS_KILLED, ENDS };
enum kind { SHARES, HAS_STORAGE, IS_PROCESS, IS_GRANDCHILDS, KINDS };

static char *stack;
static long storage[1024];
static atomic_int alive, go_on;
static atomic_long begun;
static volatile sig_atomic_t handled;

static void on_signal(int signal) {
    (void)signal;
    handled++;
}

static void body(void *unused) {
    (void)unused;
    begun = raw0(SYS_gettid);
    for (int i = 0; i < 20; i++)
        raw1(SYS_close, -1);
    while (go_on)
        raw0(SYS_getppid);
}

// In the child.
static void make(enum kind kind) {
    long thread_pointer = 0, flags = kind == IS_PROCESS ? CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD : THREAD_FLAGS;
    raw2(SYS_arch_prctl, ARCH_GET_FS, &thread_pointer);
    if (kind == HAS_STORAGE)
        flags |= CLONE_SETTLS, thread_pointer = (long)&storage[512];
    alive = 1;
    if (start_thread(flags, stack + STACK, body, NULL, &alive, (void *)thread_pointer) < 0)
        _exit(100);
    while (!begun)
        sched_yield();
}

static void *calls(void *argument) {
    for (int i = 0; i < 20; i++)
        if (close(-1) != -1 || errno != EBADF)
            return NULL;
    return argument;
}

static void is_as_before(const sigset_t *before) {
    sigset_t mask;
    int status;
    pthread_t thread;
    void *result = NULL;
    CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0, "mask");
    for (int sig = 1; sig < 65; sig++)
        CHECK(sigismember(&mask, sig) == sigismember(before, sig), "signal %d in mask", sig);
    sig_atomic_t seen = handled;
    CHECK(raise(SIGUSR1) == 0 && handled == seen + 1, "handler");
    CHECK(pthread_create(&thread, NULL, calls, &thread) == 0 && pthread_join(thread, &result) == 0, "thread");
    CHECK(result == &thread && calls(&thread), "calls");
    pid_t child = fork();
    if (child == 0)
        _exit(9);
    CHECK(waitpid(child, &status, 0) == child && status == 9 << 8, "forked child's status %#x", status);
    CHECK((status = system("exit 3")) == 3 << 8, "status %#x", status);
}

static void child_makes(enum kind kind, enum end end) {
    static const int expected[ENDS] = {20 << 8, 21 << 8, 0, SIGKILL};
    sigset_t before;
    sigprocmask(SIG_BLOCK, NULL, &before);
    begun = 0;
    go_on = end != EXITS;
    pid_t child = vfork();
    if (child == 0) {
        pid_t own = kind == IS_GRANDCHILDS ? vfork() : 0;
        if (own == 0) {
            make(kind);
            if (kind == IS_GRANDCHILDS)
                _exit(30);
        } else {
            go_on = 0;
            waitpid(own, NULL, 0);
        }
        if (end == EXITS && kind != IS_GRANDCHILDS) {
            wait_for_end(&alive);
            if (kind == IS_PROCESS)
                waitpid((pid_t)begun, NULL, 0);
        }
        if (end == EXECUTES)
            execl("/bin/true", "true", (char *)NULL);
        if (end == IS_KILLED)
            raw2(SYS_kill, raw0(SYS_getpid), SIGKILL);
        _exit(end == EXITS ? 20 : 21);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == expected[end], "%d, %d: status %#x", kind, end, status);
    is_as_before(&before);
    if (kind == IS_PROCESS && end != EXITS) {
        // It is ours now, and runs on our memory.
        go_on = 0;
        CHECK(waitpid((pid_t)begun, &status, 0) == begun && status == 0, "%d, %d: status %#x", kind, end, status);
        is_as_before(&before);
    }
}

int main(void) {
    static const char *const names[KINDS] = {"on its storage", "on other storage", "that is a process", "by a child of its own"};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stack != MAP_FAILED, "mmap");
    // Other storage last: from then on threads are told apart in another way.
    static const enum kind order[] = {SHARES, IS_PROCESS, IS_GRANDCHILDS, HAS_STORAGE, SHARES, IS_PROCESS, IS_GRANDCHILDS};
    for (unsigned i = 0; i < sizeof order / sizeof *order; i++) {
        for (enum end end = 0; end < ENDS; end++)
            child_makes(order[i], end);
        ok("a vfork child makes one %s", names[order[i]]);
    }
    return 0;
}
