// Registered hooks, told by the process that loads this library. CHAIN names
// the scenario.
#define _GNU_SOURCE
#include "interceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

// What happened, a letter for each event.
static char events[64];
static int happened;

static void note(char letter) {
    events[happened++] = letter;
}

static void check_events(int line, const char *wanted) {
    CHECK(!strcmp(events, wanted), "at %d: %s, not %s", line, events, wanted);
    memset(events, 0, sizeof events);
    happened = 0;
}
#define EVENTS(wanted) check_events(__LINE__, wanted)

// A hook that notes its letter in and out, and does what its fields say.
struct noting {
    char letter;
    int decision;
    long result;
    long add; // to the result, on the way out
    long nr;  // instead of the program's
};

static int noting_enter(struct interceptor_call *call, void *data) {
    struct noting *noting = data;
    note(noting->letter);
    call->word = (unsigned long)data;
    if (noting->nr)
        call->nr = noting->nr;
    call->result = noting->result;
    errno = EXDEV; // the program's does not change
    return noting->decision;
}

static void noting_exit(struct interceptor_call *call, void *data) {
    struct noting *noting = data;
    note(noting->letter - 'a' + 'A');
    CHECK(call->word == (unsigned long)data, "another one's word");
    CHECK(call->nr == SYS_getppid || call->nr == SYS_umask, "number %ld", call->nr);
    call->result += noting->add;
    errno = EXDEV;
}

static int add(struct noting *noting, int priority) {
    struct interceptor_hook hook = {
        .size = sizeof hook,
        .name = "noting",
        .calls = "getppid,umask",
        .priority = priority,
        .data = noting,
        .enter = noting_enter,
        .exit = noting_exit,
    };
    int handle = interceptor_register(&hook);
    CHECK(handle > 0, "not registered: %d", errno);
    return handle;
}

static void drop(int handle) {
    CHECK(interceptor_unregister(handle, LIMIT_MS) == 0, "not unregistered: %d", errno);
}

