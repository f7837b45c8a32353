// expect: A process is born by four calls and a dozen flags that programs really pass, and each flag changes what an
// interceptor must know of the child: whether it runs in its parent's memory, on which stack, with which signal
// actions, descriptors and ids, and who waits for it. Each flag is tried by clone and clone3, from the main thread and
// from another one while others call; the child lives, the parent is what it was. An interceptor that takes memory
// for actions, or the reverse, fails at "actions"; one that keeps pids at "own pid". Calls that fail say what the
// kernel says and leave no child behind, and the program makes children and threads afterwards.
// musl: yes
#include "guest.h"
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif
enum { STACK = 65536, DETACHED = 0x400000 };

struct clone3_args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

// long born(nr, first five arguments in an array, body, argument): the call; the child runs body(argument), on
// whichever stack it got, and exits with what that returns. Registers that a call keeps are the same in the parent.
__asm__(R"(
    .text
    .type born, @function
born:
    .cfi_startproc
    push %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    push %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    push %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    mov %rdi, %rax
    mov %rsi, %rbx
    mov %rdx, %r12
    mov %rcx, %r13
    mov (%rbx), %rdi
    mov 8(%rbx), %rsi
    mov 16(%rbx), %rdx
    mov 24(%rbx), %r10
    mov 32(%rbx), %r8
    syscall
    test %rax, %rax
    jz 1f
    pop %rbx
    .cfi_adjust_cfa_offset -8
    pop %r13
    .cfi_adjust_cfa_offset -8
    pop %r12
    .cfi_adjust_cfa_offset -8
    ret
1:  .cfi_undefined %rip
    xor %ebp, %ebp
    and $-16, %rsp
    mov %r13, %rdi
    call *%r12
    mov %eax, %edi
    mov $231, %eax
    syscall
    hlt
    .cfi_endproc
    .size born, .-born
)");
long born(long nr, const long *args, int (*body)(void *), void *argument);

// What a child is asked to do, and what it has seen. In memory that every child shares.
struct scene {
    const char *name;
    long parent, parents_parent, child;
    int fd;
    sigset_t mask;
    atomic_long seen_ppid, word, handled_in;
    atomic_int parent_tid, child_tid;
};
static struct scene *scene;
static int null;

static void on_usr1(int sig) {
    (void)sig;
    scene->handled_in = raw0(SYS_getpid);
}
static void on_usr1_in_child(int sig) {
    (void)sig;
    scene->word = -raw0(SYS_getpid);
}

static int make_calls(void) {
    for (int i = 0; i < 10; i++)
        if (raw3(SYS_write, null, "hello", 5) != 5 || raw1(SYS_close, -1) != -EBADF || raw0(1000) != -ENOSYS)
            return 1;
    return 0;
}

// Bodies of children; each returns the status that the parent expects, or one that says what was wrong.

