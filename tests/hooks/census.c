/*
 * Counts threads and processes against the truth. CENSUS names a scenario,
 * which runs in the constructor of whatever program this is preloaded into; it
 * prints "ok", or what is wrong, and ends the process. With CENSUS=attach the
 * program itself runs, beside a monitor. Without CENSUS nothing happens but the
 * counting, so that images of exec can be preloaded, too.
 */
// flags: -pthread
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <interceptor.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

extern char **environ;

/* What the hooks have seen. */
static _Thread_local pid_t hook_ran_in, hook_parent;
static _Atomic int parent_hooks;
static _Atomic pid_t last_child;

static void *child_hook(pid_t parent_tgid) {
    hook_ran_in = (pid_t)syscall(SYS_gettid);
    hook_parent = parent_tgid;
    return (void *)(intptr_t)hook_ran_in;
}

static void parent_hook(pid_t child_tid) {
    last_child = child_tid;
    parent_hooks++;
}

/* Counts relative to those at the beginning. */
static size_t born_before, groups_before, threads_before;

static void begin(void) {
    born_before = interceptor_pgstat->cnt_thread;
    groups_before = interceptor_pgstat->nr_tgrp;
    threads_before = interceptor_pgstat->nr_thread;
}

static void expect(const char *when, long born, long groups, long threads) {
    long b = (long)(interceptor_pgstat->cnt_thread - born_before);
    long g = (long)(interceptor_pgstat->nr_tgrp - groups_before);
    long t = (long)(interceptor_pgstat->nr_thread - threads_before);
    CHECK(b == born && g == groups && t == threads,
          "%s: %ld born, %ld groups, %ld threads; expected %ld, %ld, %ld", when, b, g, t, born, groups, threads);
}

static void await(pid_t child, int expected) {
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == expected, "child ends with %#x, not %#x", status, expected);
}

static void check_own_identity(void) {
    CHECK(interceptor_tstat.tid == (pid_t)syscall(SYS_gettid), "tstat.tid is %d", interceptor_tstat.tid);
    CHECK(interceptor_tstat.thread_nr > 0, "no number");
}

static atomic_int gate;

/* The numbers that threads have had, in memory that all processes share. */
static struct {
    atomic_uint count;
    size_t number[1 << 14];
} *numbers;

static void note_number(void) {
    if (numbers)
        numbers->number[atomic_fetch_add(&numbers->count, 1)] = interceptor_tstat.thread_nr;
}

static void *live_shortly(void *unused) {
    CHECK(hook_ran_in == (pid_t)syscall(SYS_gettid), "the thread began before its hook");
    CHECK(hook_parent == getpid(), "parent_tgid is %d", hook_parent);
    check_own_identity();
    return unused;
}

static void *wait_at_gate(void *unused) {
    live_shortly(unused);
    while (!gate)
        syscall(SYS_futex, &gate, FUTEX_WAIT, 0, NULL);
    return unused;
}

static void open_gate(void) {
    gate = 1;
    syscall(SYS_futex, &gate, FUTEX_WAKE, INT_MAX);
}

static void threads(void) {
    enum { N = 20 };
    pthread_t ids[N];
    begin();
    size_t local = interceptor_tgstat.nr_local_thread;
    for (int i = 0; i < N; i++)
        CHECK(!pthread_create(&ids[i], NULL, wait_at_gate, NULL), "pthread_create");
    expect("created", N, 0, N);
    CHECK(interceptor_tgstat.nr_local_thread == local + N, "%zu local", interceptor_tgstat.nr_local_thread);
    CHECK(parent_hooks == N, "%d parent hooks", parent_hooks);
    open_gate();
    for (int i = 0; i < N; i++)
        pthread_join(ids[i], NULL);
    expect("joined", N, 0, 0);
    CHECK(interceptor_tgstat.nr_local_thread == local, "%zu local", interceptor_tgstat.nr_local_thread);
}

/* What a process has that may not grow with what it has made. */
struct holdings {
    long descriptors, mappings, resident;
};

static struct holdings holdings(void) {
    struct holdings now = {0, 0, 0};
    static char text[65536];
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory, "no /proc/self/fd");
    while (readdir(directory))
        now.descriptors++;
    closedir(directory);
    int fd = open("/proc/self/maps", O_RDONLY);
    for (ssize_t length; (length = read(fd, text, sizeof text)) > 0;)
        for (ssize_t i = 0; i < length; i++)
            now.mappings += text[i] == '\n';
    close(fd);
    fd = open("/proc/self/statm", O_RDONLY);
    CHECK(read(fd, text, sizeof text - 1) > 0 && sscanf(text, "%*d %ld", &now.resident) == 1, "no /proc/self/statm");
    close(fd);
    return now;
}

static void expect_no_more(const char *when, struct holdings before) {
    enum { MAPPINGS = 64, PAGES = 2048 };
    struct holdings now = holdings();
    CHECK(now.descriptors == before.descriptors && now.mappings - before.mappings < MAPPINGS
              && now.resident - before.resident < PAGES,
          "%s: %ld descriptors, %ld mappings, %ld pages; %ld, %ld, %ld before", when, now.descriptors, now.mappings,
          now.resident, before.descriptors, before.mappings, before.resident);
}

