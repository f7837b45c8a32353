// expect: exec by a thread that is not the first one ends all others wherever they are, in calls, in handlers, with
// locks, amid a vfork or an exec of their own, and the thread takes the process' id; an exec that fails ends nobody.
// What an interceptor composes for exec may not be shared between threads, and what it wrote down for the thread that
// calls must not be taken for the first one's. Images follow one another in one process: by execve from a thread,
// fexecve, execveat with AT_EMPTY_PATH, a `#!` script, after the first thread has left, from threads that race. Each
// checks its ids, threads, signal actions and mask, pending signals, descriptors and children.
// musl: yes
#include "proc.h"
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

extern char **environ;
static char self[4096], script[64];
static int null, self_fd;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int holding;
static void *volatile nowhere = (void *)8;

static void handler(int sig) {
    (void)sig;
    raw1(SYS_close, -1);
}

static void make_calls(void) {
    for (int i = 0; i < 20; i++)
        CHECK(raw3(SYS_write, null, "hello", 5) == 5 && raw1(SYS_close, -1) == -EBADF && raw0(1000) == -ENOSYS, "calls");
}

static int threads_alive(void) {
    int count = 0;
    DIR *directory = opendir("/proc/self/task");
    CHECK(directory, "opendir");
    for (struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

// Threads that are somewhere when exec ends them.

static void *call_all_the_time(void *unused) {
    for (;;)
        make_calls();
    return unused;
}
static void *hold_lock(void *unused) {
    pthread_mutex_lock(&lock);
    holding++;
    for (;;)
        pause();
    return unused;
}
static void *allocate_all_the_time(void *unused) {
    for (unsigned i = 1;; i = i * 7 % 65521) {
        char *memory = malloc(i);
        memset(memory, 1, i > 64 ? 64 : i);
        FILE *file = i % 50 ? NULL : fopen("/dev/null", "re");
        if (file)
            fclose(file);
        free(memory);
    }
    return unused;
}
static void *wait_for_lock(void *unused) {
    while (!holding)
        usleep(100);
    pthread_mutex_lock(&lock);
    return unused;
}
static void *handle_signals(void *unused) {
    for (;;)
        raw2(SYS_tkill, raw0(SYS_gettid), SIGUSR1);
    return unused;
}
// Its child is alive when exec comes, in memory that nobody else has then; the next image waits for it.
static atomic_int vforked;
static void *vfork_and_wait(void *unused) {
    pid_t child = vfork();
    if (child == 0) {
        vforked = 1;
        struct timespec while_exec = {0, 50000000};
        raw2(SYS_nanosleep, &while_exec, NULL);
        for (int i = 0; i < 50; i++)
            if (raw1(SYS_close, -1) != -EBADF)
                raw1(SYS_exit_group, 1);
        raw1(SYS_exit_group, 41);
    }
    return unused;
}

static void fails(const char *what, long ret, long expected) {
    CHECK(ret == -expected, "%s: %ld, expected %ld", what, ret, -expected);
    make_calls();
}

// How the next image is reached; stages follow one another in one process.
enum stage { FIRST, BY_THREAD, BY_FEXECVE, BY_EXECVEAT, BY_SCRIPT, AFTER_MAIN, STAGES };
static enum stage next;

static void failing_execs(void) {
    static char huge[1 << 18];
    char *args[] = {self, NULL}, *none[] = {NULL}, *bad[] = {nowhere, NULL};
    memset(huge, 'x', sizeof huge - 1);
    char *too_big[] = {self, huge, NULL};
    long tid = raw0(SYS_gettid);
    fails("no such file", raw3(SYS_execve, "/nonexistent/program", args, none), ENOENT);
    fails("directory", raw3(SYS_execve, "/", args, environ), EACCES);
    if (next != BY_SCRIPT)
        fails("no known format", raw3(SYS_execve, script, args, none), ENOEXEC);
    fails("argument too long", raw3(SYS_execve, self, too_big, environ), E2BIG);
    fails("variable too long", raw3(SYS_execve, self, args, too_big), E2BIG);
    fails("bad path", raw3(SYS_execve, nowhere, args, none), EFAULT);
    fails("bad arguments", raw3(SYS_execve, self, nowhere, none), EFAULT);
    fails("bad environment", raw3(SYS_execve, self, args, nowhere), EFAULT);
    fails("bad variable", raw3(SYS_execve, self, args, bad), EFAULT);
    fails("no such descriptor", raw6(SYS_execveat, -1, (long)"", (long)args, (long)none, AT_EMPTY_PATH, 0), EBADF);
    errno = 0;
    CHECK(execvp("no-such-program-anywhere", args) == -1 && errno == ENOENT, "execvp");
    CHECK(raw0(SYS_gettid) == tid, "thread's id after failing execs");
}

static void *exec_next(void *main_thread) {
    char stage[4], pid[24];
    snprintf(stage, sizeof stage, "%d", next);
    snprintf(pid, sizeof pid, "%ld", raw0(SYS_getpid));
    char *args[] = {self, stage, pid, "", "last argument", NULL};
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    sigaddset(&mask, SIGTERM);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    failing_execs();
    raw2(SYS_kill, raw0(SYS_getpid), SIGTERM); // stays pending for the process
    switch (next) {
    case BY_THREAD:
        execve(self, args, environ);
        break;
    case BY_FEXECVE:
        fexecve(self_fd, args, environ);
        break;
    case BY_EXECVEAT:
        raw6(SYS_execveat, self_fd, (long)"", (long)args, (long)environ, AT_EMPTY_PATH, 0);
        break;
    case BY_SCRIPT:
        execve(script, args, environ);
        break;
    case AFTER_MAIN:
        pthread_join(*(pthread_t *)main_thread, NULL);
        for (int i = 0; i < 1000 && state_in("/proc/self/stat") != 'Z'; i++) // until the kernel says so, too
            usleep(1000);
        execve(self, args, environ);
        break;
    default:
        break;
    }
    differs("exec %d failed with %d", next, errno);
}

static void write_script(const char *text) {
    int fd = open(script, O_WRONLY | O_TRUNC | O_CLOEXEC);
    CHECK(fd >= 0, "script");
    dprintf(fd, text, self);
    close(fd);
}

static void start_threads_and_exec(enum stage stage) {
    static pthread_t main_thread;
    main_thread = pthread_self();
    next = stage;
    self_fd = open(self, O_RDONLY | O_CLOEXEC);
    CHECK(self_fd >= 0, "own program");
    null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGUSR1, &action, NULL);
    signal(SIGUSR2, SIG_IGN);
    sigset_t mask; // in every thread
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    static char stack[65536];
    stack_t own_stack = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&own_stack, NULL);

    pthread_t thread;
    void *(*const bodies[])(void *) = {call_all_the_time, call_all_the_time, hold_lock, allocate_all_the_time,
                                       wait_for_lock, handle_signals};
    vforked = 1;
    if (stage == BY_THREAD || stage == AFTER_MAIN) {
        vforked = 0;
        CHECK(pthread_create(&thread, NULL, vfork_and_wait, NULL) == 0, "pthread_create");
    }
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        CHECK(pthread_create(&thread, NULL, bodies[i], NULL) == 0, "pthread_create");
    while (!vforked || !holding)
        usleep(100);
    CHECK(pthread_create(&thread, NULL, exec_next, &main_thread) == 0, "pthread_create");
    if (stage == AFTER_MAIN)
        pthread_exit(NULL);
    for (;;)
        make_calls();
}