static int live(void *unused) {
    (void)unused;
    long self = raw0(SYS_getpid);
    if (make_calls())
        return 1;
    if (self == scene->parent || raw0(SYS_gettid) != self)
        return 2;
    scene->seen_ppid = raw0(SYS_getppid);
    return 42;
}
static int live_knowing_own_id(void *unused) { return scene->child_tid == raw0(SYS_getpid) ? live(unused) : 3; }
static int close_descriptor(void *unused) { return close(scene->fd) ? 4 : live(unused); }
static int change_umask(void *unused) {
    umask(0707);
    return live(unused);
}
static int wait_for_signal(void *unused) {
    (void)unused;
    end_with_parent();
    make_calls();
    for (;;)
        sleep(1);
}
// libc's raise() may take the thread for the one that libc remembers, which is the parent's.
static void raise_here(int sig) { raw2(SYS_tkill, raw0(SYS_gettid), sig); }
// A copy of the actions: those of the parent stay what they were.
static int change_actions(void *unused) {
    struct sigaction action;
    if (sigaction(SIGUSR1, NULL, &action) || action.sa_handler != on_usr1)
        return 5;
    raise_here(SIGUSR1);
    if (scene->handled_in != raw0(SYS_getpid))
        return 6;
    action.sa_handler = on_usr1_in_child;
    sigaction(SIGUSR1, &action, NULL);
    raise_here(SIGUSR1);
    if (scene->word != -raw0(SYS_getpid))
        return 7;
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
    sigset_t mask;
    sigfillset(&mask);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    return live(unused);
}
static int find_actions_cleared(void *unused) {
    struct sigaction action;
    if (sigaction(SIGUSR1, NULL, &action) || action.sa_handler != SIG_DFL)
        return 8;
    if (sigaction(SIGUSR2, NULL, &action) || action.sa_handler != SIG_IGN)
        return 9;
    if (make_calls())
        return 1;
    raise_here(SIGUSR1); // ends it
    return live(unused);
}
static int find_actions_kept(void *unused) {
    struct sigaction action;
    // SIGILL may be an interceptor's, too.
    for (int i = 0; i < 2; i++)
        if (sigaction(i ? SIGILL : SIGUSR1, NULL, &action) || action.sa_handler != on_usr1)
            return 12;
    return live(unused);
}
static int share_actions(void *unused) {
    struct sigaction action = {.sa_handler = on_usr1_in_child};
    sigaction(SIGUSR1, &action, NULL);
    return live(unused);
}
static int fork_again(void *unused) {
    pid_t child = fork();
    if (child == 0)
        _exit(raw0(SYS_getppid) == 1 && raw0(SYS_getpid) == 2 && getpid() == 2 ? 41 : 1);
    int status = -1;
    if (child != 2 || waitpid(child, &status, 0) != 2 || !WIFEXITED(status) || WEXITSTATUS(status) != 41)
        return 10;
    return live(unused);
}
static int exec_true(void *unused) {
    (void)unused;
    execl("/bin/sh", "sh", "-c", "exit 42", (char *)NULL);
    return 11;
}

static void wait_for(long child, int options, int expected) {
    int status = -1;
    pid_t ended;
    do
        ended = waitpid((pid_t)child, &status, options);
    while (ended == -1 && errno == EINTR);
    CHECK(ended == child, "%s: waitpid says %d for %ld", scene->name, ended, child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == expected, "%s: child's status %#x", scene->name, status);
}

static void no_child_is_left(void) {
    int status;
    CHECK(waitpid(-1, &status, __WALL) == -1 && errno == ECHILD, "%s: a child is left", scene->name);
}

// By both calls, as far as the flags exist for both.
enum how { BY_CLONE, BY_CLONE3, WAYS };

static long make(enum how how, uint64_t flags, int exit_signal, void *stack, int (*body)(void *)) {
    scene->parent_tid = scene->child_tid = -1;
    scene->handled_in = scene->word = scene->seen_ppid = 0;
    if (how == BY_CLONE) {
        const long args[] = {(long)flags | exit_signal, stack ? (long)stack + STACK : 0, (long)&scene->parent_tid,
                             (long)&scene->child_tid, 0};
        return born(SYS_clone, args, body, NULL);
    }
    struct clone3_args clone3 = {.flags = flags,
                                 .pidfd = (uintptr_t)&scene->parent_tid,
                                 .child_tid = (uintptr_t)&scene->child_tid,
                                 .parent_tid = (uintptr_t)&scene->parent_tid,
                                 .exit_signal = (uint64_t)exit_signal,
                                 .stack = (uintptr_t)stack,
                                 .stack_size = stack ? STACK : 0};
    if (!(flags & CLONE_PIDFD))
        clone3.pidfd = 0;
    const long args[] = {(long)&clone3, sizeof clone3, 0, 0, 0};
    return born(SYS_clone3, args, body, NULL);
}