/* How many mappings a thread may have: those of its stack and ours, whose guard is one of its own only where the
 * kernel knows no other way. Ours become one with those of others as a rule. */
static long mappings_of_a_thread(void) {
    enum { GUARD_INSTALL = 102 };
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long count = madvise(page, 4096, GUARD_INSTALL) ? 4 : 3;
    munmap(page, 4096);
    return count;
}

static long number_from(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

enum { MAKERS = 4 };

static pthread_attr_t small;

/* Threads one by one. */
static void *make_threads(void *count) {
    for (long i = 0; i < (intptr_t)count; i++) {
        pthread_t one;
        CHECK(!pthread_create(&one, &small, live_shortly, NULL), "pthread_create");
        CHECK(!pthread_join(one, NULL), "pthread_join");
    }
    return NULL;
}

/* Threads that several make, each one by one. */
static void make_threads_at_once(long count) {
    pthread_t makers[MAKERS];
    for (int i = 0; i < MAKERS; i++)
        CHECK(!pthread_create(&makers[i], NULL, make_threads, (void *)(intptr_t)(count / MAKERS)), "pthread_create");
    for (int i = 0; i < MAKERS; i++)
        pthread_join(makers[i], NULL);
}

static void make_processes(long count, pid_t (*make)(void)) {
    for (long i = 0; i < count; i++) {
        pid_t child = make();
        CHECK(child >= 0, "no process: %m");
        if (child == 0)
            _exit(3);
        await(child, 3 << 8);
    }
}

static pid_t make_vfork(void) {
    pid_t child = vfork();
    if (child == 0)
        _exit(3);
    return child;
}

/* CENSUS_THREADS live at once, CENSUS_BIRTHS more beside them and as many after them, and CENSUS_PROCESSES
 * as children that borrow their memory, and, after them, as ones that have their own. */
static void many(void) {
    long n = number_from("CENSUS_THREADS", 2000), births = number_from("CENSUS_BIRTHS", 20000) / 2;
    long processes = number_from("CENSUS_PROCESSES", 400) / 2;
    /* By when all is given back that others have left. */
    long some = births / 10 > n ? births / 10 : n;
    births -= births % MAKERS;
    some -= some % MAKERS;
    pthread_t *ids = calloc((size_t)n, sizeof *ids);
    size_t local = interceptor_tgstat.nr_local_thread;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, PTHREAD_STACK_MIN + 16384);
    begin();
    long mappings = holdings().mappings + n * mappings_of_a_thread();
    for (long i = 0; i < n; i++)
        CHECK(!pthread_create(&ids[i], &small, wait_at_gate, NULL), "pthread_create %ld", i);
    expect("created", n, 0, n);
    CHECK(interceptor_tgstat.nr_local_thread == local + (size_t)n, "%zu local", interceptor_tgstat.nr_local_thread);
    CHECK(holdings().mappings < mappings + 64, "%ld mappings for %ld threads", holdings().mappings, n);
    make_threads_at_once(some);
    make_processes(processes / 10, make_vfork);
    struct holdings before = holdings();
    make_threads_at_once(births);
    make_processes(processes, make_vfork);
    long born = n + MAKERS * 2 + some + births + processes / 10 + processes;
    expect("beside", born, 0, n);
    expect_no_more("beside", before);
    open_gate();
    for (long i = 0; i < n; i++)
        pthread_join(ids[i], NULL);
    expect("joined", born, 0, 0);
    make_threads_at_once(some);
    make_processes(processes / 10, fork);
    before = holdings();
    make_threads_at_once(births);
    make_processes(processes, fork);
    expect("after", born + MAKERS * 2 + some + births + processes / 10 + processes, 0, 0);
    expect_no_more("after", before);
    CHECK(interceptor_tgstat.nr_local_thread == local, "%zu local", interceptor_tgstat.nr_local_thread);
}

static void check_child(pid_t parent) {
    CHECK(hook_ran_in == getpid(), "the child began before its hook");
    CHECK(hook_parent == parent, "parent_tgid is %d", hook_parent);
    check_own_identity();
}

/* What a process with memory of its own knows of itself. */
struct parent {
    pid_t pid;
    size_t number;
    int pipe_end;
};

static int has_own_memory(void *argument) {
    struct parent *parent = argument;
    char byte;
    end_with_parent();
    check_child(parent->pid);
    CHECK(interceptor_tgstat.tgid == getpid() && interceptor_tgstat.nr_local_thread == 1, "tgstat");
    CHECK(interceptor_tstat.thread_nr != parent->number, "the parent's number");
    CHECK(read(parent->pipe_end, &byte, 1) == 1, "read");
    _exit(3);
}

/* A handler that runs when a vfork comes out, before anything of that is known. */
static void on_usr1(int sig) {
    (void)sig;
    check_own_identity();
    for (int i = 0; i < 4; i++) {
        pid_t child = i % 2 ? vfork() : fork();
        if (child == 0)
            _exit(5);
        await(child, 5 << 8);
    }
}

