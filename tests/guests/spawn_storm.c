// expect: posix_spawn blocks signals, makes a child in the parent's memory and lets it exec, all at once from eight
// threads, half of the time for a file that does not exist; an interceptor's records of the child, of the exec that
// failed and of its environment must not be another thread's. Every program ends with the status it was given, every
// missing file is ENOENT, no child, descriptor or blocked signal is left.
// musl: yes
#include "guest.h"
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;
enum { THREADS = 8 };
static int rounds = 10;

static void wait_for(pid_t child, int expected) {
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == expected, "status %#x",
          status);
}

static void *spawn_all_the_time(void *number) {
    char *true_argv[] = {"true", NULL}, *missing_argv[] = {"missing", NULL}, status[8], script[16];
    char *shell_argv[] = {"sh", "-c", script, NULL}, *cleaned[] = {"PATH=/bin", NULL};
    sigset_t mask;
    for (int i = 0; i < rounds; i++) {
        pid_t child = -1;
        errno = 77;
        int error = posix_spawn(&child, "/bin/true", NULL, NULL, true_argv, i % 2 ? environ : cleaned);
        CHECK(error == 0, "posix_spawn of true: %d", error);
        CHECK(errno == 77, "errno");
        wait_for(child, 0);
        error = posix_spawn(&child, "/nonexistent/program", NULL, NULL, missing_argv, i % 2 ? environ : cleaned);
        CHECK(error == ENOENT, "posix_spawn of nothing: %d", error);
        error = posix_spawnp(&child, "no-such-program-anywhere", NULL, NULL, missing_argv, environ);
        CHECK(error == ENOENT, "posix_spawnp of nothing: %d", error);
        error = posix_spawn(&child, "/", NULL, NULL, missing_argv, environ);
        CHECK(error == EACCES, "posix_spawn of a directory: %d", error);
        if (i % 4 == 0) {
            int expected = (int)(10 * (long)number + i % 10);
            snprintf(status, sizeof status, "%d", expected % 200);
            snprintf(script, sizeof script, "exit %s", status);
            CHECK(posix_spawn(&child, "/bin/sh", NULL, NULL, shell_argv, environ) == 0, "posix_spawn of sh");
            wait_for(child, expected % 200);
        }
        pthread_sigmask(SIG_BLOCK, NULL, &mask);
        for (int sig = 1; sig < 65; sig++)
            CHECK(sigismember(&mask, sig) == 0 || sig == 32 || sig == 33 || sig == 34, "signal %d is blocked", sig);
    }
    return number;
}

static int descriptors(void) {
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (directory && readdir(directory))
        count++;
    closedir(directory);
    return count;
}

int main(void) {
    if (getenv("GUEST_ROUNDS"))
        rounds = atoi(getenv("GUEST_ROUNDS"));
    setenv("PATH", "/bin:/usr/bin", 1); // one that may be searched
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int before = descriptors();
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, spawn_all_the_time, (void *)i) == 0, "pthread_create");
    for (long i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        CHECK(result == (void *)i, "result of thread %ld", i);
    }
    CHECK(waitpid(-1, NULL, __WALL) == -1 && errno == ECHILD, "a child is left");
    CHECK(descriptors() == before, "%d descriptors, before %d", descriptors(), before);
    ok("eight threads spawn programs and missing ones");
    return 0;
}
