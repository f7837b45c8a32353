// expect: A thread made without CLONE_SETTLS keeps its creator's FS base, and both go on at once: whoever keeps a
// thread's state in thread-local storage has one place for two threads. Many such threads, and processes that share
// memory, run beside their creator. All make calls, check each result, and keep values in vector registers across them;
// signals interrupt them; they fork; their creator spawns programs, makes threads by libc, or ends before they do, so
// that libc gives its storage to somebody else. Afterwards the creator is alone again.
#include "raw_thread.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

extern char **environ;

enum { STACK = 65536, SHARERS = 4, CALLS = 100 };

#define THREAD_FLAGS                                                                                        \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID)

struct sharer {
    atomic_int alive;
    atomic_int go_on;
    int calls;
    long tid, wrong, handled;
    char *stack;
};

// Keeps values in xmm0 and xmm15 over a call.
static long gettid_with_vectors(long value, long *wrong) {
    long ret, low, high;
    __asm__ volatile("movq %[value], %%xmm0\n\t"
                     "movq %[value], %%xmm15\n\t"
                     "syscall\n\t"
                     "movq %%xmm0, %[low]\n\t"
                     "movq %%xmm15, %[high]"
                     : "=a"(ret), [low] "=&r"(low), [high] "=&r"(high)
                     : "a"(SYS_gettid), [value] "r"(value)
                     : "rcx", "r11", "xmm0", "xmm15", "memory");
    *wrong += low != value || high != value;
    return ret;
}

static struct sharer *all[SHARERS];

static void on_signal(int signal) {
    (void)signal;
    long tid = raw0(SYS_gettid);
    for (int i = 0; i < SHARERS; i++)
        if (all[i] && all[i]->tid == tid)
            all[i]->handled++;
}

static void body(void *argument) {
    struct sharer *self = argument;
    long wrong = 0;
    self->tid = raw0(SYS_gettid);
    for (int i = 0; i < self->calls || atomic_load(&self->go_on); i++) {
        wrong += gettid_with_vectors(self->tid * 1000 + i, &wrong) != self->tid;
        wrong += raw1(SYS_close, -1) != -EBADF;
        wrong += raw0(1000) != -ENOSYS;
        wrong += raw4(SYS_rt_sigprocmask, SIG_BLOCK, NULL, NULL, 4) != -EINVAL;
    }
    self->wrong = wrong;
}