// argv: self, stage (or self, script, stage), pid, "", "last argument".
static void check_image(int argc, char **argv, enum stage stage) {
    long pid = strtol(argv[argc - 3], NULL, 10);
    null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    // Standard streams, this, and nothing that was to be closed.
    CHECK(null == 3, "descriptor %d instead of 3", null);
    CHECK(!strcmp(argv[argc - 1], "last argument") && !strcmp(argv[argc - 2], ""), "arguments");
    CHECK(raw0(SYS_getpid) == pid && raw0(SYS_gettid) == pid, "ids %ld and %ld, not %ld", raw0(SYS_getpid),
          raw0(SYS_gettid), pid);
    CHECK(threads_alive() == 1, "%d threads after exec", threads_alive());
    make_calls();
    struct sigaction action;
    CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_DFL, "SIGUSR1 is not the default");
    CHECK(sigaction(SIGUSR2, NULL, &action) == 0 && action.sa_handler == SIG_IGN, "SIGUSR2 is not ignored");
    CHECK(sigaction(SIGILL, NULL, &action) == 0 && action.sa_handler == SIG_DFL, "SIGILL is not the default");
    sigset_t mask, pending;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    sigpending(&pending);
    for (int sig = 1; sig < 32; sig++) {
        CHECK(sigismember(&mask, sig) == (sig == SIGUSR2 || sig == SIGTERM), "signal %d in mask", sig);
        CHECK(sigismember(&pending, sig) == (sig == SIGTERM) || sig == SIGCHLD, "signal %d pending", sig);
    }
    siginfo_t info;
    CHECK(sigwaitinfo(&mask, &info) == SIGTERM && info.si_pid == pid, "the pending signal");
    stack_t own_stack;
    CHECK(sigaltstack(NULL, &own_stack) == 0 && own_stack.ss_flags == SS_DISABLE, "alternate stack");
    if (stage == BY_THREAD || stage == AFTER_MAIN) {
        int status = -1;
        CHECK(waitpid(-1, &status, 0) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 41, "vfork child: %#x", status);
    }
    CHECK(waitpid(-1, NULL, __WALL) == -1 && errno == ECHILD, "a child");
    sigemptyset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    close(null);
}

