// expect: A vfork child runs in its parent's memory, on its stack and with its thread-local storage, while the
// parent's thread waits. An interceptor that takes the child for a thread or a copy overwrites the parent's records,
// and one that leaves frames on the shared stack returns into the child's. vfork with _exit, with an exec that fails,
// and with one that works; clone(CLONE_VM | CLONE_VFORK) with a stack of its own (as posix_spawn), children that make
// many calls, from the main and from eight threads at once. Statuses are right; the parent's ids, errno and locals
// are those from before.
// userlands: yes
#include "guest.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

static int null;
static __thread long seen_by_child;

static void wait_for(const char *name, long child, int expected) {
    int status = -1;
    CHECK(waitpid((pid_t)child, &status, 0) == child, "%s: waitpid", name);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == expected, "%s: child's status %#x", name, status);
}

static void make_calls(void) {
    for (int i = 0; i < 20; i++)
        if (raw3(SYS_write, null, "hello", 5) != 5 || raw1(SYS_close, -1) != -EBADF || raw0(1000) != -ENOSYS)
            raw1(SYS_exit_group, 1);
}

static int cloned_child(void *parent) {
    make_calls();
    seen_by_child = raw0(SYS_getpid);
    _exit(raw0(SYS_getppid) == *(long *)parent ? 44 : 1);
}

static void *vfork_all_ways(void *unused) {
    long parent = raw0(SYS_getpid), thread = raw0(SYS_gettid);
    volatile int before = 12345;
    pid_t child;

    child = vfork();
    if (child == 0) {
        make_calls();
        seen_by_child = raw0(SYS_getpid);
        _exit(raw0(SYS_getppid) == parent ? 42 : 1);
    }
    CHECK(child > 0 && seen_by_child == child, "vfork: child %d wrote %ld", child, seen_by_child);
    wait_for("vfork and _exit", child, 42);

    child = vfork();
    if (child == 0) {
        execl("/nonexistent/program", "program", (char *)NULL);
        _exit(errno == ENOENT ? 43 : 1);
    }
    CHECK(child > 0, "vfork");
    wait_for("vfork and failing exec", child, 43);

    child = vfork();
    if (child == 0) {
        make_calls();
        execl("/bin/sh", "sh", "-c", "exit 45", (char *)NULL);
        _exit(1);
    }
    CHECK(child > 0, "vfork");
    make_calls();
    wait_for("vfork and exec", child, 45);

    char *stack = malloc(65536);
    seen_by_child = 0;
    child = clone(cloned_child, stack + 65536, CLONE_VM | CLONE_VFORK | SIGCHLD, &parent);
    CHECK(child > 0, "clone");
    wait_for("clone(CLONE_VM | CLONE_VFORK)", child, 44);
    CHECK(seen_by_child == child, "clone: child %d wrote %ld", child, seen_by_child);
    free(stack);

    CHECK(raw0(SYS_getpid) == parent && raw0(SYS_gettid) == thread && before == 12345, "parent changed");
    make_calls();
    return unused;
}

int main(void) {
    null = open("/dev/null", O_WRONLY);
    for (int i = 0; i < 5; i++)
        vfork_all_ways(NULL);
    ok("vfork and clone(CLONE_VM | CLONE_VFORK)");
    pthread_t threads[8];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 8; i++)
            CHECK(pthread_create(&threads[i], NULL, vfork_all_ways, NULL) == 0, "pthread_create");
        for (int i = 0; i < 8; i++)
            pthread_join(threads[i], NULL);
    }
    ok("the same from eight threads");
    return 0;
}
