// expect: A vfork child has descriptors of its own in memory that is its parent's. An interceptor that keeps descriptors,
// and moves one that is in the way of dup2, moves its parent's, too, where nothing was moved; one that refuses breaks
// programs that put a descriptor behind all others before they execute another, as Go's do. A child puts a file at each
// of a hundred numbers, is told that it is there, writes one byte through each, and ends, or executes a program that
// finds all of them; made by vfork, by clone with a stack, by posix_spawn, one in another, forked in one, and running
// beside its parent. In the parent none of the numbers is open afterwards, while a thread makes calls all the time; the
// file holds those bytes and no other.
// musl: yes
#include "guest.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { FIRST = 190, COUNT = 100, STACK = 65536 };

static int file;
static char program[] = "/proc/self/exe", number[16];
static char *const again[] = {program, number, NULL};
extern char **environ;

// In a child: whether all numbers are open and the file's, with a byte written through each.
static int are_the_files(void) {
    struct stat one, own;
    if (fstat(file, &own) != 0)
        return 0;
    for (int fd = FIRST; fd < FIRST + COUNT; fd++)
        if (raw2(SYS_fstat, fd, &one) != 0 || one.st_ino != own.st_ino || raw3(SYS_fcntl, fd, F_GETFD, 0) < 0 ||
            raw3(SYS_write, fd, "x", 1) != 1)
            return 0;
    return 1;
}

static int take_all(void) {
    for (int fd = FIRST; fd < FIRST + COUNT; fd++)
        if (raw3(fd % 2 ? SYS_dup3 : SYS_dup2, file, fd, 0) != fd)
            return 0;
    return are_the_files();
}

static void close_all(void) {
    for (int fd = FIRST; fd < FIRST + COUNT; fd++)
        raw1(SYS_close, fd);
}

static void check_closed(const char *whose) {
    for (int fd = FIRST; fd < FIRST + COUNT; fd++)
        CHECK(raw3(SYS_fcntl, fd, F_GETFD, 0) == -EBADF, "%s: descriptor %d is open", whose, fd);
}

static int ends_of(pid_t child) {
    int status = -1;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int child_on_stack(void *unused) {
    (void)unused;
    _exit(take_all() ? 42 : 1);
}

static pid_t by_vfork(void) {
    pid_t child = vfork();
    if (child == 0)
        _exit(take_all() ? 42 : 1);
    return child;
}

static pid_t by_vfork_and_exec(void) {
    pid_t child = vfork();
    if (child == 0) {
        if (!take_all())
            _exit(1);
        execve("/nonexistent/program", again, environ);
        execve(program, again, environ);
        _exit(2);
    }
    return child;
}

static pid_t by_clone(void) {
    static char stack[STACK] __attribute__((aligned(16)));
    return clone(child_on_stack, stack + STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
}

// It runs beside its parent.
static pid_t by_clone_without_vfork(void) {
    static char stack[STACK] __attribute__((aligned(16)));
    return clone(child_on_stack, stack + STACK, CLONE_VM | SIGCHLD, NULL);
}

// What the inner child has moved is not moved in the outer one, which moves it after that.
static pid_t by_vfork_in_vfork(void) {
    pid_t child = vfork();
    if (child == 0) {
        int inner = ends_of(by_vfork());
        for (int fd = FIRST; fd < FIRST + COUNT; fd++)
            if (raw3(SYS_fcntl, fd, F_GETFD, 0) != -EBADF)
                _exit(3);
        _exit(inner == 42 && take_all() ? 42 : 1);
    }
    return child;
}

static pid_t by_vfork_and_fork(void) {
    pid_t child = vfork();
    if (child == 0) {
        if (!take_all())
            _exit(1);
        // The fork's child has a copy of the memory, and of the descriptors.
        pid_t forked = (pid_t)raw0(SYS_fork);
        if (forked == 0) {
            close_all();
            _exit(take_all() ? 42 : 1);
        }
        _exit(forked > 0 ? ends_of(forked) : 4);
    }
    return child;
}

static pid_t by_spawn(void) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (int fd = FIRST; fd < FIRST + COUNT; fd++)
        posix_spawn_file_actions_adddup2(&actions, file, fd);
    pid_t child = -1;
    CHECK(posix_spawn(&child, program, &actions, NULL, again, environ) == 0, "posix_spawn");
    posix_spawn_file_actions_destroy(&actions);
    return child;
}

static void try(const char *name, pid_t (*make)(void), off_t writes) {
    struct stat before, after;
    CHECK(fstat(file, &before) == 0, "%s", name);
    int end = ends_of(make());
    CHECK(end == 42, "%s: child's status %d", name, end);
    check_closed(name);
    CHECK(fstat(file, &after) == 0 && after.st_size == before.st_size + writes * COUNT, "%s: %ld bytes instead of %ld",
          name, (long)(after.st_size - before.st_size), (long)writes * COUNT);
}

static void try_all(void) {
    try("vfork", by_vfork, 1);
    try("vfork and exec", by_vfork_and_exec, 2);
    try("clone with a stack", by_clone, 1);
    try("clone beside its parent", by_clone_without_vfork, 1);
    try("vfork in vfork", by_vfork_in_vfork, 2);
    try("fork in vfork", by_vfork_and_fork, 2);
    try("posix_spawn", by_spawn, 1);
}

static int is_over;

static void *call_meanwhile(void *unused) {
    while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
        CHECK(raw1(SYS_close, FIRST + COUNT / 2) == -EBADF && raw0(1000) == -ENOSYS, "calls of a thread");
        raw0(SYS_sched_yield);
    }
    return unused;
}

static void *try_in_thread(void *unused) {
    try_all();
    return unused;
}

int main(int argc, char **argv) {
    if (argc > 1) {
        file = atoi(argv[1]);
        if (!are_the_files())
            return 1;
        close_all();
        check_closed("the program");
        return 42;
    }
    close_all();
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > FIRST + COUNT, "too few descriptors");
    file = memfd_create("file", 0);
    CHECK(file >= 0 && fcntl(file, F_SETFL, O_APPEND) == 0, "memfd_create");
    snprintf(number, sizeof number, "%d", file);

    for (int i = 0; i < 3; i++)
        try_all();
    ok("from the main thread");

    pthread_t meanwhile, other;
    CHECK(pthread_create(&meanwhile, NULL, call_meanwhile, NULL) == 0, "pthread_create");
    for (int i = 0; i < 3; i++)
        try_all();
    ok("while a thread makes calls");
    for (int i = 0; i < 3; i++) {
        CHECK(pthread_create(&other, NULL, try_in_thread, NULL) == 0, "pthread_create");
        pthread_join(other, NULL);
    }
    __atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
    pthread_join(meanwhile, NULL);
    ok("from another thread");

    // Descriptors of the process itself, which are where all of it has them.
    CHECK(take_all(), "in the process itself");
    CHECK(ends_of(by_vfork()) == 42 && are_the_files(), "vfork while all are taken");
    close_all();
    check_closed("the process itself");
    try_all();
    ok("after the process itself");
    return 0;
}
