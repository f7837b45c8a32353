// expect: posix_spawn, system and popen are what programs start others with; glibc builds them on
// clone3(CLONE_VM | CLONE_VFORK) with all signals blocked, a small stack of its own and a child that calls
// sigaction, sigprocmask, dup2 and exec in shared memory. File actions, attributes, exit statuses, output through
// pipes, a program that cannot be run, and eight threads spawning at once all behave as documented, and the caller's
// signal mask and handlers are those from before.
// musl: yes
// userlands: yes
#include "guest.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static int status_of(pid_t child) {
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child, "waitpid");
    return status;
}

static void *spawn_true(void *unused) {
    for (int i = 0; i < 10; i++) {
        pid_t child;
        char *argv[] = {"true", NULL};
        int error = posix_spawn(&child, "/bin/true", NULL, NULL, argv, environ);
        CHECK(error == 0, "posix_spawn: %d", error);
        CHECK(status_of(child) == 0, "status of true");
    }
    return unused;
}

static void on_usr1(int sig) { (void)sig; }

int main(void) {
    int fds[2];
    char buffer[64];
    pid_t child;
    sigset_t mask, before, after;
    signal(SIGUSR1, on_usr1);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &before);

    CHECK(pipe(fds) == 0, "pipe");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, fds[0]);
    posix_spawnattr_t attr;
    posix_spawnattr_init(&attr);
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGUSR1);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    posix_spawnattr_setsigmask(&attr, &before);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    char *argv[] = {"sh", "-c", "echo from the child; exit 7", NULL};
    CHECK(posix_spawnp(&child, "sh", &actions, &attr, argv, environ) == 0, "posix_spawnp");
    close(fds[1]);
    ssize_t length = read(fds[0], buffer, sizeof buffer);
    CHECK(length == 15 && memcmp(buffer, "from the child\n", 15) == 0, "%zd bytes from the child", length);
    int status = status_of(child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7, "status %#x", status);
    close(fds[0]);
    ok("posix_spawnp with file actions and attributes");

    char *nothing[] = {"nothing", NULL};
    int error = posix_spawn(&child, "/nonexistent/program", NULL, NULL, nothing, environ);
    CHECK(error == ENOENT, "error %d", error);
    CHECK(waitpid(-1, NULL, 0) == -1 && errno == ECHILD, "a failed spawn left a child");
    ok("posix_spawn of nothing says ENOENT");

    status = system("exit 9");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9, "system: %#x", status);
    status = system("kill -9 $$");
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "system of a killed shell: %#x", status);
    ok("system");

    FILE *out = popen("echo one; echo two; exit 3", "r");
    CHECK(out, "popen");
    CHECK(fgets(buffer, sizeof buffer, out) && !strcmp(buffer, "one\n"), "first line");
    CHECK(fgets(buffer, sizeof buffer, out) && !strcmp(buffer, "two\n"), "second line");
    status = pclose(out);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3, "pclose: %#x", status);
    ok("popen");

    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        CHECK(pthread_create(&threads[i], NULL, spawn_true, NULL) == 0, "pthread_create");
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    ok("eight threads spawn ten programs each");

    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int sig = 1; sig < 65; sig++)
        CHECK(sigismember(&before, sig) == sigismember(&after, sig), "signal %d in the mask", sig);
    struct sigaction action;
    sigaction(SIGUSR1, NULL, &action);
    CHECK(action.sa_handler == on_usr1, "handler of SIGUSR1");
    ok("the caller's mask and handlers are unchanged");
    return 0;
}
