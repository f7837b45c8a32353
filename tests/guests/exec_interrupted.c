// expect: A handler comes while its thread is on its way into exec, and tries an exec of its own, which fails, or has a
// vfork child execute a program. What an interceptor has prepared for the first (an environment, say) is not the
// second's: each image finds the environment that it was given, also where that is the longest which fits.
// musl: yes
#include "guest.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { ROUNDS = 80, EACH = 100000, TOO_LONG = 7 };

static char self[4096];
static enum deed { FAILS, VFORKS } deed;
static volatile int left;

static void on_signal(int sig) {
    (void)sig;
    // Handlers that follow each other for ever would let the first come to nothing.
    if (left-- <= 0)
        return;
    int saved = errno;
    char *const arguments[] = {"handler", NULL}, *const environment[] = {"WHO=handler", "B=2", "C=3", NULL};
    if (deed == FAILS) {
        CHECK(execve("/etc/passwd", arguments, environment) == -1 && errno == EACCES, "exec of a file");
    } else {
        pid_t child = vfork();
        if (child == 0) {
            execve("/bin/true", arguments, environment);
            _exit(1);
        }
        int status = -1;
        CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0, "child of the handler: %#x", status);
    }
    errno = saved;
}

// An environment of about that many bytes.
static char **environment_of(long bytes) {
    static char text[EACH + 1], rest[EACH + 1];
    static char *strings[64];
    int count = 0;
    strings[count++] = "WHO=first";
    memset(text, 'x', EACH);
    for (; bytes > EACH; bytes -= EACH)
        strings[count++] = text;
    memset(rest, 'y', (size_t)bytes);
    rest[bytes] = 0;
    strings[count++] = rest;
    strings[count] = NULL;
    return strings;
}

static void run(const char *name, long bytes) {
    for (int i = 0; i < ROUNDS; i++) {
        pid_t child = fork();
        if (child == 0) {
            end_with_parent();
            left = 1 + i % 8;
            struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
            sigaction(SIGURG, &action, NULL); // ignored by the image
            char *const arguments[] = {self, "image", NULL};
            execve(self, arguments, environment_of(bytes));
            _exit(errno == E2BIG ? TOO_LONG : 9);
        }
        CHECK(child > 0, "fork");
        int status = 0;
        while (waitpid(child, &status, WNOHANG) == 0) {
            kill(child, SIGURG);
            for (volatile int wait = 0; wait < i * 37 % 3000; wait++)
                ;
        }
        CHECK(status == 0, "%s: round %d: %#x", name, i, status);
    }
    ok("%s", name);
}

static int fits(long bytes) {
    char *const arguments[] = {self, "image", NULL};
    int status = -1;
    pid_t child = vfork();
    if (child == 0) {
        execve(self, arguments, environment_of(bytes));
        _exit(errno == E2BIG ? TOO_LONG : 9);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child, "waitpid");
    CHECK(status == 0 || status == TOO_LONG << 8, "%ld bytes: %#x", bytes, status);
    return status == 0;
}

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1)
        return getenv("WHO") && !strcmp(getenv("WHO"), "first") ? 0 : 2;
    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0, "own path");
    deed = FAILS;
    run("a failing exec", 0);
    deed = VFORKS;
    run("a vfork child", 0);
    // A quarter of it is for strings.
    struct rlimit limit = {1 << 20, 1 << 20};
    CHECK(setrlimit(RLIMIT_STACK, &limit) == 0, "setrlimit");
    long least = 0, most = 1 << 20;
    while (most - least > 1) {
        long half = (least + most) / 2;
        *(fits(half) ? &least : &most) = half;
    }
    deed = FAILS;
    run("a failing exec, the longest environment", least);
    deed = VFORKS;
    run("a vfork child, the longest environment", least);
    return 0;
}