// Threads that exec at once: one of them wins, the others end.
static void *race(void *start) {
    char pid[24], number[] = "race";
    snprintf(pid, sizeof pid, "%ld", raw0(SYS_getpid));
    char *args[] = {self, number, pid, "", "last argument", NULL}, *cleaned[] = {"A=b", NULL};
    while (!*(atomic_int *)start)
        ;
    execve(self, args, raw0(SYS_gettid) % 2 ? environ : cleaned);
    return NULL;
}
static void races(int rounds) {
    for (int i = 0; i < rounds; i++) {
        pid_t child = fork();
        if (child == 0) {
            static atomic_int start;
            pthread_t thread;
            for (int j = 0; j < 4; j++)
                pthread_create(&thread, NULL, race, &start);
            start = 1;
            if (i % 2)
                race(&start);
            for (;;)
                pause();
        }
        int status = -1;
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 42, "race: %#x",
              status);
    }
    ok("threads that exec at once");
}

int main(int argc, char **argv) {
    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0, "own path");
    if (argc > 1 && !strcmp(argv[1], "race")) {
        CHECK(raw0(SYS_getpid) == strtol(argv[2], NULL, 10) && raw0(SYS_gettid) == raw0(SYS_getpid), "ids after a race");
        CHECK(threads_alive() == 1, "threads after a race");
        return 42;
    }
    if (argc == 1) {
        const char *rounds = getenv("GUEST_ROUNDS");
        races(rounds ? atoi(rounds) : 10);
        raw3(SYS_close_range, 3, ~0u, 0);
        strcpy(script, "/tmp/interceptor-guest-XXXXXX");
        int fd = mkstemp(script);
        CHECK(fd >= 0, "script");
        close(fd);
        chmod(script, 0700);
        setenv("GUEST_SCRIPT", script, 1);
        setenv("PATH", "/bin:/usr/bin", 1); // one that may be searched
        write_script("neither script nor program\n");
        start_threads_and_exec(BY_THREAD);
    }
    CHECK(getenv("GUEST_SCRIPT"), "environment");
    strcpy(script, getenv("GUEST_SCRIPT"));
    enum stage stage = (enum stage)atoi(argv[argc - 4]);
    check_image(argc, argv, stage);
    static const char *const names[] = {"", "a thread", "fexecve", "execveat", "a script", "a thread, after main"};
    CHECK(stage < STAGES, "stage");
    ok("exec by %s", names[stage]);
    if (stage == AFTER_MAIN) {
        unlink(script);
        return 0;
    }
    if (stage + 1 == BY_SCRIPT)
        write_script("#!%s\n");
    if (stage == BY_SCRIPT)
        write_script("neither script nor program\n");
    start_threads_and_exec(stage + 1);
}
