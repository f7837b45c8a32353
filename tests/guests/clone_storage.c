// flags: -fno-stack-protector
// expect: A program may give a thread storage of its own making (CLONE_SETTLS): FS then leads to memory of which an
// interceptor knows nothing, with nothing readable right below it, or nowhere. Such threads run beside libc's own. All
// make calls, check each result, find FS and what it leads to as they left it, keep values in vector registers, and are
// interrupted by signals; they fork, execute programs, make threads on further storage and on their own; processes with
// and without memory of their own do the same; a libc thread takes other storage for a while.
#include "raw_thread.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { STACK = 65536, PAGE = 4096, WORDS = PAGE / 8, THREADS = 4, CALLS = 100, ARCH_SET_FS = 0x1002, ARCH_GET_FS = 0x1003 };

#define THREAD_FLAGS                                                                                        \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID | \
     CLONE_SETTLS)

struct thread {
    atomic_int alive, go_on;
    int calls;
    long tid, wrong, handled;
    long *storage; // NULL is storage, too
    char *stack;
    struct thread *other;
};

static struct thread threads[THREADS], others[THREADS];

// A page of storage with nothing below it, and a stack.
static void furnish(struct thread *thread) {
    if (thread->stack == NULL) {
        char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        thread->stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(pages != MAP_FAILED && thread->stack != MAP_FAILED, "mmap");
        CHECK(mprotect(pages, PAGE, PROT_NONE) == 0, "mprotect");
        thread->storage = (long *)(pages + PAGE);
    }
    for (int i = 0; i < WORDS; i++)
        thread->storage[i] = (long)thread->storage + i * 0x1001;
}

static long changed(const struct thread *thread) {
    for (int i = 0; i < WORDS; i++)
        if (thread->storage[i] != (long)thread->storage + i * 0x1001)
            return 1;
    return 0;
}

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

static void on_signal(int signal) {
    (void)signal;
    long tid = raw0(SYS_gettid);
    for (int i = 0; i < THREADS; i++)
        if (threads[i].tid == tid)
            threads[i].handled++;
}

static long calls_on(const struct thread *self, long tid, int i) {
    long wrong = 0, fs = 0;
    wrong += gettid_with_vectors(tid * 1000 + i, &wrong) != tid;
    wrong += raw1(SYS_close, -1) != -EBADF;
    wrong += raw0(1000) != -ENOSYS;
    wrong += raw4(SYS_rt_sigprocmask, SIG_BLOCK, NULL, NULL, 4) != -EINVAL;
    wrong += raw2(SYS_arch_prctl, ARCH_GET_FS, &fs) != 0 || fs != (long)self->storage;
    return wrong;
}

static void body(void *argument) {
    struct thread *self = argument;
    long wrong = 0;
    self->tid = raw0(SYS_gettid);
    for (int i = 0; i < self->calls || atomic_load(&self->go_on); i++)
        wrong += calls_on(self, self->tid, i);
    self->wrong += wrong;
}

static void wait_for(struct thread *thread) {
    while (atomic_load(&thread->alive))
        raw4(SYS_futex, &thread->alive, FUTEX_WAIT, 1, NULL);
}

static long try_start(struct thread *thread, long flags, void (*what)(void *), int calls, int go_on) {
    atomic_store(&thread->alive, 1);
    atomic_store(&thread->go_on, go_on);
    thread->calls = calls;
    thread->tid = thread->wrong = thread->handled = 0;
    return start_thread(flags, thread->stack + STACK, what, thread, &thread->alive, thread->storage);
}

static void start(struct thread *thread, long flags, void (*what)(void *), int calls, int go_on) {
    furnish(thread);
    long tid = try_start(thread, flags, what, calls, go_on);
    CHECK(tid > 0, "clone: %ld", tid);
}

static void join(struct thread *thread) {
    wait_for(thread);
    CHECK(thread->wrong == 0, "%ld calls of a thread went wrong", thread->wrong);
    CHECK(!changed(thread), "its storage has changed");
}

static void calls_of_libcs(int count) {
    long wrong = 0, tid = raw0(SYS_gettid);
    for (int i = 0; i < count; i++) {
        wrong += gettid_with_vectors(i, &wrong) != tid;
        errno = 0;
        wrong += close(-1) != -1 || errno != EBADF;
    }
    CHECK(wrong == 0, "%ld calls of libc's threads went wrong", wrong);
}

static void *short_lived(void *argument) {
    calls_of_libcs(20);
    return argument;
}

static void libcs_thread(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, short_lived, NULL) == 0 && pthread_join(thread, NULL) == 0, "thread");
}