static void forks(void *argument) {
    struct sharer *self = argument;
    long wrong = 0;
    for (int i = 0; i < 5; i++) {
        long child = raw6(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
        if (child == 0) {
            long tid = raw0(SYS_gettid);
            raw1(SYS_exit_group, tid == raw0(SYS_getpid) ? 7 : 8);
        }
        int status = 0;
        wrong += child <= 0 || raw4(SYS_wait4, child, &status, 0, NULL) != child || WEXITSTATUS(status) != 7;
    }
    body(self);
    self->wrong += wrong;
}

static void as_process(void *argument) {
    struct sharer *self = argument;
    body(self);
    self->wrong += raw0(SYS_getpid) != self->tid;
    raw1(SYS_exit, self->wrong == 0 ? 9 : 10);
}

static void start(struct sharer *sharer, long flags, void (*what)(void *), int calls, int go_on) {
    static char *stacks[SHARERS];
    static int next;
    char **stack = &stacks[next++ % SHARERS];
    if (*stack == NULL) {
        *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(*stack != MAP_FAILED, "mmap");
    }
    *sharer = (struct sharer){.alive = 1, .go_on = go_on, .calls = calls};
    long tid = start_thread(flags, *stack + STACK, what, sharer, &sharer->alive, NULL);
    CHECK(tid > 0, "clone: %ld", tid);
}

static void join(struct sharer *sharer) {
    while (atomic_load(&sharer->alive))
        raw4(SYS_futex, &sharer->alive, FUTEX_WAIT, 1, NULL);
    CHECK(sharer->wrong == 0, "%ld calls of a sharer went wrong", sharer->wrong);
}

static void calls_of_the_creator(int count) {
    long wrong = 0, tid = raw0(SYS_gettid);
    for (int i = 0; i < count; i++) {
        wrong += gettid_with_vectors(i, &wrong) != tid;
        errno = 0;
        wrong += close(-1) != -1 || errno != EBADF;
    }
    CHECK(wrong == 0, "%ld calls of the creator went wrong", wrong);
}

static void *short_lived(void *argument) {
    calls_of_the_creator(20);
    return argument;
}

static struct sharer outlives[2];

static void *creates_and_leaves(void *argument) {
    for (int i = 0; i < 2; i++)
        start(&outlives[i], THREAD_FLAGS, body, 1, 1);
    return argument;
}

int main(void) {
    static struct sharer sharers[SHARERS];
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);

    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < SHARERS; i++)
            start(&sharers[i], THREAD_FLAGS, body, CALLS, 0);
        calls_of_the_creator(CALLS);
        for (int i = 0; i < SHARERS; i++)
            join(&sharers[i]);
        calls_of_the_creator(CALLS);
    }
    ok("threads on one storage do not disturb each other");

    for (int i = 0; i < SHARERS; i++) {
        start(&sharers[i], THREAD_FLAGS, body, 1, 1);
        all[i] = &sharers[i];
    }
    for (int i = 0; i < SHARERS; i++)
        while (*(volatile long *)&sharers[i].tid == 0)
            sched_yield();
    for (int k = 0; k < 10; k++)
        for (int i = 0; i < SHARERS; i++) {
            long before = *(volatile long *)&sharers[i].handled;
            CHECK(syscall(SYS_tgkill, getpid(), sharers[i].tid, SIGUSR1) == 0, "tgkill");
            while (*(volatile long *)&sharers[i].handled == before)
                sched_yield();
        }
    for (int i = 0; i < SHARERS; i++)
        atomic_store(&sharers[i].go_on, 0);
    for (int i = 0; i < SHARERS; i++) {
        join(&sharers[i]);
        CHECK(sharers[i].handled == 10, "%ld signals", sharers[i].handled);
        all[i] = NULL;
    }
    ok("a signal arrives in the thread that it was sent to");

    for (int i = 0; i < SHARERS; i++)
        start(&sharers[i], THREAD_FLAGS, forks, CALLS, 0);
    for (int k = 0; k < 5; k++) {
        char *arguments[] = {"true", NULL};
        pid_t pid;
        int status;
        CHECK(posix_spawnp(&pid, k % 2 ? "true" : "/nonexistent", NULL, NULL, arguments, environ) == (k % 2 ? 0 : ENOENT),
              "spawn");
        if (k % 2)
            CHECK(waitpid(pid, &status, 0) == pid && status == 0, "status %d", status);
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, short_lived, NULL) == 0 && pthread_join(thread, NULL) == 0, "thread");
        calls_of_the_creator(20);
    }
    for (int i = 0; i < SHARERS; i++)
        join(&sharers[i]);
    ok("they fork, and their creator spawns and makes threads");

    for (int round = 0; round < 4; round++) {
        start(&sharers[0], CLONE_VM | SIGCHLD, as_process, CALLS, 0);
        calls_of_the_creator(CALLS);
        int status;
        CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 9, "status %x", status);
        start(&sharers[0], CLONE_VM | SIGCHLD, as_process, 1, 1);
        while (*(volatile long *)&sharers[0].tid == 0)
            sched_yield();
        CHECK(kill((pid_t)sharers[0].tid, SIGKILL) == 0, "kill");
        CHECK(wait(&status) == sharers[0].tid && WIFSIGNALED(status), "status %x", status);
        calls_of_the_creator(20);
    }
    ok("processes on their parent's memory and storage");

    for (int round = 0; round < 3; round++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, creates_and_leaves, NULL) == 0 && pthread_join(thread, NULL) == 0, "thread");
        for (int i = 0; i < 10; i++)
            CHECK(pthread_create(&thread, NULL, short_lived, NULL) == 0 && pthread_join(thread, NULL) == 0, "thread");
        for (int i = 0; i < 2; i++)
            atomic_store(&outlives[i].go_on, 0);
        for (int i = 0; i < 2; i++)
            join(&outlives[i]);
        CHECK(pthread_create(&thread, NULL, short_lived, NULL) == 0 && pthread_join(thread, NULL) == 0, "thread");
    }
    ok("they go on when the storage has another owner");

    long failed = start_thread(CLONE_VM | CLONE_THREAD, NULL, body, NULL, NULL, NULL);
    CHECK(failed == -EINVAL, "clone: %ld", failed);
    // The kernel reads this number last.
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size;
    } arguments = {.flags = THREAD_FLAGS, .stack = (uint64_t)sharers, .stack_size = 4096, .set_tid_size = 1000};
    CHECK(syscall(SYS_clone3, &arguments, sizeof arguments) == -1 && errno == EINVAL, "clone3");
    calls_of_the_creator(CALLS);
    ok("births that fail change nothing");
    return 0;
}