static int libc_body(void *argument) { return live(argument); }

static char *own_stack; // of the thread that makes children

static long wants(const char *name, enum how how, uint64_t flags, int exit_signal, int (*body)(void *)) {
    scene->name = name;
    errno = 77;
    long child = make(how, flags, exit_signal, NULL, body);
    CHECK(child > 0, "%s: %ld", name, child);
    CHECK(errno == 77, "%s: errno changed", name);
    CHECK(raw0(SYS_getpid) == scene->parent && getpid() == scene->parent, "%s: parent's own pid", name);
    return child;
}

static void is_ours(void) {
    CHECK(scene->seen_ppid == scene->parent, "%s: the child's parent was %ld", scene->name, (long)scene->seen_ppid);
}

static void actions_are_ours(void) {
    struct sigaction action;
    sigset_t mask;
    CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == on_usr1, "%s: actions", scene->name);
    CHECK(sigaction(SIGUSR2, NULL, &action) == 0 && action.sa_handler == SIG_IGN, "%s: actions", scene->name);
    CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0, "%s: mask", scene->name);
    for (int sig = 1; sig < 65; sig++)
        CHECK(sigismember(&mask, sig) == sigismember(&scene->mask, sig), "%s: signal %d in mask", scene->name, sig);
    scene->handled_in = 0;
    raise_here(SIGUSR1);
    raise_here(SIGUSR2);
    CHECK(scene->handled_in == scene->parent, "%s: handler did not run in the parent", scene->name);
}

static void pidfd_works(enum how how) {
    long child = wants("CLONE_PIDFD", how, CLONE_PIDFD, SIGCHLD, wait_for_signal);
    int fd = scene->parent_tid;
    struct pollfd poll_for = {.fd = fd, .events = POLLIN};
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC, "pidfd %d", fd);
    CHECK(poll(&poll_for, 1, 0) == 0, "pidfd of a living child is readable");
    CHECK(raw4(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) == 0, "pidfd_send_signal");
    CHECK(poll(&poll_for, 1, LIMIT_MS) == 1 && poll_for.revents & POLLIN, "pidfd of a dead child is not readable");
    siginfo_t info = {0};
    CHECK(waitid(P_PIDFD, (id_t)fd, &info, WEXITED) == 0, "waitid");
    CHECK(info.si_pid == child && info.si_code == CLD_KILLED && info.si_status == SIGTERM, "waitid: %d %d", info.si_code,
          info.si_status);
    close(fd);
    child = wants("CLONE_PIDFD | CLONE_VM | CLONE_VFORK", how, CLONE_PIDFD | CLONE_VM | CLONE_VFORK, SIGCHLD, live);
    poll_for.fd = fd = scene->parent_tid;
    CHECK(poll(&poll_for, 1, LIMIT_MS) == 1, "pidfd of a dead child is not readable");
    wait_for(child, 0, 42);
    close(fd);
}

static void parent_of_siblings(enum how how) {
    // Its child is ours: it has our exit signal, and we wait for it.
    int ends[2];
    CHECK(pipe(ends) == 0, "pipe");
    pid_t middle = fork();
    if (middle == 0) {
        scene->parents_parent = scene->parent;
        scene->parent = raw0(SYS_getpid);
        long sibling = wants("CLONE_PARENT", how, CLONE_PARENT, how == BY_CLONE3 ? 0 : SIGCHLD, live);
        CHECK(write(ends[1], &sibling, sizeof sibling) == sizeof sibling, "write");
        CHECK(waitpid((pid_t)sibling, NULL, 0) == -1 && errno == ECHILD, "a sibling is no child");
        _exit(40);
    }
    long sibling = 0, self = raw0(SYS_getpid);
    CHECK(read(ends[0], &sibling, sizeof sibling) == sizeof sibling, "read");
    close(ends[0]);
    close(ends[1]);
    wait_for(middle, 0, 40);
    wait_for(sibling, __WALL, 42);
    CHECK(scene->seen_ppid == self, "the sibling's parent was %ld", (long)scene->seen_ppid);
    scene->parent = self;
}

