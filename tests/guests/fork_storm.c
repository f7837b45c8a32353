// expect: Threads fork, and the children exec or exit, while SIGCHLD of all of them and an alarm's SIGALRM interrupt
// every thread at any instruction, also between an interceptor's way in and its way out of fork, and on the first
// instructions of a child. Handlers make calls. Every child ends with the status it was given and has run its
// handlers as itself, no signal is lost for good, and no child is left.
// musl: yes
#include "guest.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { THREADS = 4 };
static int rounds = 25, null;
static atomic_int children_ended, alarms;
static __thread int depth;

static void on_child(int sig) {
    (void)sig;
    int saved = errno;
    depth++;
    children_ended++;
    if (raw3(SYS_write, null, "child", 5) != 5 || raw1(SYS_close, -1) != -EBADF)
        differs("calls in the handler of SIGCHLD");
    depth--;
    errno = saved;
}
static void on_alarm(int sig) {
    (void)sig;
    int saved = errno;
    depth++;
    alarms++;
    if (write(null, "alarm", 5) != 5 || close(-1) != -1 || errno != EBADF)
        differs("calls in the handler of SIGALRM");
    depth--;
    errno = saved;
}

static void *fork_all_the_time(void *number) {
    const volatile long tid = raw0(SYS_gettid), pid = raw0(SYS_getpid);
    for (volatile int i = 0; i < rounds; i++) {
        int expected = (int)(((long)number * 50 + i) % 120);
        int by_vfork = i % 5 == 3;
        errno = 77;
        pid_t child = by_vfork ? vfork() : fork();
        if (child == 0 && i % 5 >= 3) {
            char script[16];
            snprintf(script, sizeof script, "exit %d", expected);
            execl("/bin/sh", "sh", "-c", script, (char *)NULL);
            _exit(121);
        }
        if (child == 0) {
            raise(SIGCHLD);
            if (depth != 0 || raw0(SYS_getppid) != pid || raw0(SYS_gettid) != raw0(SYS_getpid))
                _exit(122);
            kill((pid_t)raw0(SYS_getpid), SIGALRM);
            pid_t grandchild = i % 5 == 0 ? fork() : -1;
            if (grandchild == 0)
                _exit(124);
            int status = 0;
            if (grandchild > 0 &&
                (waitpid(grandchild, &status, 0) != grandchild || !WIFEXITED(status) || WEXITSTATUS(status) != 124))
                _exit(123);
            _exit(expected);
        }
        CHECK(child > 0, "fork");
        CHECK(errno == 77, "errno is %d after fork", errno);
        int status = -1;
        pid_t ended = waitpid(child, &status, 0);
        CHECK(ended == child, "waitpid of %d: %d", child, ended);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == expected, "child %d of thread %ld: status %#x, not %d", i,
              (long)number, status, expected);
        CHECK(raw0(SYS_gettid) == tid && raw0(SYS_getpid) == pid && depth == 0, "thread's own ids");
    }
    return number;
}

int main(void) {
    if (getenv("GUEST_ROUNDS"))
        rounds = atoi(getenv("GUEST_ROUNDS"));
    null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct sigaction action = {.sa_handler = on_child, .sa_flags = SA_RESTART};
    sigaction(SIGCHLD, &action, NULL);
    action.sa_handler = on_alarm;
    sigaction(SIGALRM, &action, NULL);
    struct itimerval every = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &every, NULL);

    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, fork_all_the_time, (void *)i) == 0, "pthread_create");
    for (long i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        CHECK(result == (void *)i, "result of thread %ld", i);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    CHECK(waitpid(-1, NULL, __WALL) == -1 && errno == ECHILD, "a child is left");
    CHECK(children_ended > 0 && alarms > 0, "%d of SIGCHLD, %d of SIGALRM", children_ended, alarms);
    int before = children_ended;
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    CHECK(waitpid(child, NULL, 0) == child, "waitpid");
    CHECK(children_ended > before, "SIGCHLD of the last child");
    ok("threads fork, children exec, signals arrive");
    return 0;
}