static void *sleep_for_ever(void *unused) {
    for (;;)
        syscall(SYS_pause);
    return unused;
}

static void processes(void) {
    begin();
    pid_t self = getpid();
    size_t own_number = interceptor_tstat.thread_nr;
    int pipes[2];
    CHECK(!pipe(pipes), "pipe");
    struct parent parent = {self, own_number, pipes[0]};
    static char stack[65536];
    for (int i = 0; i < 10; i++) {
        pid_t child = i % 2 ? clone(has_own_memory, stack + sizeof stack, SIGCHLD, &parent) : fork();
        if (child == 0)
            has_own_memory(&parent);
        CHECK(child > 0 && last_child == child, "fork: hook saw %d, not %d", last_child, child);
        expect("forked", i + 1, 1, 1);
        CHECK(write(pipes[1], "", 1) == 1, "write");
        await(child, 3 << 8);
        expect("waited", i + 1, 0, 0);
    }
    for (int i = 0; i < 10; i++) {
        pid_t child = vfork();
        if (child == 0) {
            check_child(self);
            if (i % 2)
                execl("/no/such/program", "program", NULL);
            _exit(4);
        }
        CHECK(interceptor_tstat.thread_nr == own_number && interceptor_tstat.tid == self, "the child's identity");
        await(child, 4 << 8);
        expect("vforked", 11 + i, 0, 0);
    }
    char *arguments[] = {"true", NULL};
    for (int i = 0; i < 10; i++) {
        pid_t child;
        char *empty[] = {NULL};
        CHECK(!posix_spawn(&child, "/bin/true", NULL, NULL, arguments, i % 2 ? environ : empty), "posix_spawn");
        await(child, 0);
        expect("spawned", 21 + i, 0, 0);
    }
    pid_t child;
    CHECK(posix_spawn(&child, "/no/such/program", NULL, NULL, arguments, environ) == ENOENT, "posix_spawn");
    expect("failing spawn", 31, 0, 0);
    CHECK(system("exit 5") == 5 << 8, "system");
    expect("system", 32, 0, 0);
    signal(SIGUSR1, on_usr1);
    child = vfork();
    if (child == 0) {
        kill(self, SIGUSR1);
        _exit(6);
    }
    await(child, 6 << 8);
    expect("born in a handler", 37, 0, 0);
    /* Its thread is of the child's process, and gone with it. */
    child = vfork();
    if (child == 0) {
        pthread_t thread;
        CHECK(!pthread_create(&thread, NULL, sleep_for_ever, NULL), "pthread_create");
        _exit(7);
    }
    await(child, 7 << 8);
    expect("thread of a vfork child", 39, 0, 0);
    check_own_identity();
    CHECK(interceptor_tgstat.tgid == self && interceptor_tgstat.nr_local_thread == 1, "tgstat");
}

/* What a thread without storage of its own may do: not count on libc. */
static int sharer(void *pipe_end) {
    char byte;
    long end = (intptr_t)pipe_end, got;
    __asm__ volatile("syscall"
                     : "=a"(got)
                     : "a"(SYS_read), "D"(end), "S"(&byte), "d"(1L)
                     : "rcx", "r11", "memory");
    return got == 1 ? 5 : 6;
}

/* Threads and processes on the memory of their creator; with `settls` on `storage`, else on its. */
static void on_storage(int settls, void *storage) {
    enum { N = 4, STACK = 65536, FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND };
    static char stacks[N][STACK];
    static atomic_int alive[N];
    int pipe_ends[2];
    CHECK(!pipe(pipe_ends), "pipe");
    void *end = (void *)(intptr_t)pipe_ends[0];
    size_t local = interceptor_tgstat.nr_local_thread;
    begin();
    for (int i = 0; i < N; i++) {
        alive[i] = 1;
        int tid = clone(sharer, stacks[i] + STACK, FLAGS | settls | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID,
                        end, NULL, storage, &alive[i]);
        CHECK(tid > 0, "clone");
        CHECK(last_child == tid, "the parent's hook got %d, not %d", last_child, tid);
        expect("thread", i + 1, 0, i + 1);
    }
    CHECK(interceptor_tgstat.nr_local_thread == local + N, "%zu local", interceptor_tgstat.nr_local_thread);
    CHECK(clone(sharer, stacks[0], CLONE_THREAD, end) == -1, "clone that cannot be");
    expect("failed", N, 0, N);
    for (int i = 0; i < N; i++)
        CHECK(write(pipe_ends[1], "", 1) == 1, "write");
    for (int i = 0; i < N; i++)
        while (alive[i])
            syscall(SYS_futex, &alive[i], FUTEX_WAIT, 1, NULL);
    expect("ended", N, 0, 0);
    CHECK(interceptor_tgstat.nr_local_thread == local, "%zu local", interceptor_tgstat.nr_local_thread);
    begin();
    for (int i = 0; i < N; i++) {
        pid_t child = clone(sharer, stacks[i] + STACK, settls | CLONE_VM | SIGCHLD, end, NULL, storage);
        CHECK(child > 0, "clone");
        expect("process", i + 1, 1, 1);
        if (i % 2) {
            CHECK(write(pipe_ends[1], "", 1) == 1, "write");
            await(child, 5 << 8);
        } else {
            CHECK(!kill(child, SIGKILL), "kill");
            await(child, SIGKILL);
        }
        expect("process ended", i + 1, 0, 0);
    }
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

static void sharers(void) { on_storage(0, NULL); }

/* Interception ends, with a line: with more sharers than there are seats, with one in a PID
 * namespace of its own, and when a program that has some confines itself. */
enum { SHARED = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND };

static void too_many_sharers(void) {
    enum { N = 520, STACK = 16384 };
    static char stacks[N][STACK];
    static atomic_int alive[N];
    int pipe_ends[2];
    CHECK(!pipe(pipe_ends), "pipe");
    for (int i = 0; i < N; i++) {
        alive[i] = 1;
        CHECK(clone(sharer, stacks[i] + STACK, SHARED | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID,
                    (void *)(intptr_t)pipe_ends[0], NULL, NULL, &alive[i]) > 0, "clone");
    }
    char bytes[N];
    CHECK(write(pipe_ends[1], bytes, N) == N, "write");
    for (int i = 0; i < N; i++)
        while (alive[i])
            syscall(SYS_futex, &alive[i], FUTEX_WAIT, 1, NULL);
}

static void sharer_in_namespace(void) {
    static char stack[65536];
    int pipe_ends[2], status;
    CHECK(!pipe(pipe_ends) && write(pipe_ends[1], "", 1) == 1, "pipe");
    void *end = (void *)(intptr_t)pipe_ends[0];
    CHECK(!geteuid() || !unshare(CLONE_NEWUSER), "unshare");
    pid_t child = clone(sharer, stack + sizeof stack, CLONE_VM | CLONE_NEWPID | SIGCHLD, end);
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 5 << 8, "status %#x", status);
}

