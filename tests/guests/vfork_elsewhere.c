// expect: A vfork child may ask for thread storage that nobody has prepared: an area of zeros, so that what libc keeps
// for its parent stays as it is (Chromium's sandbox does). Whoever finds things of its own through FS finds garbage
// there. The child makes calls, changes what it shares with its parent (CLONE_FS) and ends; twenty children
// in turn, on areas above memory that is zero, and above memory that is not. Then one executes a program.
#include "guest.h"
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char directory[64];

static int change_directory(void *unused) {
    (void)unused;
    if (raw1(SYS_chdir, directory) != 0)
        _exit(2);
    for (int i = 0; i < 20; i++)
        if (raw1(SYS_close, -1) != -EBADF)
            _exit(3);
    _exit(7);
}

static int execute(void *unused) {
    (void)unused;
    char *const arguments[] = {"sh", "-c", "exit 9", NULL};
    execv("/bin/sh", arguments);
    _exit(4);
}

static int run(int (*body)(void *), int filling) {
    char stack[16 << 10] __attribute__((aligned(16)));
    char below[4096], storage[4096], *tls = filling ? storage : below;
    memset(below, filling, sizeof below);
    memset(storage, filling, sizeof storage);
    __asm__ volatile("" : : "r"(below), "r"(storage) : "memory");
    tls += 2048;
    memset(tls, 0, 1024);
    int flags = CLONE_FS | CLONE_VM | CLONE_VFORK | CLONE_SETTLS | SIGCHLD, status = -1;
    pid_t child = clone(body, stack + sizeof stack, flags, NULL, NULL, tls, NULL);
    CHECK(child > 0 && waitpid(child, &status, 0) == child, "clone");
    CHECK(WIFEXITED(status), "child ended with %#x", status);
    return WEXITSTATUS(status);
}

int main(void) {
    snprintf(directory, sizeof directory, "/proc/%d/fdinfo", getpid());
    for (int round = 0; round < 20; round++) {
        char here[64];
        CHECK(chdir("/") == 0 && run(change_directory, round % 2 ? 0xa5 : 0) == 7, "round %d", round);
        CHECK(getcwd(here, sizeof here) && strcmp(here, directory) == 0, "working directory");
    }
    ok("children on storage of zeros");
    CHECK(chdir("/") == 0 && run(execute, 0xa5) == 9, "exec");
    ok("exec from there");
    return 0;
}
