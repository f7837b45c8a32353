// expect: exec at its limits. An interceptor that goes along with exec makes the environment longer, and may not make
// one too long that fits: the longest strings and the most strings that fit are those that fit natively, found by
// halves, for execve and execveat, from a vfork child and a forked one, under two limits of the stack. The image finds
// all of them, and nothing else. One string may have 131,071 bytes. Printed is what fits.
// musl: yes
#include "guest.h"
#include <sys/resource.h>
#include <sys/wait.h>

extern char **environ;

enum { EACH = 100000, LONGEST_STRING = 131072, TOO_LONG = 7, MOST = 200000 };

static char *strings[MOST + 2];

// What the image is to find.
static int is_as_passed(const char *wanted) {
    long count = 0, bytes = 0;
    for (char **at = environ; *at; at++, count++)
        bytes += (long)strlen(*at);
    char found[64];
    snprintf(found, sizeof found, "%ld %ld", count, bytes);
    return strcmp(found, wanted) ? 9 : 0;
}

// Fills in `count` short strings and long ones of `bytes` together. Says what an image is to find.
static void fill_in(long count, long bytes, char *wanted, size_t size) {
    static char text[EACH + 1];
    static char *rest;
    long strings_in = 0, left = bytes;
    memset(text, 'x', EACH);
    free(rest);
    rest = calloc(1, EACH + 1);
    for (; left > EACH; left -= EACH)
        strings[strings_in++] = text;
    memset(rest, 'y', (size_t)left);
    strings[strings_in++] = rest;
    for (long i = 0; i < count; i++)
        strings[strings_in++] = "E=1";
    strings[strings_in] = NULL;
    snprintf(wanted, size, "%ld %ld", strings_in, bytes + 3 * count);
}

enum way { VFORK, FORK, EXECVEAT };

static int fits(enum way way, long count, long bytes) {
    char wanted[64];
    fill_in(count, bytes, wanted, sizeof wanted);
    char *arguments[] = {"exec_limits", wanted, NULL};
    int status;
    pid_t child = way == FORK ? fork() : vfork();
    if (child == 0) {
        if (way == EXECVEAT)
            syscall(SYS_execveat, -100, "/proc/self/exe", arguments, strings, 0);
        else
            execve("/proc/self/exe", arguments, strings);
        _exit(errno == E2BIG ? TOO_LONG : 8);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status), "status %#x", status);
    CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == TOO_LONG, "%ld strings, %ld bytes: the image ends with %d",
          count, bytes, WEXITSTATUS(status));
    return WEXITSTATUS(status) == 0;
}

static void find_limits(enum way way, const char *name, int with_strings) {
    long least = 0, most = 8 << 20;
    while (most - least > 1) {
        long half = (least + most) / 2;
        *(fits(way, 0, half) ? &least : &most) = half;
    }
    ok("%s: %ld bytes", name, least);
    if (!with_strings)
        return;
    for (least = 0, most = MOST; most - least > 1;) {
        long half = (least + most) / 2;
        *(fits(way, half, 10) ? &least : &most) = half;
    }
    ok("%s: %ld strings", name, least);
}

int main(int argc, char **argv) {
    if (argc == 2)
        return is_as_passed(argv[1]);
    find_limits(VFORK, "execve", 0);
    // A quarter of it is for strings.
    struct rlimit limit = {1 << 20, 1 << 20};
    CHECK(setrlimit(RLIMIT_STACK, &limit) == 0, "setrlimit");
    find_limits(VFORK, "with a stack of 1 MiB", 1);
    find_limits(EXECVEAT, "execveat", 0);
    find_limits(FORK, "in a forked child", 0);

    static char longest[LONGEST_STRING + 1];
    for (int more = 0; more < 2; more++) {
        memset(longest, 'z', (size_t)(LONGEST_STRING - 1 + more));
        char wanted[64], *arguments[] = {"exec_limits", wanted, NULL}, *environment[] = {longest, NULL};
        snprintf(wanted, sizeof wanted, "1 %d", LONGEST_STRING - 1);
        int status;
        pid_t child = vfork();
        if (child == 0) {
            execve("/proc/self/exe", arguments, environment);
            _exit(errno == E2BIG ? TOO_LONG : 8);
        }
        CHECK(child > 0 && waitpid(child, &status, 0) == child, "waitpid");
        CHECK(status == (more ? TOO_LONG << 8 : 0), "a string of %d bytes: %#x", LONGEST_STRING - 1 + more, status);
    }
    ok("one long string");
    return 0;
}