static void confined_with_sharers(void) {
    static char stack[65536];
    static atomic_int alive = 1;
    int pipe_ends[2];
    CHECK(!pipe(pipe_ends), "pipe");
    CHECK(clone(sharer, stack + sizeof stack, SHARED | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID,
                (void *)(intptr_t)pipe_ends[0], NULL, NULL, &alive) > 0, "clone");
    struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog filter = {1, &all};
    CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), "seccomp");
    CHECK(write(pipe_ends[1], "", 1) == 1, "write");
    while (alive)
        syscall(SYS_futex, &alive, FUTEX_WAIT, 1, NULL);
}

static _Atomic int child_hooks;

/* There are no thread-local variables. */
static void *foreign_child_hook(pid_t parent_tgid) {
    (void)parent_tgid;
    child_hooks++;
    return NULL;
}

/* Storage that the program has made, with nothing below it that could be read. */
static void foreigners(void) {
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED && !mprotect(pages, 4096, PROT_NONE), "storage");
    interceptor_clone_hook_child = foreign_child_hook;
    interceptor_hook_is_libc_free(1);
    on_storage(CLONE_SETTLS, pages + 4096);
    /* Two of the processes may be killed before they call it. */
    CHECK(child_hooks >= 6, "%d hooks ran", child_hooks);
}

/* Hooks that may use libc do not run there. */
static void foreigners_unseen(void) {
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED && !mprotect(pages, 4096, PROT_NONE), "storage");
    interceptor_clone_hook_child = foreign_child_hook;
    on_storage(CLONE_SETTLS, pages + 4096);
    CHECK(!child_hooks, "%d hooks ran", child_hooks);
}

static void pause_for_microseconds(unsigned count) {
    struct timespec time = {.tv_nsec = (long)count * 1000};
    nanosleep(&time, NULL);
}

/* The first process of a namespace, with many more about to be born there if `is_busy`; killed after some time. */
static void first_process(pid_t (*make)(void), int is_busy, unsigned microseconds) {
    begin();
    pid_t child = make();
    CHECK(child >= 0, "clone");
    if (!child) {
        end_with_parent();
        CHECK(getpid() == 1 && interceptor_tgstat.tgid == 1, "the first of a namespace is %d", getpid());
        for (int i = 0; is_busy && i < 10; i++)
            if (!fork())
                for (;;)
                    fork() || (_exit(0), 0);
        for (;;)
            pause();
    }
    if (!is_busy)
        expect("born", 1, 1, 1);
    pause_for_microseconds(microseconds);
    CHECK(!kill(child, SIGKILL), "kill");
    await(child, SIGKILL);
    expect("killed", is_busy ? (long)(interceptor_pgstat->cnt_thread - born_before) : 1, 0, 0);
}