static void exit_signals(enum how how) {
    long child = wants("exit signal 0", how, 0, 0, live);
    CHECK(waitpid((pid_t)child, NULL, 0) == -1 && errno == ECHILD, "waited without __WCLONE");
    wait_for(child, __WCLONE, 42);
    child = wants("exit signal SIGUSR1", how, 0, SIGUSR1, live);
    CHECK(waitpid((pid_t)child, NULL, 0) == -1 && errno == ECHILD, "waited without __WCLONE");
    wait_for(child, __WALL, 42);
    for (int i = 0; i < LOOKS && scene->handled_in != scene->parent; i++)
        usleep(1000);
    CHECK(scene->handled_in == scene->parent, "no SIGUSR1 when a child ended");
    if (how == BY_CLONE) {
        child = wants("exit signal that does not exist", how, 0, 100, live);
        wait_for(child, __WALL, 42);
    }
}

// Where namespaces may not be made, or ids not be chosen, nothing is shown, and nothing is where they may.
static void namespaces(enum how how) {
    scene->name = "CLONE_NEWPID";
    long child = make(how, CLONE_NEWPID, SIGCHLD, NULL, fork_again);
    if (child == -EPERM)
        child = make(how, CLONE_NEWPID | CLONE_NEWUSER, SIGCHLD, NULL, fork_again);
    if (child > 0) {
        wait_for(child, 0, 42);
        CHECK(scene->seen_ppid == 0, "parent of the first process in a namespace: %ld", (long)scene->seen_ppid);
    }
    CHECK(child > 0 || child == -EPERM || child == -EINVAL || child == -ENOSPC || child == -EUSERS, "%ld", child);
    if (how != BY_CLONE3)
        return;
    scene->name = "set_tid";
    int tids[] = {1, 0};
    struct clone3_args args = {
        .flags = CLONE_NEWPID, .exit_signal = SIGCHLD, .set_tid = (uintptr_t)tids, .set_tid_size = 1};
    const long first[] = {(long)&args, sizeof args, 0, 0, 0};
    child = born(SYS_clone3, first, live, NULL);
    if (child > 0)
        wait_for(child, 0, 42);
    CHECK(child > 0 || child == -EPERM, "%ld", child);
    tids[0] = (int)scene->parent;
    args.flags = 0;
    child = born(SYS_clone3, first, live, NULL);
    CHECK(child == -EEXIST || child == -EPERM, "taking the parent's own id: %ld", child);
}

static void into_cgroup(void) {
    // The group we are in already, if there is one that can be opened.
    char line[PATH_MAX] = "", path[PATH_MAX + 32];
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && fgets(line, sizeof line, file) && strncmp(line, "0::", 3))
        ;
    if (file)
        fclose(file);
    line[strcspn(line, "\n")] = 0;
    int group = -1;
    const char *mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    for (int i = 0; i < 2 && group < 0 && !strncmp(line, "0::", 3); i++) {
        snprintf(path, sizeof path, "%s%s/cgroup.procs", mounts[i], line + 3);
        if (access(path, W_OK) == 0) {
            snprintf(path, sizeof path, "%s%s", mounts[i], line + 3);
            group = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
    }
    scene->name = "CLONE_INTO_CGROUP";
    struct clone3_args args = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)group};
    const long first[] = {(long)&args, sizeof args, 0, 0, 0};
    if (group >= 0) {
        long child = born(SYS_clone3, first, live, NULL);
        if (child > 0)
            wait_for(child, 0, 42);
        CHECK(child > 0 || child == -EBUSY || child == -EOPNOTSUPP || child == -EACCES, "%ld", child);
        close(group);
    }
    args.cgroup = 1000000;
    long ret = born(SYS_clone3, first, live, NULL);
    CHECK(ret == -EBADF, "no such group: %ld", ret);
    args.cgroup = 1ULL << 40;
    ret = born(SYS_clone3, first, live, NULL);
    CHECK(ret == -EINVAL, "impossible group: %ld", ret);
}