static void executes(void *argument) {
    (void)argument;
    static char *const arguments[] = {"sh", "-c", "exit 9", NULL}, *const environment[] = {NULL};
    raw3(SYS_execve, "/nonexistent", arguments, environment);
    raw3(SYS_execve, "/bin/sh", arguments, environment);
    raw1(SYS_exit_group, 10);
}

static long ends_with(long child, int wanted) {
    int status = 0;
    return child > 0 && raw4(SYS_wait4, child, &status, 0, NULL) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == wanted;
}

static void forks(void *argument) {
    struct thread *self = argument;
    long wrong = 0;
    for (int i = 0; i < 5; i++) {
        long child = raw6(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
        if (child == 0) {
            long tid = raw0(SYS_gettid);
            wrong = tid != raw0(SYS_getpid);
            for (int k = 0; k < 5; k++)
                wrong += calls_on(self, tid, k);
            raw1(SYS_exit_group, wrong == 0 ? 7 : 8);
        }
        wrong += !ends_with(child, 7);
    }
    for (int i = 0; i < 3; i++) {
        long flags = i < 2 ? CLONE_VM | CLONE_VFORK | SIGCHLD : SIGCHLD;
        long child = start_thread(flags, self->other->stack + STACK, executes, NULL, NULL, NULL);
        wrong += !ends_with(child, 9);
    }
    body(self);
    self->wrong += wrong;
}

static void shares(void *argument) {
    struct thread *self = argument;
    body(self);
}

static void makes_others(void *argument) {
    struct thread *self = argument, *other = self->other;
    long wrong = 0;
    for (int i = 0; i < 5; i++) {
        long flags = i % 2 ? THREAD_FLAGS & ~CLONE_SETTLS : THREAD_FLAGS;
        long *storage = other->storage;
        if (i % 2)
            other->storage = self->storage; // which they share
        wrong += try_start(other, flags, shares, 20, 0) <= 0;
        for (int k = 0; k < 20; k++)
            wrong += calls_on(self, raw0(SYS_gettid), k);
        wait_for(other);
        wrong += other->wrong;
        other->storage = storage;
    }
    body(self);
    self->wrong += wrong;
}

static void as_process(void *argument) {
    struct thread *self = argument;
    body(self);
    self->wrong += raw0(SYS_getpid) != self->tid;
    raw1(SYS_exit, self->wrong == 0 ? 9 : 10);
}

static void processes(void) {
    struct thread *thread = &threads[0];
    for (int round = 0; round < 4; round++) {
        start(thread, CLONE_VM | CLONE_SETTLS | SIGCHLD, as_process, CALLS, 0);
        calls_of_libcs(20);
        int status;
        CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 9, "status %x", status);
        start(thread, CLONE_VM | CLONE_SETTLS | SIGCHLD, as_process, 1, 1);
        while (*(volatile long *)&thread->tid == 0)
            sched_yield();
        CHECK(kill((pid_t)thread->tid, SIGKILL) == 0, "kill");
        CHECK(wait(&status) == thread->tid && WIFSIGNALED(status), "status %x", status);
        calls_of_libcs(20);
        CHECK(!changed(thread), "its storage has changed");
    }
    ok("processes on their parent's memory");

    for (int round = 0; round < 4; round++) {
        furnish(thread);
        thread->calls = CALLS;
        thread->go_on = 0;
        thread->wrong = 0;
        long flags = CLONE_SETTLS | SIGCHLD;
        long child = start_thread(flags, thread->stack + STACK, round % 2 ? forks : as_process, thread, NULL,
                                  thread->storage);
        CHECK(ends_with(child, round % 2 ? 0 : 9), "child %ld", child);
        calls_of_libcs(20);
    }
    ok("processes with a copy of it");

    for (int round = 0; round < 4; round++) {
        furnish(thread);
        struct {
            uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
        } arguments = {.flags = CLONE_VM | CLONE_VFORK | CLONE_SETTLS, .exit_signal = SIGCHLD,
                       .tls = (uint64_t)thread->storage};
        long child = raw2(SYS_clone3, &arguments, sizeof arguments);
        if (child == 0) {
            long wrong = 0, tid = raw0(SYS_gettid);
            for (int i = 0; i < 20; i++)
                wrong += calls_on(thread, tid, i);
            raw1(SYS_exit_group, wrong == 0 ? 9 : 10);
        }
        CHECK(ends_with(child, 9), "child %ld", child);
        calls_of_libcs(20);
        CHECK(!changed(thread), "its storage has changed");
    }
    ok("processes that their parent waits for");
}

static int by_libcs_clone(void *argument) {
    body(argument);
    return 0;
}