static pid_t clone_into_namespace(void) {
    return (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
}

static void namespaces(void) {
    CHECK(!unshare(0) && (!geteuid() || !unshare(CLONE_NEWUSER)), "unshare");
    for (unsigned i = 0; i < 60; i++) {
        first_process(clone_into_namespace, i % 3 == 2, i * 37 % 1000);
        first_process(clone_into_namespace, 0, 0);
        pid_t child = fork();
        if (!child) {
            CHECK(!unshare(CLONE_NEWPID), "unshare");
            /* A second one cannot be made any more, and is not to be taken for the first. */
            first_process(fork, i % 3 == 1, i * 37 % 1000);
            begin();
            CHECK(fork() == -1 && errno == ENOMEM, "fork into a namespace that has ended");
            expect("failed", 0, 0, 0);
            _exit(0);
        }
        await(child, 0);
    }
}

/* Processes with the same id, in two namespaces, that execute programs at the same time. */
static void identities(void) {
    CHECK(!unshare(0) && (!geteuid() || !unshare(CLONE_NEWUSER)), "unshare");
    begin();
    for (int round = 0; round < 60; round++) {
        int gate_ends[2];
        pid_t children[2];
        CHECK(!pipe(gate_ends), "pipe");
        for (int i = 0; i < 2; i++) {
            children[i] = clone_into_namespace();
            CHECK(children[i] >= 0, "clone");
            if (!children[i]) {
                char byte, number[64], *arguments[] = {"true", NULL};
                end_with_parent();
                CHECK(getpid() == 1, "the first of a namespace is %d", getpid());
                snprintf(number, sizeof number, "%zu", interceptor_tstat.thread_nr);
                setenv("CENSUS_NUMBER", number, 1);
                CHECK(read(gate_ends[0], &byte, 1) == 1, "read");
                execve("/bin/true", arguments, environ);
                _exit(8);
            }
        }
        CHECK(write(gate_ends[1], "ab", 2) == 2, "write");
        for (int i = 0; i < 2; i++)
            await(children[i], 0);
        close(gate_ends[0]);
        close(gate_ends[1]);
        expect("executed", 2 * (round + 1), 0, 0);
    }
}

static void failures(void) {
    begin();
    for (int i = 0; i < 100; i++) {
        CHECK(syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0) == -1 && errno == EINVAL, "clone of a thread without memory");
        CHECK(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0) == -1 && errno == EINVAL, "clone");
        CHECK(syscall(SYS_clone, CLONE_NEWNS | CLONE_FS | SIGCHLD, 0, 0, 0, 0) == -1 && errno == EINVAL, "clone");
        CHECK(syscall(SYS_clone3, 8L, 64L) == -1 && errno == EFAULT, "clone3 of nothing");
        CHECK(syscall(SYS_clone3, &gate, 3L) == -1 && errno == EINVAL, "clone3 of no size");
    }
    expect("failed births", 0, 0, 0);
    CHECK(parent_hooks == 0, "%d parent hooks", parent_hooks);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    await(child, 0);
    expect("a birth after failures", 1, 0, 0);
}

static void *idle(void *unused) {
    for (;;)
        pause();
    return unused;
}

static void *ends_process(void *how) {
    switch ((intptr_t)how) {
    case 0: exit(7);
    case 1: syscall(SYS_exit_group, 7); break;
    case 2: raise(SIGKILL); break;
    case 3: *(volatile int *)8 = 1; break;
    case 4: abort();
    default: execl("/bin/sh", "sh", "-c", "exit 7", NULL);
    }
    return NULL;
}

/* A process with several threads ends, by one that is not the first. */
static void deaths(void) {
    static const int statuses[] = {7 << 8, 7 << 8, SIGKILL, SIGSEGV, SIGABRT, 7 << 8};
    begin();
    long born = 0;
    for (intptr_t how = 0; how < 6; how++) {
        pid_t child = fork();
        if (child == 0) {
            pthread_t id;
            end_with_parent();
            prctl(PR_SET_DUMPABLE, 0);
            for (int i = 0; i < 4; i++)
                pthread_create(&id, NULL, idle, NULL);
            CHECK(interceptor_tgstat.nr_local_thread == 5, "%zu local", interceptor_tgstat.nr_local_thread);
            pthread_create(&id, NULL, ends_process, (void *)how);
            for (;;)
                pause();
        }
        await(child, statuses[how]);
        born += 6;
        expect("the end of a process", born, 0, 0);
    }
}

static void fail_to_execute(int unused) {
    (void)unused;
    int saved = errno;
    execl("/no/such/program", "program", NULL);
    errno = saved;
}

static atomic_int failing;

/* Each, perhaps, with a handler that fails to, too. */
static void *fails_to_execute(void *unused) {
    for (int i = 0; i < 20000; i++)
        fail_to_execute(0);
    failing = 0;
    return wait_at_gate(unused);
}

static volatile int to_fail;

static void fail_some_times(int unused) {
    if (to_fail-- > 0)
        fail_to_execute(unused);
}

/* The thread is the same, also where a handler has failed to execute something meanwhile. */
static void interrupted_execs(void) {
    enum { ROUNDS = 200 };
    char *arguments[] = {"true", NULL}, *empty[] = {NULL};
    begin();
    for (int i = 0; i < ROUNDS; i++) {
        pid_t child = fork();
        if (child == 0) {
            end_with_parent();
            to_fail = 1 + i % 8;
            signal(SIGURG, fail_some_times); /* ignored by the image */
            execve("/bin/true", arguments, empty);
            _exit(9);
        }
        int status = 0;
        while (waitpid(child, &status, WNOHANG) == 0) {
            kill(child, SIGURG);
            for (volatile int pause = 0; pause < i * 37 % 3000; pause++)
                ;
        }
        CHECK(status == 0, "interrupted exec ends with %#x", status);
    }
    interceptor_group_sync();
    expect("interrupted execs", ROUNDS, 0, 0);
}