static void every_flag(int is_shown) {
    scene->parent = raw0(SYS_getpid);
    sigprocmask(SIG_BLOCK, NULL, &scene->mask);
    const long none[] = {0, 0, 0, 0, 0};
    char *stack = own_stack;
    long child;

    scene->name = "fork and vfork";
    child = born(SYS_fork, none, live, NULL);
    wait_for(child, 0, 42);
    child = born(SYS_vfork, none, live, NULL);
    is_ours();
    wait_for(child, 0, 42);
    child = born(SYS_vfork, none, change_actions, NULL);
    wait_for(child, 0, 42);
    actions_are_ours();
    child = born(SYS_vfork, none, exec_true, NULL);
    wait_for(child, 0, 42);

    scene->name = "libc's clone()";
    for (int i = 0; i < 3; i++) {
        const int flags[] = {0, CLONE_VFORK, CLONE_VM | CLONE_VFORK};
        scene->parent_tid = scene->child_tid = -1;
        child = clone(libc_body, stack + STACK, flags[i] | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, NULL,
                      &scene->parent_tid, NULL, &scene->child_tid);
        CHECK(child > 0 && scene->parent_tid == child, "clone(): %ld", child);
        wait_for(child, 0, 42);
        CHECK(scene->child_tid == child, "child_tid %d of %ld", scene->child_tid, child);
        is_ours();
    }
    if (is_shown)
        ok("fork, vfork and libc's clone()");

    for (enum how how = 0; how < WAYS; how++) {
        const char *by = how == BY_CLONE ? "clone" : "clone3";
        for (int shares = 0; shares < 2; shares++) {
            const int vm = shares ? CLONE_VM | CLONE_VFORK : 0;
            wait_for(wants("no more flags", how, vm, SIGCHLD, live), 0, 42);
            is_ours();
            wait_for(wants("exec", how, vm, SIGCHLD, exec_true), 0, 42);
            wait_for(wants("actions", how, vm, SIGCHLD, change_actions), 0, 42);
            actions_are_ours();

            child = wants("CLONE_PARENT_SETTID", how, vm | CLONE_PARENT_SETTID, SIGCHLD, live);
            CHECK(scene->parent_tid == child && scene->child_tid == -1, "parent_tid %d", scene->parent_tid);
            wait_for(child, 0, 42);
            wait_for(child = wants("CLONE_CHILD_SETTID", how, vm | CLONE_CHILD_SETTID, SIGCHLD, live_knowing_own_id), 0, 42);
            CHECK(scene->child_tid == child && scene->parent_tid == -1, "child_tid %d", scene->child_tid);
            wait_for(wants("CLONE_CHILD_CLEARTID", how, vm | CLONE_CHILD_CLEARTID, SIGCHLD, live), 0, 42);
            // The kernel leaves the word alone when nobody else has the memory.
            CHECK(scene->child_tid == (shares ? 0 : -1), "child_tid %d", scene->child_tid);

            scene->fd = open("/dev/null", O_WRONLY);
            wait_for(wants("CLONE_FILES", how, vm | CLONE_FILES, SIGCHLD, close_descriptor), 0, 42);
            CHECK(close(scene->fd) == -1 && errno == EBADF, "CLONE_FILES: the child did not close for us");
            scene->fd = open("/dev/null", O_WRONLY);
            wait_for(wants("own descriptors", how, vm, SIGCHLD, close_descriptor), 0, 42);
            CHECK(close(scene->fd) == 0, "without CLONE_FILES: the child closed for us");

            mode_t before = umask(027);
            wait_for(wants("CLONE_FS", how, vm | CLONE_FS, SIGCHLD, change_umask), 0, 42);
            CHECK(umask(027) == 0707, "CLONE_FS: umask");
            wait_for(wants("own umask", how, vm, SIGCHLD, change_umask), 0, 42);
            CHECK(umask(before) == 027, "without CLONE_FS: umask");
        }
        wait_for(wants("CLONE_VFORK", how, CLONE_VFORK, SIGCHLD, live), 0, 42);
        is_ours();
        wait_for(wants("CLONE_VFORK, actions", how, CLONE_VFORK, SIGCHLD, change_actions), 0, 42);
        actions_are_ours();
        wait_for(wants("CLONE_IO and others", how, CLONE_IO | CLONE_SYSVSEM | CLONE_UNTRACED, SIGCHLD, live), 0, 42);

        scene->name = "stack of its own";
        child = make(how, CLONE_VM | CLONE_VFORK, SIGCHLD, stack, live);
        wait_for(child, 0, 42);
        child = make(how, CLONE_VM | CLONE_VFORK, SIGCHLD, stack, exec_true);
        wait_for(child, 0, 42);
        child = make(how, 0, SIGCHLD, stack, live);
        wait_for(child, 0, 42);

        scene->name = "CLONE_SIGHAND";
        child = make(how, CLONE_SIGHAND | CLONE_VM | CLONE_VFORK, SIGCHLD, stack, share_actions);
        wait_for(child, 0, 42);
        struct sigaction action;
        CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == on_usr1_in_child, "actions not shared");
        raise_here(SIGUSR1);
        CHECK(scene->word == -scene->parent, "the child's handler did not run");
        action.sa_handler = on_usr1;
        sigaction(SIGUSR1, &action, NULL);
        actions_are_ours();
        if (is_shown)
            ok("%s: memory, stack, ids, descriptors, umask, actions", by);

        pidfd_works(how);
        exit_signals(how);
        parent_of_siblings(how);
        if (is_shown)
            ok("%s: pidfd, exit signals, siblings", by);
        namespaces(how);
    }

    for (int shares = 0; shares < 2; shares++) {
        int status = -1;
        child = wants("CLONE_CLEAR_SIGHAND", BY_CLONE3, CLONE_CLEAR_SIGHAND | (shares ? CLONE_VM | CLONE_VFORK : 0),
                      SIGCHLD, find_actions_cleared);
        CHECK(waitpid((pid_t)child, &status, 0) == child, "waitpid");
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1, "CLONE_CLEAR_SIGHAND: status %#x", status);
        actions_are_ours();
    }
    into_cgroup();
    no_child_is_left();
    if (is_shown)
        ok("clone3: cleared actions, cgroup");
}