static void *takes_other_storage(void *argument) {
    struct thread *other = argument;
    long own = 0, wrong = 0, tid = raw0(SYS_gettid);
    furnish(other);
    for (int i = 0; i < 5; i++) {
        raw2(SYS_arch_prctl, ARCH_GET_FS, &own);
        wrong += raw2(SYS_arch_prctl, ARCH_SET_FS, -1L) != -EPERM;
        wrong += raw2(SYS_arch_prctl, ARCH_SET_FS, other->storage) != 0;
        for (int k = 0; k < 5; k++)
            wrong += calls_on(other, tid, k);
        long child = raw6(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
        if (child == 0)
            raw1(SYS_exit_group, calls_on(other, raw0(SYS_getpid), i) == 0 ? 7 : 8);
        wrong += !ends_with(child, 7);
        wrong += raw2(SYS_arch_prctl, ARCH_SET_FS, own) != 0;
        errno = 0;
        wrong += close(-1) != -1 || errno != EBADF;
    }
    CHECK(wrong == 0 && !changed(other), "%ld calls went wrong", wrong);
    return argument;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < THREADS; i++) {
        furnish(&others[i]);
        threads[i].other = &others[i];
    }

    calls_of_libcs(1);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < THREADS; i++)
            start(&threads[i], THREAD_FLAGS, body, CALLS, 0);
        calls_of_libcs(CALLS);
        libcs_thread();
        for (int i = 0; i < THREADS; i++)
            join(&threads[i]);
        calls_of_libcs(CALLS);
    }
    ok("threads on storage of their own");

    for (int i = 0; i < THREADS; i++)
        start(&threads[i], THREAD_FLAGS, body, 1, 1);
    for (int i = 0; i < THREADS; i++)
        while (*(volatile long *)&threads[i].tid == 0)
            sched_yield();
    for (int k = 0; k < 10; k++)
        for (int i = 0; i < THREADS; i++) {
            long before = *(volatile long *)&threads[i].handled;
            CHECK(syscall(SYS_tgkill, getpid(), threads[i].tid, SIGUSR1) == 0, "tgkill");
            while (*(volatile long *)&threads[i].handled == before)
                sched_yield();
        }
    for (int i = 0; i < THREADS; i++)
        atomic_store(&threads[i].go_on, 0);
    for (int i = 0; i < THREADS; i++) {
        join(&threads[i]);
        CHECK(threads[i].handled == 10, "%ld signals", threads[i].handled);
    }
    ok("signals arrive there");

    for (int i = 0; i < THREADS; i++)
        start(&threads[i], THREAD_FLAGS, i % 2 ? forks : makes_others, CALLS, 0);
    for (int k = 0; k < 5; k++) {
        CHECK(system("exit 3") == 3 << 8, "system");
        libcs_thread();
    }
    for (int i = 0; i < THREADS; i++)
        join(&threads[i]);
    ok("they fork, execute programs and make threads");

    processes();

    struct thread *thread = &threads[0];
    for (int round = 0; round < 4; round++) {
        long *storage = thread->storage;
        thread->storage = NULL; // FS is 0
        CHECK(try_start(thread, THREAD_FLAGS, body, CALLS, 0) > 0, "clone");
        calls_of_libcs(20);
        wait_for(thread);
        CHECK(thread->wrong == 0, "%ld calls of a thread went wrong", thread->wrong);
        thread->storage = storage;
    }
    ok("threads without storage");

    for (int round = 0; round < 4; round++) {
        furnish(thread);
        thread->storage[0] = (long)thread->storage; // as the ABI wants
        atomic_store(&thread->alive, 1);
        pid_t tid = 0;
        int flags = (THREAD_FLAGS & ~CLONE_CHILD_CLEARTID) | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
        CHECK(clone(by_libcs_clone, thread->stack + STACK, flags, thread, &tid, thread->storage, &thread->alive) > 0,
              "clone");
        calls_of_libcs(20);
        join(thread);
    }
    ok("threads by libc's clone");

    CHECK(try_start(thread, CLONE_VM | CLONE_THREAD | CLONE_SETTLS, body, 1, 0) == -EINVAL, "clone");
    calls_of_libcs(20);
    thread->storage += 1L << 60;
    CHECK(try_start(thread, THREAD_FLAGS, body, 1, 0) == -EPERM, "clone");
    thread->storage -= 1L << 60;
    calls_of_libcs(20);
    ok("births that fail change nothing");

    pthread_t taker;
    CHECK(pthread_create(&taker, NULL, takes_other_storage, &others[0]) == 0, "thread");
    takes_other_storage(&others[1]);
    CHECK(pthread_join(taker, NULL) == 0, "join");
    calls_of_libcs(20);
    ok("a thread of libc's takes other storage");

    pid_t child = fork();
    if (child == 0) {
        start(thread, THREAD_FLAGS, executes, 0, 0);
        for (;;)
            pause();
    }
    CHECK(ends_with(child, 9), "exec in a thread");
    ok("one of them executes a program");
    return 0;
}
