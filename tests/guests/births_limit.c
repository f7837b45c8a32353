// expect: At the limit of processes (RLIMIT_NPROC) fork, vfork, clone3, pthread_create, posix_spawn, system and popen
// fail with EAGAIN, hundreds of times. What an interceptor made ready for a child that never came must be given back:
// the process may not grow. When the limit is raised again, all of them succeed. Root is not limited, so as root it
// takes an unused uid first; from then on nothing in /proc that belongs to root can be opened.
// musl: yes
#include "guest.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#ifndef SYS_clone3
#define SYS_clone3 435
#endif

static char *const no_environment[] = {NULL};

static void *return_argument(void *argument) {
    for (int i = 0; i < 10; i++)
        CHECK(raw1(SYS_close, -1) == -EBADF && raw0(1000) == -ENOSYS, "calls in a thread");
    return argument;
}

static void no_child_is_left(const char *after) {
    CHECK(waitpid(-1, NULL, __WALL) == -1 && errno == ECHILD, "%s: a child is left", after);
}

static void wait_for(const char *name, pid_t child, int expected) {
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == expected, "%s: status %#x",
          name, status);
}

static int spawn(pid_t *child) {
    char *argv[] = {"sh", "-c", "exit 42", NULL};
    return posix_spawn(child, "/bin/sh", NULL, NULL, argv, no_environment);
}

static void nothing_can_be_made(int with_shells) {
    pthread_t thread;
    pid_t child;
    errno = 0;
    CHECK(fork() == -1 && errno == EAGAIN, "fork");
    errno = 0;
    child = vfork();
    if (child == 0)
        _exit(1);
    CHECK(child == -1 && errno == EAGAIN, "vfork: %d", child);
    uint64_t args[11] = {[4] = SIGCHLD};
    long ret = raw2(SYS_clone3, args, sizeof args);
    if (ret == 0)
        raw1(SYS_exit_group, 1);
    CHECK(ret == -EAGAIN, "clone3: %ld", ret);
    int error = pthread_create(&thread, NULL, return_argument, NULL);
    CHECK(error == EAGAIN, "pthread_create: %d", error);
    error = spawn(&child);
    CHECK(error == EAGAIN, "posix_spawn: %d", error);
    if (with_shells) {
        errno = 0;
        int status = system("exit 3"); // as if the shell could not be executed, in glibc
        CHECK((status == -1 || WEXITSTATUS(status) == 127) && errno == EAGAIN, "system: %#x", status);
        CHECK(popen("exit 3", "r") == NULL, "popen");
    }
    no_child_is_left("a failing call");
}

static void everything_can_be_made(void) {
    pthread_t thread;
    void *result = NULL;
    pid_t child = fork();
    if (child == 0)
        _exit(41);
    CHECK(child > 0, "fork");
    wait_for("fork", child, 41);
    child = vfork();
    if (child == 0)
        _exit(43);
    CHECK(child > 0, "vfork");
    wait_for("vfork", child, 43);
    CHECK(pthread_create(&thread, NULL, return_argument, &result) == 0, "pthread_create");
    pthread_join(thread, &result);
    CHECK(result == &result, "thread's result");
    CHECK(spawn(&child) == 0, "posix_spawn");
    wait_for("posix_spawn", child, 42);
    no_child_is_left("a successful call");
}

struct size {
    long pages, mappings;
};

static struct size measure(void) {
    struct size size = {0, 0};
    static char buffer[1 << 16];
    int fd = open("/proc/self/statm", O_RDONLY);
    CHECK(fd >= 0 && read(fd, buffer, sizeof buffer) > 0, "statm");
    size.pages = strtol(buffer, NULL, 10);
    close(fd);
    fd = open("/proc/self/maps", O_RDONLY);
    CHECK(fd >= 0, "maps");
    for (ssize_t got; (got = read(fd, buffer, sizeof buffer)) > 0;)
        for (ssize_t i = 0; i < got; i++)
            size.mappings += buffer[i] == '\n';
    close(fd);
    return size;
}

static void limit(rlim_t soft) {
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NPROC, &limit) == 0, "getrlimit");
    limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
    CHECK(setrlimit(RLIMIT_NPROC, &limit) == 0, "setrlimit");
}

static int limited(void) {
    // What cannot be read by that uid cannot be preloaded into what it executes, and ld.so would say so.
    int null = open("/dev/null", O_WRONLY);
    CHECK(null >= 0 && dup2(null, STDERR_FILENO) == STDERR_FILENO, "standard error");
    if (getuid() == 0) {
        uid_t uid = 1000000 + (uid_t)getpid();
        CHECK(setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0, "setresuid");
    }
    const char *rounds = getenv("GUEST_ROUNDS");
    for (int round = 0; round < (rounds ? atoi(rounds) : 2); round++) {
        limit(1);
        nothing_can_be_made(1);
        struct size before = measure();
        for (int i = 0; i < 200; i++)
            nothing_can_be_made(0);
        struct size after = measure();
        CHECK(after.pages - before.pages < 256, "%ld pages more after 200 rounds of failures",
              after.pages - before.pages);
        CHECK(after.mappings - before.mappings < 16, "%ld mappings more after 200 rounds of failures",
              after.mappings - before.mappings);
        limit(RLIM_INFINITY);
        everything_can_be_made();
    }
    return 0;
}

int main(void) {
    everything_can_be_made();
    ok("everything before");
    pid_t child = fork();
    if (child == 0)
        _exit(limited());
    wait_for("limited child", child, 0);
    ok("nothing at the limit, everything above it");

    // A thread of the limited process is limited, too, and its calls fail alike.
    child = fork();
    if (child == 0) {
        pthread_t thread;
        void *result = &result;
        CHECK(pthread_create(&thread, NULL, (void *(*)(void *))(void *)limited, NULL) == 0, "pthread_create");
        pthread_join(thread, &result);
        _exit(result != NULL);
    }
    wait_for("child limited from a thread", child, 0);
    ok("the same from a thread");
    everything_can_be_made();
    ok("everything afterwards");
    return 0;
}