static void *return_argument(void *argument) { return make_calls() ? NULL : argument; }

static void makes_children_still(void) {
    const long none[] = {0, 0, 0, 0, 0};
    wait_for(born(SYS_fork, none, live, NULL), 0, 42);
    wait_for(born(SYS_vfork, none, live, NULL), 0, 42);
    pthread_t thread;
    void *result = NULL;
    CHECK(pthread_create(&thread, NULL, return_argument, scene) == 0, "%s: pthread_create", scene->name);
    pthread_join(thread, &result);
    CHECK(result == scene, "%s: thread's result", scene->name);
    no_child_is_left();
}

static void clone_fails(const char *name, uint64_t flags, long expected) {
    scene->name = name;
    int word = 0;
    const long args[] = {(long)flags, 0, (long)&word, (long)&word, 0};
    long ret = born(SYS_clone, args, live, NULL);
    CHECK(ret == -expected, "clone: %s: %ld", name, ret);
    makes_children_still();
}

static void clone3_fails(const char *name, const void *args, size_t size, long expected) {
    scene->name = name;
    const long first[] = {(long)args, (long)size, 0, 0, 0};
    long ret = born(SYS_clone3, first, live, NULL);
    CHECK(ret == -expected, "clone3: %s: %ld", name, ret);
    makes_children_still();
}

