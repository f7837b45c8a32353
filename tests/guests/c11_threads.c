// expect: Threads, locks, conditions and thread-specific storage by the names of C11, which libc builds on calls of its
// own, and in those threads the oldest ways to start a program: system and popen, several at once, with SIGINT ignored
// and SIGCHLD blocked meanwhile. Results, output and statuses are right for each, signal actions and masks of the
// whole process are those from before.
// userlands: yes
#include "guest.h"
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>

enum { THREADS = 6 };

static mtx_t lock, timed;
static cnd_t changed;
static once_flag once = ONCE_FLAG_INIT;
static tss_t storage;
static atomic_int initialised, destroyed, handled;
static int turn;
static thread_local long own;

static void initialise(void) { initialised++; }
static void destroy(void *value) {
    (void)value;
    raw1(SYS_close, -1);
    destroyed++;
}
static void handler(int sig) {
    (void)sig;
    handled++;
}

static int take_turns(void *argument) {
    long number = (long)argument;
    own = number;
    call_once(&once, initialise);
    CHECK(tss_set(storage, argument ? argument : &lock) == thrd_success, "tss_set");
    for (int i = 0; i < 20; i++) {
        mtx_lock(&lock);
        while (turn % THREADS != number)
            CHECK(cnd_wait(&changed, &lock) == thrd_success, "cnd_wait");
        turn++;
        CHECK(raw1(SYS_close, -1) == -EBADF && own == number, "calls under the lock");
        cnd_broadcast(&changed);
        mtx_unlock(&lock);
        thrd_yield();
    }
    struct timespec until, nap = {0, 1000000};
    timespec_get(&until, TIME_UTC);
    until.tv_nsec = (until.tv_nsec + 2000000) % 1000000000;
    CHECK(mtx_timedlock(&timed, &until) == thrd_timedout, "mtx_timedlock");
    CHECK(thrd_sleep(&nap, NULL) == 0, "thrd_sleep");
    CHECK(tss_get(storage) == (argument ? argument : &lock), "tss_get");
    if (number % 2)
        thrd_exit((int)number + 100);
    return (int)number + 100;
}

static int run_shells(void *argument) {
    long number = (long)argument;
    for (int i = 0; i < 3; i++) {
        char command[64], line[64] = "";
        snprintf(command, sizeof command, "exit %ld", number * 10 + i);
        int status = system(command);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == number * 10 + i, "system: %#x", status);
        snprintf(command, sizeof command, "echo thread %ld; exit %d", number, i);
        FILE *output = popen(command, i % 2 ? "re" : "r");
        CHECK(output, "popen");
        char expected[64];
        snprintf(expected, sizeof expected, "thread %ld\n", number);
        CHECK(fgets(line, sizeof line, output) && !strcmp(line, expected), "popen's output: %s", line);
        status = pclose(output);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == i, "pclose: %#x", status);
        FILE *input = popen("read word && test \"$word\" = given", "w");
        CHECK(input && fputs("given\n", input) >= 0, "popen for writing");
        status = pclose(input);
        CHECK(status == 0, "pclose: %#x", status);
    }
    int status = system("kill -TERM $$");
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "system of a killed shell: %#x", status);
    status = system("no-such-command-anywhere 2>/dev/null");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 127, "system of nothing: %#x", status);
    CHECK(system(NULL) != 0, "no shell");
    return 7;
}

static void in_threads(int (*body)(void *), int add, int times) {
    thrd_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        CHECK(thrd_create(&threads[i], body, (void *)i) == thrd_success, "thrd_create");
    for (int i = 0; i < THREADS; i++) {
        int result = -1;
        CHECK(thrd_join(threads[i], &result) == thrd_success && result == add + times * i, "result %d", result);
    }
}

int main(void) {
    sigset_t mask, after;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGQUIT, &action, NULL);

    CHECK(mtx_init(&lock, mtx_plain) == thrd_success && mtx_init(&timed, mtx_timed) == thrd_success, "mtx_init");
    CHECK(cnd_init(&changed) == thrd_success && tss_create(&storage, destroy) == thrd_success, "cnd_init");
    mtx_lock(&timed);
    in_threads(take_turns, 100, 1);
    CHECK(initialised == 1 && destroyed == THREADS && turn == 20 * THREADS, "%d %d %d", initialised, destroyed, turn);
    ok("threads, locks, conditions and storage");

    in_threads(run_shells, 7, 0);
    ok("system and popen in threads");
    CHECK(waitpid(-1, NULL, __WALL) == -1 && errno == ECHILD, "a child is left");
    sigprocmask(SIG_BLOCK, NULL, &after);
    for (int sig = 1; sig < 65; sig++)
        CHECK(sigismember(&mask, sig) == sigismember(&after, sig), "signal %d in mask", sig);
    for (int i = 0; i < 2; i++) {
        CHECK(sigaction(i ? SIGQUIT : SIGINT, NULL, &action) == 0, "sigaction");
        CHECK(action.sa_handler == handler && action.sa_flags & SA_RESTART, "action of %s", i ? "SIGQUIT" : "SIGINT");
    }
    raise(SIGINT);
    CHECK(handled == 1, "SIGINT");
    ok("mask and actions are unchanged");
    return 0;
}
