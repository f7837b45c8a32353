// expect: A forked child is a copy: locks, thread ids and per-process words an interceptor keeps are stale in it,
// and its first instruction after the call is the program's. fork, clone and clone3 without shared memory (through
// libc and through the guest's own instruction) each make a child, from the main thread and from another one while
// further threads are calling. The child makes calls, sees its own pid and its parent's, forks once more, and exits
// with a status that the parent finds; clone's parent_tid and child_tid are written; failing ones change nothing.
// musl: yes
// userlands: yes
#include "guest.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#ifndef SYS_clone3
#define SYS_clone3 435
#endif
struct clone3_args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

static int null;
static pid_t parent_tid, child_tid;

static long by_fork(void) { return fork(); }
static long by_raw_fork(void) { return raw0(SYS_fork); }
static long by_clone(void) {
    return raw6(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, 0, (long)&parent_tid, (long)&child_tid,
                0, 0);
}
static long by_clone3(void) {
    struct clone3_args args = {.flags = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID,
                               .parent_tid = (uintptr_t)&parent_tid,
                               .child_tid = (uintptr_t)&child_tid,
                               .exit_signal = SIGCHLD};
    return raw2(SYS_clone3, &args, sizeof args);
}
static long by_libc_syscall(void) { return syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L); }

struct way {
    const char *name;
    long (*make)(void);
    int writes_tids;
};
static const struct way ways[] = {
    {"fork", by_fork, 0},
    {"fork, own instruction", by_raw_fork, 0},
    {"clone, own instruction", by_clone, 1},
    {"clone3, own instruction", by_clone3, 1},
    {"clone through syscall()", by_libc_syscall, 0},
};

static void wait_for(const char *name, long child, int expected) {
    int status = -1;
    CHECK(waitpid((pid_t)child, &status, 0) == child, "%s: waitpid", name);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == expected, "%s: child's status %#x", name, status);
}

// Calls of the kinds a fresh child makes; ends it with 42, or with 1 when one of them was wrong.
__attribute__((noreturn)) static void live_as_child(const struct way *way, long parent) {
    long self = raw0(SYS_getpid);
    CHECK(self != parent && raw0(SYS_getppid) == parent, "%s: child %ld of %ld", way->name, self, parent);
    CHECK(raw0(SYS_gettid) == self, "%s: child's thread id", way->name);
    CHECK(getpid() == self, "%s: libc's getpid", way->name);
    CHECK(!way->writes_tids || child_tid == self, "%s: child_tid %d in child %ld", way->name, child_tid, self);
    for (int i = 0; i < 50; i++)
        CHECK(write(null, "hello", 5) == 5 && raw1(SYS_close, -1) == -EBADF, "%s: calls in the child", way->name);
    long grandchild = way->make();
    if (grandchild == 0)
        raw1(SYS_exit_group, raw0(SYS_getppid) == self ? 43 : 1);
    CHECK(grandchild > 0, "%s: grandchild %ld", way->name, grandchild);
    wait_for(way->name, grandchild, 43);
    _exit(42);
}

static void *try_all(void *rounds) {
    long parent = getpid(), thread = raw0(SYS_gettid);
    for (int round = 0; round < *(int *)rounds; round++)
        for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
            parent_tid = child_tid = 0;
            errno = 77;
            long child = ways[i].make();
            if (child == 0)
                live_as_child(&ways[i], parent);
            CHECK(child > 0, "%s: %ld", ways[i].name, child);
            CHECK(errno == 77, "%s: errno changed", ways[i].name);
            CHECK(!ways[i].writes_tids || parent_tid == child, "%s: parent_tid %d", ways[i].name, parent_tid);
            CHECK(raw0(SYS_getpid) == parent && raw0(SYS_gettid) == thread, "%s: parent's own ids", ways[i].name);
            wait_for(ways[i].name, child, 42);
        }
    return NULL;
}

static atomic_int stop;

static void *call_all_the_time(void *unused) {
    while (!stop)
        CHECK(write(null, "hello", 5) == 5 && raw0(1000) == -ENOSYS, "call beside a fork");
    return unused;
}

int main(void) {
    int rounds = 3;
    null = open("/dev/null", O_WRONLY);
    try_all(&rounds);
    ok("children of a process with one thread");

    pthread_t callers[2], forker;
    for (int i = 0; i < 2; i++)
        pthread_create(&callers[i], NULL, call_all_the_time, NULL);
    rounds = 5;
    try_all(&rounds);
    ok("children of the main thread while others call");
    pthread_create(&forker, NULL, try_all, &rounds);
    pthread_join(forker, NULL);
    ok("children of another thread");
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(callers[i], NULL);

    CHECK(raw6(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0, 0) == -EINVAL, "clone with impossible flags");
    struct clone3_args impossible = {.flags = CLONE_THREAD, .exit_signal = SIGCHLD};
    CHECK(raw2(SYS_clone3, &impossible, sizeof impossible) == -EINVAL, "clone3 with impossible flags");
    CHECK(raw2(SYS_clone3, &impossible, 8) == -EINVAL, "clone3 with a short structure");
    CHECK(waitpid(-1, NULL, 0) == -1 && errno == ECHILD, "a failed clone left a child");
    ok("failing clones change nothing");
    return 0;
}
