// expect: Calls that ask for a thread and that the kernel refuses make none. An interceptor that acts on the flags
// before it knows the result (gives a block away, or gives interception up, with a line that the program never asked
// for) does so for nothing: language runtimes and sandboxes try what the kernel has by such calls. Afterwards the
// program makes threads and children, and nothing was printed.
// musl: yes
#include "guest.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif

struct clone3_args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

static void *return_argument(void *argument) { return raw1(SYS_close, -1) == -EBADF ? argument : NULL; }

static void makes_children_still(const char *after) {
    pthread_t thread;
    void *result = NULL;
    CHECK(pthread_create(&thread, NULL, return_argument, (void *)after) == 0, "%s: pthread_create", after);
    pthread_join(thread, &result);
    CHECK(result == after, "%s: thread's result", after);
    pid_t child = fork();
    if (child == 0)
        _exit(42);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 42, "%s: status %#x",
          after, status);
    CHECK(waitpid(-1, NULL, __WALL) == -1 && errno == ECHILD, "%s: a child is left", after);
}

static void refused(const char *name, uint64_t flags, long exit_signal) {
    if (flags <= INT32_MAX) {
        long ret = raw6(SYS_clone, (long)flags | exit_signal, 0, 0, 0, 0, 0);
        // clone has no word for an exit signal of its own, so that one is no mistake there.
        CHECK(ret == -EINVAL, "clone: %s: %ld", name, ret);
        makes_children_still(name);
    }
    struct clone3_args args = {.flags = flags, .exit_signal = (uint64_t)exit_signal};
    long ret = raw2(SYS_clone3, &args, sizeof args);
    CHECK(ret == -EINVAL, "clone3: %s: %ld", name, ret);
    makes_children_still(name);
}

int main(void) {
    refused("CLONE_THREAD without CLONE_SIGHAND", CLONE_THREAD | CLONE_VM, 0);
    refused("CLONE_NEWPID with CLONE_THREAD", CLONE_NEWPID | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, 0);
    refused("CLONE_FS with CLONE_NEWNS", CLONE_FS | CLONE_NEWNS | CLONE_VM, SIGCHLD);
    refused("CLONE_CLEAR_SIGHAND with CLONE_SIGHAND", CLONE_CLEAR_SIGHAND | CLONE_SIGHAND | CLONE_VM, SIGCHLD);
    ok("flags that exclude each other");

    struct clone3_args args = {.flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, .exit_signal = SIGCHLD};
    long ret = raw2(SYS_clone3, &args, sizeof args);
    CHECK(ret == -EINVAL, "a thread with an exit signal: %ld", ret);
    args.exit_signal = 0;
    ret = raw2(SYS_clone3, &args, 8);
    CHECK(ret == -EINVAL, "short structure: %ld", ret);
    ret = raw2(SYS_clone3, &args, 5000);
    CHECK(ret == -E2BIG, "long structure: %ld", ret);
    args.stack_size = 1;
    ret = raw2(SYS_clone3, &args, sizeof args);
    CHECK(ret == -EINVAL, "stack size without stack: %ld", ret);
    makes_children_still("clone3");
    ok("structures that are wrong");
    return 0;
}