static void failures(void) {
    clone_fails("CLONE_SIGHAND without CLONE_VM", CLONE_SIGHAND | SIGCHLD, EINVAL);
    clone_fails("CLONE_THREAD without CLONE_VM", CLONE_THREAD | CLONE_SIGHAND, EINVAL);
    clone_fails("CLONE_NEWNS with CLONE_FS", CLONE_NEWNS | CLONE_FS | SIGCHLD, EINVAL);
    clone_fails("CLONE_NEWUSER with CLONE_FS", CLONE_NEWUSER | CLONE_FS | SIGCHLD, EINVAL);
    clone_fails("CLONE_PIDFD with CLONE_PARENT_SETTID", CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, EINVAL);
    clone_fails("CLONE_PIDFD with CLONE_DETACHED", CLONE_PIDFD | DETACHED | SIGCHLD, EINVAL);
    ok("failing clone");

    struct clone3_args args = {.exit_signal = SIGCHLD};
    clone3_fails("size 0", &args, 0, EINVAL);
    clone3_fails("size 8", &args, 8, EINVAL);
    clone3_fails("size 63", &args, 63, EINVAL);
    clone3_fails("size above a page", &args, 4097, E2BIG);
    clone3_fails("size huge", &args, ~0UL, E2BIG);
    clone3_fails("no structure", NULL, sizeof args, EFAULT);
    clone3_fails("structure at 8", (void *)8, sizeof args, EFAULT);
    clone3_fails("structure at the end of memory", (void *)-8L, sizeof args, EFAULT);
    clone3_fails("structure in the kernel", (void *)0xffff888000000000, sizeof args, EFAULT);
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED && mprotect(page + 4096, 4096, PROT_NONE) == 0, "mmap");
    memcpy(page + 4096 - 64, &args, 64);
    clone3_fails("structure that ends in the next page", page + 4096 - 64, sizeof args, EFAULT);
    // The first published size, up to the last byte that can be read.
    scene->name = "structure of 64 bytes";
    const long short_args[] = {(long)(page + 4096 - 64), 64, 0, 0, 0};
    wait_for(born(SYS_clone3, short_args, live, NULL), 0, 42);
    struct {
        struct clone3_args known;
        uint64_t later;
    } longer = {.known = args};
    const long longer_args[] = {(long)&longer, sizeof longer, 0, 0, 0};
    scene->name = "longer structure";
    wait_for(born(SYS_clone3, longer_args, live, NULL), 0, 42);
    longer.later = 1;
    clone3_fails("longer structure with a later field", &longer, sizeof longer, E2BIG);

    args.exit_signal = 65;
    clone3_fails("exit signal 65", &args, sizeof args, EINVAL);
    args.exit_signal = 1ULL << 32 | SIGCHLD;
    clone3_fails("exit signal with high bits", &args, sizeof args, EINVAL);
    args = (struct clone3_args){.flags = SIGCHLD};
    clone3_fails("exit signal in flags", &args, sizeof args, EINVAL);
    args = (struct clone3_args){.flags = DETACHED, .exit_signal = SIGCHLD};
    clone3_fails("CLONE_DETACHED", &args, sizeof args, EINVAL);
    args.flags = 1ULL << 63;
    clone3_fails("flag of the future", &args, sizeof args, EINVAL);
    args = (struct clone3_args){.exit_signal = SIGCHLD, .flags = CLONE_CLEAR_SIGHAND | CLONE_SIGHAND};
    clone3_fails("CLONE_CLEAR_SIGHAND with CLONE_SIGHAND", &args, sizeof args, EINVAL);
    args = (struct clone3_args){.exit_signal = SIGCHLD, .stack = (uintptr_t)page};
    clone3_fails("stack without size", &args, sizeof args, EINVAL);
    args = (struct clone3_args){.exit_signal = SIGCHLD, .stack_size = 4096};
    clone3_fails("stack size without stack", &args, sizeof args, EINVAL);
    args = (struct clone3_args){.exit_signal = SIGCHLD, .flags = CLONE_PIDFD, .pidfd = 8};
    clone3_fails("pidfd at 8", &args, sizeof args, EFAULT);
    args = (struct clone3_args){.exit_signal = SIGCHLD, .set_tid_size = 1};
    clone3_fails("set_tid_size without set_tid", &args, sizeof args, EINVAL);
    args = (struct clone3_args){.exit_signal = SIGCHLD, .set_tid_size = 33, .set_tid = (uintptr_t)page};
    clone3_fails("set_tid_size 33", &args, sizeof args, EINVAL);
    args = (struct clone3_args){.exit_signal = SIGCHLD, .set_tid_size = 1, .set_tid = 8};
    clone3_fails("set_tid at 8", &args, sizeof args, EFAULT);
    munmap(page, 8192);
    ok("failing clone3");

    // Words that cannot be written are no failure.
    scene->name = "parent_tid and child_tid at 8";
    const long at_8[] = {CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, 0, 8, 8, 0};
    wait_for(born(SYS_clone, at_8, live, NULL), 0, 42);
    no_child_is_left();
    ok("words that cannot be written");

    scene->name = "flags above the 32 bits that clone looks at";
    signal(SIGILL, on_usr1);
    const long high_bits[] = {(long)(~0UL << 32 | SIGCHLD), 0, 0, 0, 0};
    wait_for(born(SYS_clone, high_bits, find_actions_kept, NULL), 0, 42);
    const long high_bits_vfork[] = {(long)(~0UL << 32 | CLONE_VM | CLONE_VFORK | SIGCHLD), 0, 0, 0, 0};
    wait_for(born(SYS_clone, high_bits_vfork, find_actions_kept, NULL), 0, 42);
    signal(SIGILL, SIG_DFL);
    no_child_is_left();
    ok("flags that clone does not look at");
}