/* exec keeps the thread that calls it, and its number. */
static void execs(void) {
    interrupted_execs();
    begin();
    pthread_t thread;
    failing = 1;
    signal(SIGUSR1, fail_to_execute);
    CHECK(!pthread_create(&thread, NULL, fails_to_execute, NULL), "pthread_create");
    while (failing)
        pthread_kill(thread, SIGUSR1);
    interceptor_group_sync();
    expect("failed to execute", 1, 0, 1);
    open_gate();
    pthread_join(thread, NULL);
    begin();
    int pipes[2];
    CHECK(!pipe(pipes), "pipe");
    pid_t child = fork();
    if (child == 0) {
        pthread_t id;
        pthread_create(&id, NULL, idle, NULL);
        dup2(pipes[0], 0);
        close(pipes[1]);
        char *arguments[] = {"cat", NULL}, *empty[] = {NULL};
        CHECK(execve("/no/such/program", arguments, environ) == -1 && errno == ENOENT, "failing exec");
        CHECK(interceptor_tgstat.nr_local_thread == 2, "%zu after a failing exec", interceptor_tgstat.nr_local_thread);
        unsetenv("CENSUS");
        execve("/bin/cat", arguments, empty);
        _exit(9);
    }
    close(pipes[0]);
    char path[64], name[256] = "";
    snprintf(path, sizeof path, "/proc/%d/exe", child);
    for (int i = 0; i < LOOKS && (readlink(path, name, sizeof name - 1) < 0 || !strstr(name, "cat")); i++)
        usleep(1000);
    CHECK(strstr(name, "cat"), "no exec");
    interceptor_group_sync();
    expect("executed", 2, 1, 1);
    close(pipes[1]);
    await(child, 0);
    expect("ended", 2, 0, 0);
    /* Into an image that we cannot follow: still alive until it is dead. */
    CHECK(!access("/sbin/ldconfig", X_OK), "no static program");
    CHECK(system("/sbin/ldconfig -V >/dev/null") == 0, "ldconfig");
    expect("not followed", 4, 0, 0);
}

static void *number_thread(void *unused) {
    note_number();
    return unused;
}

static int by_size(const void *a, const void *b) {
    size_t left = *(const size_t *)a, right = *(const size_t *)b;
    return left < right ? -1 : left > right;
}

static void unique(void) {
    enum { PROCESSES = 6, ROUNDS = 50, THREADS = 5 };
    numbers = mmap(NULL, sizeof *numbers, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    begin();
    note_number();
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() == 0) {
            note_number();
            for (int round = 0; round < ROUNDS; round++) {
                pthread_t ids[THREADS];
                for (int k = 0; k < THREADS; k++)
                    CHECK(!pthread_create(&ids[k], NULL, number_thread, NULL), "pthread_create");
                for (int k = 0; k < THREADS; k++)
                    pthread_join(ids[k], NULL);
            }
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        ;
    unsigned count = 1 + PROCESSES * (1 + ROUNDS * THREADS);
    CHECK(numbers->count == count, "%u numbers", numbers->count);
    expect("all", (long)count - 1, 0, 0);
    qsort(numbers->number, count, sizeof *numbers->number, by_size);
    for (unsigned i = 0; i < count; i++)
        CHECK(numbers->number[i] && (!i || numbers->number[i] != numbers->number[i - 1]), "number %zu",
              numbers->number[i]);
}

/* kill -9 at random moments. */
static void kills(void) {
    const char *rounds = getenv("CENSUS_ROUNDS");
    unsigned seed = (unsigned)getpid();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    interceptor_group_sync();
    begin();
    for (int round = 0; round < (rounds ? atoi(rounds) : 100); round++) {
        pid_t child = fork();
        if (child == 0) {
            end_with_parent();
            for (unsigned n = seed + (unsigned)round;; n = n * 1103515245 + 12345) {
                pthread_t id;
                switch (n >> 16 & 3) {
                case 0:
                    if (interceptor_tgstat.nr_local_thread < 8 && !pthread_create(&id, NULL, number_thread, NULL))
                        pthread_detach(id);
                    break;
                case 1:
                    if (interceptor_pgstat->nr_tgrp < 16 && fork() == 0)
                        continue;
                    break;
                case 2: {
                    char *arguments[] = {"true", NULL};
                    pid_t spawned;
                    posix_spawn(&spawned, "/bin/true", NULL, NULL, arguments, environ);
                    break;
                }
                default: waitpid(-1, NULL, WNOHANG);
                }
            }
        }
        CHECK(child > 0, "fork");
        usleep(rand_r(&seed) % 8000);
        kill(child, SIGKILL);
        /* Its children are ours now; they fork on until all are dead. */
        pid_t dead;
        do {
            DIR *directory = opendir("/proc/self/task");
            struct dirent *entry;
            while ((entry = readdir(directory))) {
                char path[300], list[4096];
                snprintf(path, sizeof path, "/proc/self/task/%s/children", entry->d_name);
                FILE *file = fopen(path, "r");
                if (!file)
                    continue;
                size_t length = fread(list, 1, sizeof list - 1, file);
                fclose(file);
                list[length] = 0;
                for (char *at = strtok(list, " "); at; at = strtok(NULL, " "))
                    kill(atoi(at), SIGKILL);
            }
            closedir(directory);
            dead = waitpid(-1, NULL, WNOHANG);
            if (dead == 0)
                usleep(200);
        } while (dead >= 0);
        CHECK(interceptor_pgstat->nr_thread == threads_before && interceptor_pgstat->nr_tgrp == groups_before,
              "round %d: %zu threads in %zu groups; expected %zu in %zu", round, interceptor_pgstat->nr_thread,
              interceptor_pgstat->nr_tgrp, threads_before, groups_before);
    }
}

/* All descriptors closed: the count goes on, also behind exec. */
static void descriptors(void) {
    begin();
    CHECK(!syscall(SYS_close_range, 3L, ~0UL, 0L), "close_range");
    for (int fd = 3; fd < 4096; fd++)
        CHECK(close(fd) == -1 && errno == EBADF, "descriptor %d is open", fd);
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = open("/dev/null", O_RDONLY);
        CHECK(fds[i] == 3 + i, "the first free descriptor is %d", fds[i]);
    }
    for (int fd = 900; fd < 1100; fd++) {
        CHECK(dup2(fds[0], fd) == fd, "dup2 to %d", fd);
        CHECK(fcntl(fd, F_GETFD) >= 0, "descriptor %d after dup2", fd);
    }
    CHECK(system("exit 0") == 0, "system");
    expect("after all were closed", 1, 0, 0);
    char *arguments[] = {"true", NULL}, *empty[] = {NULL};
    pid_t child;
    CHECK(!posix_spawn(&child, "/bin/true", NULL, NULL, arguments, empty), "posix_spawn");
    await(child, 0);
    expect("spawned", 2, 0, 0);
}