static long variable(long nr, long a0, long a1, long a2, long a3, long a4, long a5, int *forward) {
    (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    if (nr == SYS_getppid)
        note('v');
    *forward = 1;
    return 0;
}

static void ending(struct interceptor_call *call, void *data) {
    CHECK(!data && !call->word, "a word");
    call->result = 4242;
}

static void pairs(void) {
    struct noting a = {.letter = 'a', .decision = INTERCEPTOR_FORWARD_AND_EXIT, .add = 1};
    long parent = syscall(SYS_getppid);
    int handle = add(&a, 0);
    errno = 77;
    CHECK(syscall(SYS_getppid) == parent + 1, "the result is not changed");
    CHECK(errno == 77, "errno is %d", errno);
    EVENTS("aA");
    a.decision = INTERCEPTOR_FORWARD;
    CHECK(syscall(SYS_getppid) == parent, "the result is changed");
    EVENTS("a");
    a.decision = INTERCEPTOR_ANSWER;
    a.result = -EDOM;
    CHECK(syscall(SYS_getppid) == -1 && errno == EDOM, "not answered");
    EVENTS("a");
    drop(handle);
    CHECK(syscall(SYS_getppid) == parent, "still hooked");
    EVENTS("");
    CHECK(interceptor_unregister(handle, 0) == -1 && errno == EINVAL, "unregistered twice");
    // A hook without enter sees all results.
    struct interceptor_hook only_exit = {.size = sizeof only_exit, .exit = ending, .calls = "getppid"};
    handle = interceptor_register(&only_exit);
    CHECK(syscall(SYS_getppid) == 4242, "the result is not changed");
    drop(handle);
}

static void order(void) {
    struct noting a = {.letter = 'a', .decision = INTERCEPTOR_FORWARD_AND_EXIT, .add = 1};
    struct noting b = {.letter = 'b', .decision = INTERCEPTOR_FORWARD};
    struct noting c = {.letter = 'c', .decision = INTERCEPTOR_FORWARD_AND_EXIT, .add = 10};
    struct noting d = {.letter = 'd', .decision = INTERCEPTOR_FORWARD_AND_EXIT, .add = 100};
    long parent = syscall(SYS_getppid);
    int last = add(&d, 7), third = add(&c, 0), first = add(&a, -7), second = add(&b, -7);
    interceptor_syscall_hook = variable;
    CHECK(syscall(SYS_getppid) == parent + 111, "a result is missing");
    EVENTS("abvcdDCA");
    // What is answered in the middle, those before it see, and those after it do not.
    c.decision = INTERCEPTOR_ANSWER;
    c.result = 1000;
    CHECK(syscall(SYS_getppid) == 1001, "not answered");
    EVENTS("abvcA");
    // The next hook sees another number, but the exit the program's.
    c.decision = INTERCEPTOR_FORWARD_AND_EXIT;
    a.nr = SYS_getpid;
    CHECK(syscall(SYS_getppid) == getpid() + 1, "not changed");
    EVENTS("aA");
    a.nr = 0;
    drop(third);
    interceptor_unsubscribe(SYS_getppid);
    CHECK(syscall(SYS_getppid) == parent + 101, "a result is missing");
    EVENTS("abdDA");
    drop(first);
    drop(second);
    drop(last);
    syscall(SYS_getppid);
    EVENTS("");
    interceptor_subscribe(SYS_getppid);
    syscall(SYS_getppid);
    EVENTS("v");
    interceptor_syscall_hook = NULL;
}

static void calls(void) {
    struct noting a = {.letter = 'a'};
    int handle = add(&a, 0);
    syscall(SYS_umask, umask(022));
    EVENTS("aa");
    CHECK(interceptor_subscribe_calls(handle, "%pure,!getppid") == 0, "a list is refused");
    syscall(SYS_getppid);
    syscall(SYS_umask, 022);
    EVENTS("");
    syscall(SYS_getuid);
    EVENTS("a");
    CHECK(interceptor_subscribe_calls(handle, "!%pure") == 0, "a list is refused");
    syscall(SYS_getuid);
    EVENTS("");
    syscall(4711);
    EVENTS("a");
    CHECK(interceptor_subscribe_calls(handle, "none") == 0, "a list is refused");
    syscall(4711);
    EVENTS("");
    CHECK(interceptor_subscribe_calls(handle, "opne") == -1 && errno == EINVAL, "a bad list");
    CHECK(interceptor_subscribe_calls(handle + 1, "none") == -1 && errno == EINVAL, "no handle");
    struct interceptor_hook bad = {.size = sizeof bad, .name = "bad", .calls = "%flie", .enter = noting_enter};
    CHECK(interceptor_register(&bad) == -1 && errno == EINVAL, "a bad list");
    drop(handle);
}

static void limits(void) {
    struct noting a = {.letter = 'a', .decision = INTERCEPTOR_FORWARD_AND_EXIT, .add = 1};
    long parent = syscall(SYS_getppid);
    int handles[INTERCEPTOR_HOOKS];
    for (int i = 0; i < INTERCEPTOR_HOOKS; i++)
        handles[i] = add(&a, i);
    struct interceptor_hook hook = {.size = sizeof hook, .enter = noting_enter};
    CHECK(interceptor_register(&hook) == -1 && errno == ENOSPC, "a place too many");
    CHECK(syscall(SYS_getppid) == parent + INTERCEPTOR_HOOKS, "not all are asked");
    for (int i = 0; i < INTERCEPTOR_HOOKS; i++)
        drop(handles[i]);
    memset(events, 0, sizeof events), happened = 0;
    // Handles are not given twice.
    CHECK(add(&a, 0) != handles[0], "a handle again");
    // Headers of other versions.
    hook.size = offsetof(struct interceptor_hook, exit);
    int older = interceptor_register(&hook);
    CHECK(older > 0, "an older header");
    drop(older);
    struct {
        struct interceptor_hook hook;
        void *more;
    } newer = {hook, NULL};
    newer.hook.size = sizeof newer;
    int handle = interceptor_register(&newer.hook);
    CHECK(handle > 0, "a newer header");
    drop(handle);
    newer.more = &newer;
    CHECK(interceptor_register(&newer.hook) == -1 && errno == E2BIG, "a field that nobody knows");
    hook.size = 8;
    CHECK(interceptor_register(&hook) == -1 && errno == EINVAL, "too small");
}

// Replacing hooks, while threads are inside of them.

static volatile int is_over, is_blocked;
static volatile unsigned long inside[2];

static int slow_enter(struct interceptor_call *call, void *data) {
    volatile unsigned long *count = data;
    (void)call;
    __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
    struct timespec pause = {0, 20000};
    syscall(SYS_nanosleep, &pause, NULL);
    while (is_blocked)
        syscall(SYS_nanosleep, &pause, NULL);
    __atomic_sub_fetch(count, 1, __ATOMIC_SEQ_CST);
    return INTERCEPTOR_FORWARD;
}

static void *calling(void *unused) {
    (void)unused;
    while (!is_over)
        syscall(SYS_getppid);
    return NULL;
}

static int add_slow(int which) {
    struct interceptor_hook hook = {.size = sizeof hook, .calls = "getppid", .enter = slow_enter};
    hook.data = (void *)&inside[which];
    int handle = interceptor_register(&hook);
    CHECK(handle > 0, "not registered: %d", errno);
    return handle;
}

static void replaced(void) {
    pthread_t threads[4];
    int handle = add_slow(0);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, calling, NULL);
    for (int round = 0; round < 200; round++) {
        int which = round % 2, next = add_slow(!which);
        CHECK(interceptor_unregister(handle, LIMIT_MS) == 0, "not left: %d", errno);
        CHECK(inside[which] == 0, "%lu threads are in the old hook", inside[which]);
        handle = next;
    }
    is_blocked = 1;
    while (inside[0] + inside[1] < 4)
        syscall(SYS_sched_yield);
    CHECK(interceptor_synchronize(20) == -1 && errno == ETIMEDOUT, "left while it blocks");
    CHECK(interceptor_unregister(handle, 20) == -1 && errno == ETIMEDOUT, "left while it blocks");
    is_blocked = 0;
    CHECK(interceptor_unregister(handle, LIMIT_MS) == 0, "not left: %d", errno);
    CHECK(inside[0] + inside[1] == 0, "still inside");
    // The child of a process whose threads are inside has none of them.
    handle = add_slow(0);
    is_blocked = 1;
    while (inside[0] < 4)
        syscall(SYS_sched_yield);
    pid_t child = fork();
    if (child == 0)
        _exit(interceptor_synchronize(LIMIT_MS) != 0);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0, "the child waits: %d", status);
    is_blocked = 0;
    is_over = 1;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    drop(handle);
    CHECK(interceptor_synchronize(-1) == 0, "nobody is inside: %d", errno);
}