static atomic_int stop;

static void *call_all_the_time(void *unused) {
    while (!stop)
        CHECK(make_calls() == 0, "calls beside a birth");
    return unused;
}
static void *every_flag_in_thread(void *unused) {
    every_flag(0);
    failures();
    return unused;
}

int main(void) {
    null = open("/dev/null", O_WRONLY);
    scene = mmap(NULL, sizeof *scene, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    own_stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(scene != MAP_FAILED && own_stack != MAP_FAILED, "mmap");
    struct sigaction action = {.sa_handler = on_usr1};
    sigaction(SIGUSR1, &action, NULL);
    signal(SIGUSR2, SIG_IGN);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGHUP);
    sigprocmask(SIG_BLOCK, &mask, NULL);

    const char *rounds = getenv("GUEST_ROUNDS");
    for (int i = 0; i < (rounds ? atoi(rounds) : 1); i++) {
        every_flag(i == 0);
        // The callers block everything, so that a signal to the process finds the thread that waits for it.
        sigset_t before;
        sigfillset(&mask);
        pthread_sigmask(SIG_BLOCK, &mask, &before);
        pthread_t callers[2], parent;
        stop = 0;
        for (int j = 0; j < 2; j++)
            CHECK(pthread_create(&callers[j], NULL, call_all_the_time, NULL) == 0, "pthread_create");
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        every_flag(0);
        if (i == 0)
            ok("all of it again while others call");
        CHECK(pthread_create(&parent, NULL, every_flag_in_thread, NULL) == 0, "pthread_create");
        pthread_join(parent, NULL);
        if (i == 0)
            ok("all of it again in a thread");
        stop = 1;
        for (int j = 0; j < 2; j++)
            pthread_join(callers[j], NULL);
    }
    return 0;
}
