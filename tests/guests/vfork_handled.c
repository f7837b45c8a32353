// expect: A signal that comes while a thread waits for its vfork child is handled the moment that call comes out: before
// an interceptor has seen it come out, as a rule. What the child has left in the words that both share (its id, how deep
// it is, where it has moved a descriptor) is not the parent's then, and the handler makes calls: one that goes by the
// child's id finds no memory (sigaction says EFAULT), or keeps an action for a process that is gone, and one that takes
// the parent for a child loses count of what the handler makes. The handler asks who it is, installs another handler,
// forks, vforks, spawns, makes a thread, puts a file at every number, and does so in a second handler that comes in the
// same way; the child ends, or executes a program. Afterwards the parent is who it was, and the handlers are there.
// musl: yes
#include "guest.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/wait.h>

extern char **environ;

enum deed { ASK, FORK, VFORK, SPAWN, THREAD, TAKE_NUMBERS, AGAIN, LEAVE, DEEDS };
static const char *const names[] = {"asks",          "forks",         "vforks",
                                    "spawns",        "has a thread",  "takes numbers",
                                    "is interrupted", "is the last"};

static long self;
static enum deed deed;
static atomic_int handled, handled_other;

static void on_other(int sig) {
    (void)sig;
    handled_other++;
}

static void ended(pid_t child, int expected) {
    int status = -1;
    pid_t found;
    do
        found = waitpid(child, &status, 0);
    while (found == -1 && errno == EINTR);
    CHECK(child > 0 && found == child && status == expected << 8, "%s: child's status %#x", names[deed], status);
}

static void is_itself(void) {
    CHECK(raw0(SYS_getpid) == self && raw0(SYS_gettid) == self && getpid() == self, "%s: ids", names[deed]);
}

// Ends when its parent has been told, with the parent's call.
static pid_t tell_parent(int executes) {
    pid_t child = vfork();
    if (child == 0) {
        char *const arguments[] = {"sh", "-c", "kill -USR1 $PPID; exit 4", NULL};
        if (executes)
            execv("/bin/sh", arguments);
        raw2(SYS_kill, raw0(SYS_getppid), SIGUSR1);
        raw1(SYS_exit_group, 4);
    }
    return child;
}

static void *return_argument(void *argument) { return raw1(SYS_close, -1) == -EBADF ? argument : NULL; }

static void on_told(int sig) {
    (void)sig;
    int saved = errno;
    is_itself();
    struct sigaction action = {.sa_handler = on_other}, found = {.sa_handler = SIG_IGN};
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0, "%s: sigaction", names[deed]);
    CHECK(sigaction(SIGUSR2, NULL, &found) == 0 && found.sa_handler == on_other, "%s: sigaction", names[deed]);
    pid_t child;
    pthread_t thread;
    void *result = NULL;
    char *const arguments[] = {"sh", "-c", "exit 5", NULL};
    switch (deed) {
    case FORK:
        child = fork();
        if (child == 0)
            _exit(raw0(SYS_getppid) == self ? 3 : 1);
        ended(child, 3);
        break;
    case VFORK:
        child = vfork();
        if (child == 0)
            _exit(raw0(SYS_getppid) == self ? 3 : 1);
        ended(child, 3);
        break;
    case SPAWN:
        CHECK(posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ) == 0, "posix_spawn");
        ended(child, 5);
        break;
    case THREAD:
        CHECK(pthread_create(&thread, NULL, return_argument, &self) == 0, "pthread_create");
        CHECK(pthread_join(thread, &result) == 0 && result == &self, "pthread_join");
        break;
    case TAKE_NUMBERS:
        for (int fd = 240; fd < 260; fd++)
            CHECK(dup2(1, fd) == fd && fcntl(fd, F_GETFD) == 0 && close(fd) == 0, "descriptor %d", fd);
        break;
    case AGAIN:
        if (handled == 0) {
            handled++;
            ended(tell_parent(0), 4);
            return;
        }
        break;
    case LEAVE:
        raise(SIGUSR2);
        CHECK(handled_other == 1, "a handler that was installed a moment ago");
        _exit(6);
    default:
        break;
    }
    is_itself();
    handled++;
    errno = saved;
}

static void be_told(int executes) {
    handled = handled_other = 0;
    signal(SIGUSR2, SIG_IGN);
    pid_t child = tell_parent(executes);
    ended(child, 4);
    for (int i = 0; i < LOOKS && handled < (deed == AGAIN ? 2 : 1); i++)
        usleep(1000);
    CHECK(handled == (deed == AGAIN ? 2 : 1), "%s: handled %d times", names[deed], handled);
    is_itself();
    raise(SIGUSR2);
    CHECK(handled_other == 1, "%s: the handler's own handler has gone", names[deed]);
    child = fork();
    if (child == 0)
        _exit(7);
    ended(child, 7);
}

int main(void) {
    // The second one may come where it interrupts the first.
    struct sigaction action = {.sa_handler = on_told, .sa_flags = SA_NODEFER};
    sigaction(SIGUSR1, &action, NULL);
    for (int executes = 0; executes < 2; executes++)
        for (deed = ASK; deed < DEEDS; deed++) {
            pid_t child = fork();
            if (child == 0) {
                self = raw0(SYS_getpid);
                for (int i = 0; i < 3; i++)
                    be_told(executes);
                _exit(deed == LEAVE ? 1 : 6);
            }
            ended(child, 6);
            ok("a handler that %s when a child has %s", names[deed], executes ? "executed a program" : "ended");
        }
    return 0;
}