/* Monitors. */
static atomic_int ticks;

static void *tick(void *argument) {
    for (;;) {
        ticks++;
        usleep(1000);
    }
    return argument;
}

static void *returns(void *argument) { return (char *)argument + 1; }

/* Bytes of stack that a monitor has found, once it has. */
static atomic_size_t measured;

static void *measures(void *argument) {
    pthread_attr_t attr;
    size_t size = 0;
    CHECK(!pthread_getattr_np(pthread_self(), &attr), "pthread_getattr_np");
    pthread_attr_getstacksize(&attr, &size);
    pthread_attr_destroy(&attr);
    measured = size;
    return argument;
}

/* Of the attributes that are asked for, here and in what fork makes; there with what the
 * child's hook has returned. */
static void check_measured(pthread_t monitor, void *argument, size_t size) {
    void *result = NULL;
    for (int i = 0; !measured; i++) {
        CHECK(i < LOOKS, "the monitor does not run");
        usleep(1000);
    }
    /* Nothing that follows in it is a cancellation point. */
    CHECK(interceptor_destruct_monitor(&result) == monitor, "destruct");
    CHECK(result == argument && measured == size, "argument %p, %zu bytes of stack", result, (size_t)measured);
    measured = 0;
}

static void attributes(void) {
    pthread_attr_t attr;
    size_t size = 1200 * 1024;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, size);
    interceptor_monitor_attr = &attr;
    interceptor_monitor_fn = measures;
    check_measured(INTERCEPTOR_ATTACH_MONITOR_NOW(&attr), &attr, size);
    pid_t child = fork();
    if (child == 0) {
        check_measured(interceptor_tgstat.monitor, (void *)(intptr_t)getpid(), size);
        _exit(5);
    }
    await(child, 5 << 8);
    interceptor_monitor_attr = NULL;
    interceptor_monitor_fn = NULL;
}

static void *destruct_though_cancelled(void *of) {
    void *result = NULL;
    pthread_t monitor = *(pthread_t *)of;
    pthread_cancel(pthread_self());
    CHECK(interceptor_destruct_monitor(&result) == monitor && result == PTHREAD_CANCELED, "destruct");
    CHECK(interceptor_tgstat.monitor == 0, "a thread that is cancelled leaves a monitor");
    pthread_testcancel();
    return NULL;
}

