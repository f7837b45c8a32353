// flags: -fno-stack-protector
// expect: A program may give a thread storage of its own making (CLONE_SETTLS): FS then leads to memory of which an
// interceptor knows nothing, with nothing readable right below it, or nowhere. Such threads run beside libc's own. All
// make calls, check each result, find FS and what it leads to as they left it, keep values in vector registers, and are
// interrupted by signals; they fork, execute programs, make threads on further storage and on their own; processes with
// and without memory of their own do the same; a libc thread takes other storage for a while.
#include "clone_threads.h"

enum { PAGE = 4096, WORDS = PAGE / 8, ARCH_SET_FS = 0x1002 };

#define STORAGE_FLAGS (THREAD_FLAGS | CLONE_SETTLS)

// What each of `threads` makes further ones of.
static struct thread others[THREADS];
static struct thread *other_of(const struct thread *thread) { return &others[thread - threads]; }

// A page of storage with nothing below it, and a stack.
static void furnish(struct thread *thread) {
    if (thread->stack == NULL) {
        char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        give_stack(thread);
        CHECK(pages != MAP_FAILED, "mmap");
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

static void join_unchanged(struct thread *thread) {
    join(thread);
    CHECK(!changed(thread), "its storage has changed");
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
        long child = start_thread(flags, other_of(self)->stack + STACK, executes, NULL, NULL, NULL);
        wrong += !ends_with(child, 9);
    }
    body(self);
    self->wrong += wrong;
}

static void makes_others(void *argument) {
    struct thread *self = argument, *other = other_of(self);
    long wrong = 0;
    for (int i = 0; i < 5; i++) {
        long flags = i % 2 ? STORAGE_FLAGS & ~CLONE_SETTLS : STORAGE_FLAGS;
        long *storage = other->storage;
        if (i % 2)
            other->storage = self->storage; // which they share
        wrong += try_start(other, flags, body, 20, 0) <= 0;
        for (int k = 0; k < 20; k++)
            wrong += calls_on(self, raw0(SYS_gettid), k);
        wait_for_end(&other->alive);
        wrong += other->wrong;
        other->storage = storage;
    }
    body(self);
    self->wrong += wrong;
}

static void processes(void) {
    struct thread *thread = &threads[0];
    for (int round = 0; round < 4; round++) {
        two_processes(thread, CLONE_VM | CLONE_SETTLS | SIGCHLD);
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
    for (int i = 0; i < THREADS; i++)
        furnish(&others[i]);

    calls_of_libcs(1);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < THREADS; i++)
            start(&threads[i], STORAGE_FLAGS, body, CALLS, 0);
        calls_of_libcs(CALLS);
        libcs_thread();
        for (int i = 0; i < THREADS; i++)
            join_unchanged(&threads[i]);
        calls_of_libcs(CALLS);
    }
    ok("threads on storage of their own");

    interrupt_all(STORAGE_FLAGS);
    for (int i = 0; i < THREADS; i++) {
        join_unchanged(&threads[i]);
        CHECK(threads[i].handled == 10, "%ld signals", threads[i].handled);
    }
    ok("signals arrive there");

    for (int i = 0; i < THREADS; i++)
        start(&threads[i], STORAGE_FLAGS, i % 2 ? forks : makes_others, CALLS, 0);
    for (int k = 0; k < 5; k++) {
        CHECK(system("exit 3") == 3 << 8, "system");
        libcs_thread();
    }
    for (int i = 0; i < THREADS; i++)
        join_unchanged(&threads[i]);
    ok("they fork, execute programs and make threads");

    processes();

    struct thread *thread = &threads[0];
    for (int round = 0; round < 4; round++) {
        long *storage = thread->storage;
        thread->storage = NULL; // FS is 0
        CHECK(try_start(thread, STORAGE_FLAGS, body, CALLS, 0) > 0, "clone");
        calls_of_libcs(20);
        join(thread);
        thread->storage = storage;
    }
    ok("threads without storage");

    for (int round = 0; round < 4; round++) {
        furnish(thread);
        thread->storage[0] = (long)thread->storage; // as the ABI wants
        atomic_store(&thread->alive, 1);
        pid_t tid = 0;
        int flags = (STORAGE_FLAGS & ~CLONE_CHILD_CLEARTID) | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
        CHECK(clone(by_libcs_clone, thread->stack + STACK, flags, thread, &tid, thread->storage, &thread->alive) > 0,
              "clone");
        calls_of_libcs(20);
        join_unchanged(thread);
    }
    ok("threads by libc's clone");

    CHECK(try_start(thread, CLONE_VM | CLONE_THREAD | CLONE_SETTLS, body, 1, 0) == -EINVAL, "clone");
    calls_of_libcs(20);
    thread->storage += 1L << 60;
    CHECK(try_start(thread, STORAGE_FLAGS, body, 1, 0) == -EPERM, "clone");
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
        start(thread, STORAGE_FLAGS, executes, 0, 0);
        for (;;)
            pause();
    }
    CHECK(ends_with(child, 9), "exec in a thread");
    ok("one of them executes a program");
    return 0;
}