// What is assigned, the next call and the next signal of every thread see.

enum { ASSIGNED_THREADS = 4 };
static int assigned_round, asked;
static volatile long seen_results[ASSIGNED_THREADS];
static _Thread_local volatile int seen_signals;

static long answering(long nr, long a0, long a1, long a2, long a3, long a4, long a5, int *forward) {
    (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    *forward = nr != SYS_getppid;
    return 4711;
}

static void swallowing(int sig, siginfo_t *info, void *context, int *forward) {
    (void)info, (void)context;
    *forward = sig != SIGUSR1;
}

static void count_signal(int sig) {
    seen_signals += sig == SIGUSR1;
}

static void *ask_each_round(void *index) {
    for (int round = 1; round <= 400; round++) {
        while (__atomic_load_n(&assigned_round, __ATOMIC_SEQ_CST) < round)
            interceptor_syscall(SYS_sched_yield);
        seen_signals = 0;
        long result = syscall(SYS_getppid);
        raise(SIGUSR1);
        seen_results[(long)index] = 10 * result + seen_signals;
        __atomic_add_fetch(&asked, 1, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

static void assigned(void) {
    pthread_t threads[ASSIGNED_THREADS];
    long parent = syscall(SYS_getppid);
    signal(SIGUSR1, count_signal);
    for (long i = 0; i < ASSIGNED_THREADS; i++)
        pthread_create(&threads[i], NULL, ask_each_round, (void *)i);
    for (int round = 1; round <= 400; round++) {
        int is_hooked = round % 2, is_subscribed = round % 4 < 2, is_swallowed = round % 8 < 4;
        interceptor_syscall_hook = is_hooked ? answering : NULL;
        if (is_subscribed)
            interceptor_subscribe(SYS_getppid);
        else
            interceptor_unsubscribe(SYS_getppid);
        interceptor_signal_hook = is_swallowed ? swallowing : NULL;
        __atomic_store_n(&asked, 0, __ATOMIC_SEQ_CST);
        __atomic_store_n(&assigned_round, round, __ATOMIC_SEQ_CST);
        while (__atomic_load_n(&asked, __ATOMIC_SEQ_CST) < ASSIGNED_THREADS)
            interceptor_syscall(SYS_sched_yield);
        long wanted = 10 * (is_hooked && is_subscribed ? 4711 : parent) + !is_swallowed;
        for (int i = 0; i < ASSIGNED_THREADS; i++)
            CHECK(seen_results[i] == wanted, "round %d: %ld, not %ld", round, seen_results[i], wanted);
    }
    for (int i = 0; i < ASSIGNED_THREADS; i++)
        pthread_join(threads[i], NULL);
}

// What the hook of the variable returns, and what the program gets.

static long returning(long nr, long a0, long a1, long a2, long a3, long a4, long a5, int *forward) {
    (void)nr, (void)a4, (void)a5;
    CHECK(*forward == 0, "forward is %d at first", *forward);
    *forward = (int)a2;
    errno = (int)a1;
    (void)a3;
    return a0;
}

static void results(void) {
    static const struct {
        long returned, error, forward, result;
        int errno_after;
    } cases[] = {
        {42, 0, 0, 42, 77},      {0, EDOM, 0, 0, 77},        {-1, EDOM, 0, -1, EDOM},
        {-EDOM, 0, 0, -1, EDOM}, {-4095, 0, 0, -1, 4095},    {-4096, 0, 0, -4096, 77},
        {-1, 0, 0, 0, 77},       {-1, EDOM, 1, -2, 77},      {42, EDOM, -1, -2, 77},
    };
    long parent = syscall(SYS_getppid);
    interceptor_syscall_hook = returning;
    CHECK(interceptor_subscribe(SYS_getppid) == 0, "subscribe");
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        errno = 77;
        long result = syscall(SYS_getppid, cases[i].returned, cases[i].error, cases[i].forward);
        long wanted = cases[i].result == -2 ? parent : cases[i].result;
        CHECK(result == wanted && errno == cases[i].errno_after, "case %u: %ld, errno %d", i, result, errno);
    }
    interceptor_syscall_hook = NULL;
    errno = 0;
    CHECK(interceptor_subscribe(512) == -1 && errno == EINVAL, "a number out of range");
    errno = 0;
    CHECK(interceptor_unsubscribe(-2) == -1 && errno == EINVAL, "a number out of range");
    errno = 0;
    CHECK(interceptor_signal_subscribe(8) == -1 && errno == EINVAL, "a bit that means nothing");
    struct interceptor_coverage coverage;
    errno = 0;
    CHECK(interceptor_coverage(10000, &coverage) == -1 && errno == ENOENT, "an object too many");
}

// Words of threads.

static int handles[2];

static int counting_enter(struct interceptor_call *call, void *data) {
    (void)call;
    void **word = interceptor_thread_word(handles[(long)data]);
    *word = (char *)*word + 1 + (long)data;
    return INTERCEPTOR_FORWARD;
}

static void *count_in_thread(void *calls) {
    CHECK(!*interceptor_thread_word(handles[0]), "a new thread has a word");
    for (long i = 0; i < (long)calls; i++)
        syscall(SYS_getppid);
    CHECK(*interceptor_thread_word(handles[0]) == calls, "the word is wrong");
    CHECK(*interceptor_thread_word(handles[1]) == (char *)calls + (long)calls, "the word is wrong");
    CHECK(!*interceptor_thread_word(0), "the variable's word");
    return NULL;
}

static void words(void) {
    for (long i = 0; i < 2; i++) {
        struct interceptor_hook hook = {.size = sizeof hook, .calls = "getppid", .enter = counting_enter};
        hook.data = (void *)i;
        handles[i] = interceptor_register(&hook);
    }
    // Blocks are used again, words are not.
    for (long round = 0; round < 3; round++) {
        pthread_t threads[8];
        for (long i = 0; i < 8; i++)
            pthread_create(&threads[i], NULL, count_in_thread, (void *)(i * 10 + round));
        for (long i = 0; i < 8; i++)
            pthread_join(threads[i], NULL);
    }
    syscall(SYS_getppid);
    CHECK(*interceptor_thread_word(handles[1]) == (void *)2, "the first thread's word");
    CHECK(interceptor_thread_word(12345) == NULL, "no handle");
}

// Lives.

static int lives_of_threads, lives_of_processes;

static void on_thread_start(const struct interceptor_thread *thread, pid_t parent, void *data) {
    CHECK(data == events && thread->tgid == parent && thread->tid != parent, "not a thread");
    __atomic_add_fetch(&lives_of_threads, 1, __ATOMIC_SEQ_CST);
    errno = EXDEV;
}
static void on_thread_exit(const struct interceptor_thread *thread, void *data) {
    CHECK(data == events && thread->tid == syscall(SYS_gettid), "not this thread");
    __atomic_add_fetch(&lives_of_threads, 100, __ATOMIC_SEQ_CST);
}
static void on_process_start(const struct interceptor_thread *thread, pid_t parent, void *data) {
    CHECK(data == events && thread->tid == thread->tgid && parent == getppid(), "not a process");
    note('s');
}
static void on_child_born(pid_t child, void *data) {
    CHECK(data == events && child > 0, "no child");
    lives_of_processes++;
}
static void on_process_exec(const struct interceptor_thread *thread, void *data) {
    CHECK(data == events && thread->tgid == getpid(), "not this process");
    note('x');
}
static void on_process_exit(const struct interceptor_thread *thread, int status, void *data) {
    if (data == events && thread->tgid == getpid() && status == 3)
        interceptor_syscall(SYS_exit_group, 30 + !strcmp(events, "sx"));
}

static void *nothing(void *unused) {
    return unused;
}

static void lives(void) {
    struct interceptor_hook hook = {
        .size = sizeof hook,
        .name = "lives",
        .data = events,
        .thread_start = on_thread_start,
        .thread_exit = on_thread_exit,
        .process_start = on_process_start,
        .child_born = on_child_born,
        .process_exec = on_process_exec,
        .process_exit = on_process_exit,
    };
    int handle = interceptor_register(&hook);
    pthread_t thread;
    pthread_create(&thread, NULL, nothing, NULL);
    pthread_join(thread, NULL);
    CHECK(lives_of_threads == 101 && lives_of_processes == 1, "%d", lives_of_threads);
    pid_t child = fork();
    if (child == 0) {
        execl("/nowhere", "nowhere", NULL);
        _exit(3);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child, "no child");
    CHECK(WEXITSTATUS(status) == 31, "the child has seen %d", WEXITSTATUS(status));
    CHECK(lives_of_processes == 2, "births: %d", lives_of_processes);
    drop(handle);
    pthread_create(&thread, NULL, nothing, NULL);
    pthread_join(thread, NULL);
    CHECK(lives_of_threads == 101 && lives_of_processes == 2, "still told");
}

// Signals.

static int on_signal(int sig, siginfo_t *info, void *context, void *data) {
    CHECK(info->si_signo == sig && context, "not a signal");
    note(*(char *)data);
    return sig == SIGUSR2 && *(char *)data == 'q' ? INTERCEPTOR_ANSWER : INTERCEPTOR_FORWARD;
}

static void handler(int sig) {
    (void)sig;
    note('h');
}

static void signals(void) {
    signal(SIGUSR1, handler);
    signal(SIGUSR2, handler);
    struct interceptor_hook hook = {.size = sizeof hook, .data = "q", .signal = on_signal};
    int second = interceptor_register(&hook);
    hook.data = "p", hook.priority = -1;
    int first = interceptor_register(&hook);
    raise(SIGUSR1);
    EVENTS("pqh");
    raise(SIGUSR2);
    EVENTS("pq");
    drop(first), drop(second);
    raise(SIGUSR2);
    EVENTS("h");
}

// Reentrancy.

static int reentering_enter(struct interceptor_call *call, void *data) {
    (void)data;
    note('a');
    CHECK(interceptor_in_hook(), "not in a hook");
    syscall(SYS_getppid); // does not come here again
    pid_t child = fork();
    if (child == 0)
        _exit(interceptor_in_hook() ? 7 : 0);
    int status;
    waitpid(child, &status, 0);
    call->result = WEXITSTATUS(status);
    return INTERCEPTOR_ANSWER;
}

static void reentered(void) {
    struct interceptor_hook hook = {.size = sizeof hook, .calls = "getppid", .enter = reentering_enter};
    interceptor_register(&hook);
    CHECK(!interceptor_in_hook(), "in a hook");
    CHECK(syscall(SYS_getppid) == 7, "not answered");
    CHECK(!interceptor_in_hook(), "in a hook");
    EVENTS("a");
}

// Memory of the program.

static void memory(void) {
    char *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(pages + 4096, 4096, PROT_READ);
    munmap(pages + 8192, 4096);
    long word = 5, end = (long)pages + 8192;
    char text[5000];
    CHECK(interceptor_read(&word, (long)pages, sizeof word) == 0 && word == 0, "not read");
    CHECK(interceptor_read(&word, end - 7, sizeof word) == -1 && errno == EFAULT, "read too far");
    CHECK(interceptor_read(&word, 0, 8) == -1 && errno == EFAULT, "NULL read");
    CHECK(interceptor_read(&word, 0, 0) == 0, "nothing read");
    word = 6;
    CHECK(interceptor_write((long)pages, &word, 1) == 0 && *pages == 6, "not written");
    CHECK(interceptor_write((long)pages + 4096, &word, 8) == -1 && errno == EFAULT, "written");
    CHECK(interceptor_write(-1, &word, 8) == -1 && errno == EFAULT, "written nowhere");
    memset(pages, 'x', 4096);
    CHECK(interceptor_read_string(text, (long)pages + 4090, sizeof text) == 6, "a string that ends on a page");
    CHECK(!strcmp(text, "xxxxxx"), "%s", text);
    CHECK(interceptor_read_string(text, (long)pages, 4096) == -1 && errno == ENAMETOOLONG, "it fits");
    CHECK(interceptor_read_string(text, (long)pages, 4097) == 4096, "it does not fit");
    CHECK(interceptor_read_string(text, (long)pages, 0) == -1 && errno == ENAMETOOLONG, "nothing fits");
    mprotect(pages + 4096, 4096, PROT_READ | PROT_WRITE);
    memset(pages, 'x', 8192);
    CHECK(interceptor_read_string(text, end - 5, sizeof text) == -1 && errno == EFAULT, "no end");
    CHECK(interceptor_read_string(text, 0, sizeof text) == -1 && errno == EFAULT, "NULL");
}

static void names(void) {
    CHECK(!strcmp(interceptor_syscall_name(SYS_openat), "openat"), "openat");
    CHECK(!interceptor_syscall_name(-1) && !interceptor_syscall_name(500), "no name");
    CHECK(interceptor_syscall_number("openat") == SYS_openat, "openat");
    CHECK(interceptor_syscall_number("opne") == -1, "opne");
    CHECK(interceptor_syscall_is_in(SYS_openat, "%file") == 1, "openat names a file");
    CHECK(interceptor_syscall_is_in(SYS_read, "%file") == 0, "read names none");
    CHECK(interceptor_syscall_is_in(SYS_read, "%flie") == -1 && errno == EINVAL, "no class");
    CHECK(!strcmp(interceptor_errno_name(ENOENT), "ENOENT"), "ENOENT");
    for (int error = 1; error < 134; error++)
        if (interceptor_errno_name(error)) {
            const char *description = interceptor_errno_description(error);
            CHECK(!strcmp(description, strerror(error)), "%s", description);
            CHECK(!strcmp(interceptor_errno_name(error), strerrorname_np(error)) || error == EAGAIN ||
                      error == EDEADLK || error == EOPNOTSUPP, "%d", error);
            CHECK(interceptor_errno_number(interceptor_errno_name(error)) == error, "%d", error);
        }
    CHECK(!interceptor_errno_name(-1) && !interceptor_errno_description(0), "no error");
    CHECK(interceptor_errno_number("EWHAT") == -1, "EWHAT");
    CHECK(!strcmp(interceptor_signal_name(SIGINT), "SIGINT"), "SIGINT");
    CHECK(!interceptor_signal_name(0) && !interceptor_signal_name(32), "no signal");

    struct interceptor_call call = {.nr = SYS_openat, .args = {AT_FDCWD, (long)"/etc/x"}, .result = -ENOENT};
    const char *line = "openat(AT_FDCWD, \"/etc/x\", O_RDONLY) = -1 ENOENT (No such file or directory)";
    char text[128];
    CHECK(interceptor_format_call(&call, text, sizeof text) == strlen(line), "%s", text);
    CHECK(!strcmp(text, line), "%s", text);
    CHECK(interceptor_format_call(&call, text, 8) == 7 && !strcmp(text, "openat("), "%s", text);
    CHECK(interceptor_format_call(&call, text, 0) == 0, "nothing");
}

static void versions(void) {
    CHECK(interceptor_version() == INTERCEPTOR_VERSION, "%#x", interceptor_version());
    CHECK(INTERCEPTOR_CHECK_VERSION("this hook"), "not good for itself");
    CHECK(interceptor_check_version(INTERCEPTOR_VERSION_OF(0, 0, 9), NULL), "older");
    CHECK(!interceptor_check_version(INTERCEPTOR_VERSION_OF(0, 2, 0), "a newer hook"), "newer");
    CHECK(!interceptor_check_version(INTERCEPTOR_VERSION_OF(1, 0, 0), NULL), "another one");
}

static const struct {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    {"pairs", pairs},   {"order", order},         {"calls", calls},   {"limits", limits},
    {"replaced", replaced}, {"words", words},     {"lives", lives},   {"signals", signals},
    {"reentered", reentered}, {"memory", memory}, {"names", names},   {"versions", versions},
    {"assigned", assigned}, {"results", results},
};

__attribute__((constructor)) static void start(void) {
    const char *name = getenv("CHAIN");
    for (size_t i = 0; name && i < sizeof scenarios / sizeof *scenarios; i++)
        if (!strcmp(scenarios[i].name, name)) {
            unsetenv("CHAIN");
            interceptor_unsubscribe(-1);
            CHECK(interceptor_allowed(), "not intercepted");
            if (!strcmp(name, "order"))
                interceptor_subscribe(SYS_getppid);
            scenarios[i].run();
            dprintf(1, "ok\n");
        }
}