static void monitors(void) {
    begin();
    void *result = NULL;
    CHECK(interceptor_destruct_monitor(&result) == 0, "a monitor that nobody attached");
    pthread_t monitor = interceptor_attach_monitor(NULL, tick, NULL);
    CHECK(monitor && monitor != (pthread_t)-1 && interceptor_tgstat.monitor == monitor, "attach");
    CHECK(interceptor_attach_monitor(NULL, returns, NULL) == monitor, "a second one");
    CHECK(interceptor_tgstat.nr_local_thread == 2, "%zu local", interceptor_tgstat.nr_local_thread);
    while (ticks < 3)
        usleep(1000);
    CHECK(interceptor_destruct_monitor(&result) == monitor && result == PTHREAD_CANCELED, "destruct");
    CHECK(interceptor_tgstat.monitor == 0 && interceptor_tgstat.nr_local_thread == 1, "after destruct");
    monitor = interceptor_attach_monitor(NULL, returns, (void *)41);
    CHECK(interceptor_destruct_monitor(&result) == monitor && result == (void *)42, "its result");
    expect("monitors", 2, 0, 0);
    attributes();

    /* Who destructs it may be cancelled, but not amid that. */
    pthread_t thread;
    monitor = interceptor_attach_monitor(NULL, tick, NULL);
    CHECK(!pthread_create(&thread, NULL, destruct_though_cancelled, &monitor), "pthread_create");
    CHECK(!pthread_join(thread, &result) && result == PTHREAD_CANCELED, "cancelled afterwards");
    CHECK(interceptor_tgstat.monitor == 0, "a monitor is left");

    /* For every group that fork makes. */
    interceptor_monitor_fn = tick;
    ticks = 0;
    pid_t child = fork();
    if (child == 0) {
        CHECK(interceptor_tgstat.monitor && interceptor_tgstat.nr_local_thread == 2, "no monitor in a child");
        for (int i = 0; ticks < 3; i++) {
            CHECK(i < LOOKS, "the child's monitor does not run");
            usleep(1000);
        }
        _exit(6);
    }
    await(child, 6 << 8);
    interceptor_monitor_fn = NULL;

    /* A process that a bare clone makes has none until it attaches one; a vfork child has none. */
    monitor = interceptor_attach_monitor(NULL, tick, NULL);
    child = (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
    if (child == 0) {
        CHECK(!interceptor_tgstat.monitor && interceptor_tgstat.nr_local_thread == 1, "a monitor without asking");
        ticks = 0;
        CHECK(interceptor_attach_monitor(NULL, tick, NULL) && interceptor_tgstat.nr_local_thread == 2, "no monitor");
        for (int i = 0; ticks < 3; i++) {
            CHECK(i < LOOKS, "the child's monitor does not run");
            usleep(1000);
        }
        syscall(SYS_exit, 7);
    }
    await(child, 7 << 8);
    int standard_error = dup(2), null = open("/dev/null", O_WRONLY);
    CHECK(dup2(null, 2) == 2, "dup2");
    child = vfork();
    if (child == 0) {
        CHECK(!interceptor_attach_monitor(NULL, tick, NULL) && !interceptor_destruct_monitor(NULL), "a monitor");
        _exit(8);
    }
    await(child, 8 << 8);
    CHECK(dup2(standard_error, 2) == 2 && !close(standard_error) && !close(null), "dup2");
    CHECK(interceptor_tgstat.monitor == monitor, "the parent's monitor");
    CHECK(interceptor_destruct_monitor(&result) == monitor && result == PTHREAD_CANCELED, "destruct");

    /* It notices deaths by itself. */
    monitor = interceptor_attach_monitor(NULL, tick, NULL);
    begin();
    signal(SIGCHLD, SIG_IGN);
    child = fork();
    if (child == 0) {
        end_with_parent();
        idle(NULL);
    }
    expect("forked", 1, 1, 1);
    kill(child, SIGKILL);
    for (int i = 0; interceptor_pgstat->nr_thread != threads_before; i++) {
        CHECK(i < LOOKS, "nobody noticed");
        struct timespec pause = {0, 1000000};
        syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &pause, NULL);
    }
}

static const struct {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    {"threads", threads},   {"many", many},   {"processes", processes}, {"failures", failures},
    {"deaths", deaths},     {"execs", execs}, {"unique", unique},       {"kills", kills},
    {"descriptors", descriptors}, {"monitors", monitors}, {"sharers", sharers},
    {"foreigners", foreigners}, {"unseen", foreigners_unseen},
    {"namespaces", namespaces}, {"identities", identities},
    {"too many", too_many_sharers}, {"elsewhere", sharer_in_namespace}, {"confined", confined_with_sharers},
};

__attribute__((constructor(102))) static void start(void) {
    const char *wanted = getenv("CENSUS");
    interceptor_clone_hook_child = child_hook;
    interceptor_clone_hook_parent = parent_hook;
    if (getenv("CENSUS_NUMBER"))
        _exit(interceptor_tstat.thread_nr == strtoul(getenv("CENSUS_NUMBER"), NULL, 10) ? 0 : 9);
    if (!wanted)
        return;
    if (!strcmp(wanted, "attach")) {
        /* The program is to behave as without a monitor, and its children, too. */
        interceptor_monitor_fn = tick;
        INTERCEPTOR_ATTACH_MONITOR_NOW(NULL);
        return;
    }
    CHECK(interceptor_pgstat->nr_thread >= 1, "nobody is counted");
    check_own_identity();
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        if (!strcmp(scenarios[i].name, wanted)) {
            unsetenv("CENSUS");
            scenarios[i].run();
            dprintf(1, "ok\n");
            _exit(0);
        }
    CHECK(0, "no scenario %s", wanted);
}
