// expect: A thread made without CLONE_SETTLS keeps its creator's FS base, and both go on at once: whoever keeps a
// thread's state in thread-local storage has one place for two threads. Many such threads, and processes that share
// memory, run beside their creator. All make calls, check each result, and keep values in vector registers across them;
// signals interrupt them; they fork; their creator spawns programs, makes threads by libc, or ends before they do, so
// that libc gives its storage to somebody else. Afterwards the creator is alone again.
#include "clone_threads.h"
#include <spawn.h>

extern char **environ;

// A stack, and no storage of its own.
static void furnish(struct thread *thread) {
    give_stack(thread);
    CHECK(raw2(SYS_arch_prctl, ARCH_GET_FS, &thread->storage) == 0, "arch_prctl");
}

static void forks(void *argument) {
    struct thread *self = argument;
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

static struct thread outlives[2];

static void *creates_and_leaves(void *argument) {
    for (int i = 0; i < 2; i++)
        start(&outlives[i], THREAD_FLAGS, body, 1, 1);
    return argument;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);

    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < THREADS; i++)
            start(&threads[i], THREAD_FLAGS, body, CALLS, 0);
        calls_of_libcs(CALLS);
        for (int i = 0; i < THREADS; i++)
            join(&threads[i]);
        calls_of_libcs(CALLS);
    }
    ok("threads on one storage do not disturb each other");

    interrupt_all(THREAD_FLAGS);
    for (int i = 0; i < THREADS; i++) {
        join(&threads[i]);
        CHECK(threads[i].handled == 10, "%ld signals", threads[i].handled);
    }
    ok("a signal arrives in the thread that it was sent to");

    for (int i = 0; i < THREADS; i++)
        start(&threads[i], THREAD_FLAGS, forks, CALLS, 0);
    for (int k = 0; k < 5; k++) {
        char *arguments[] = {"true", NULL};
        pid_t pid;
        int status;
        CHECK(posix_spawnp(&pid, k % 2 ? "true" : "/nonexistent", NULL, NULL, arguments, environ) == (k % 2 ? 0 : ENOENT),
              "spawn");
        if (k % 2)
            CHECK(waitpid(pid, &status, 0) == pid && status == 0, "status %d", status);
        libcs_thread();
        calls_of_libcs(20);
    }
    for (int i = 0; i < THREADS; i++)
        join(&threads[i]);
    ok("they fork, and their creator spawns and makes threads");

    for (int round = 0; round < 4; round++)
        two_processes(&threads[0], CLONE_VM | SIGCHLD);
    ok("processes on their parent's memory and storage");

    for (int round = 0; round < 3; round++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, creates_and_leaves, NULL) == 0 && pthread_join(thread, NULL) == 0, "thread");
        for (int i = 0; i < 10; i++)
            libcs_thread();
        for (int i = 0; i < 2; i++)
            atomic_store(&outlives[i].go_on, 0);
        for (int i = 0; i < 2; i++)
            join(&outlives[i]);
        libcs_thread();
    }
    ok("they go on when the storage has another owner");

    long failed = start_thread(CLONE_VM | CLONE_THREAD, NULL, body, NULL, NULL, NULL);
    CHECK(failed == -EINVAL, "clone: %ld", failed);
    // The kernel reads this number last.
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size;
    } arguments = {.flags = THREAD_FLAGS, .stack = (uint64_t)threads, .stack_size = 4096, .set_tid_size = 1000};
    CHECK(syscall(SYS_clone3, &arguments, sizeof arguments) == -1 && errno == EINVAL, "clone3");
    calls_of_libcs(CALLS);
    ok("births that fail change nothing");
    return 0;
}
