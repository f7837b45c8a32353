// expect: A daemon forks, takes a session of its own, forks again so that its parent is gone, closes every descriptor
// but the one by which it reports, and executes itself, with its environment or without; an interceptor must still
// find what it needs, and what it opens while it starts gets the numbers that the program expects to be free, 0 to 2
// among them. The new image makes files, threads and children, and tells through the descriptor that it kept (a low
// number, a high one, 0 with nothing else open) what it sees; its starter prints that.
// musl: yes
#include "guest.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

extern char **environ;
static char self[4096];

static void *in_thread(void *argument) {
    for (int i = 0; i < 20; i++)
        CHECK(raw1(SYS_close, -1) == -EBADF && raw0(1000) == -ENOSYS, "calls in a thread");
    return argument;
}

// The daemon, executed: everything it says goes to the descriptor.
static int live(int report, long starter) {
    CHECK(dup2(report, 500) == 500, "report");
    for (int fd = 0; fd < 400; fd++)
        if (fd != report && (fcntl(fd, F_GETFD) != -1 || errno != EBADF)) {
            dprintf(500, "DIFFERS descriptor %d is open\n", fd);
            return 1;
        }
    int lowest = open("/dev/null", O_RDWR);
    dprintf(500, "report on %d, lowest free descriptor %d\n", report, lowest);
    for (int fd = lowest + 1; fd < 3; fd++)
        if (fd != report)
            dup2(lowest, fd);
    // From here on the checks of guests can say what is wrong.
    dup2(500, STDOUT_FILENO);
    CHECK(getsid(0) != raw0(SYS_getpid) && getpgrp() == getsid(0), "session");
    CHECK(raw0(SYS_getppid) != starter && getppid() != getsid(0), "parent %d", getppid());
    CHECK(open("/dev/tty", O_RDWR) == -1 && errno == ENXIO, "a daemon has a terminal");
    mode_t mask = umask(022);
    CHECK(mask == 027, "umask %o", mask);
    char directory[64];
    CHECK(getcwd(directory, sizeof directory) && !strcmp(directory, "/"), "directory");

    pthread_t thread;
    void *result = NULL;
    CHECK(pthread_create(&thread, NULL, in_thread, &result) == 0, "pthread_create");
    pthread_join(thread, &result);
    CHECK(result == &result, "thread");
    for (int i = 0; i < 3; i++) {
        pid_t child = i == 1 ? vfork() : fork();
        if (child == 0 && i)
            execl("/bin/sh", "sh", "-c", "exit 42", (char *)NULL);
        if (child == 0)
            _exit(42);
        int status = -1;
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 42, "child %d: %#x", i,
              status);
    }
    dprintf(500, "threads and children\n");
    return 0;
}

enum how { BY_CLOSE_RANGE, BY_LOOP, BY_LIBC, HOWS };

// Closes everything but one descriptor.
static void close_others(enum how how, int kept) {
    if (how == BY_CLOSE_RANGE) {
        if (kept > 0)
            raw3(SYS_close_range, 0, kept - 1, 0);
        CHECK(raw3(SYS_close_range, kept + 1, ~0u, 0) == 0, "close_range");
        return;
    }
    for (int fd = 0; fd < 1024; fd++)
        if (fd != kept)
            close(fd);
}

static void daemonize(enum how how, int kept, int with_environment) {
    int ends[2];
    CHECK(pipe(ends) == 0, "pipe");
    char number[16], starter[24];
    snprintf(number, sizeof number, "%d", kept);
    snprintf(starter, sizeof starter, "%ld", raw0(SYS_getpid));
    pid_t first = fork();
    if (first == 0) {
        CHECK(setsid() == raw0(SYS_getpid), "setsid");
        pid_t second = fork();
        if (second != 0)
            _exit(second > 0 ? 40 : 1);
        while (getppid() == getsid(0)) // until the first one is gone
            usleep(200);
        umask(027);
        CHECK(chdir("/") == 0, "chdir");
        CHECK(dup2(ends[1], 600) == 600 && dup2(600, kept) == kept, "dup2");
        close_others(how, kept);
        char *args[] = {self, number, starter, NULL}, *none[] = {NULL};
        execve(self, args, with_environment ? environ : none);
        dprintf(kept, "DIFFERS exec: errno %d\n", errno);
        _exit(1);
    }
    close(ends[1]);
    int status = -1;
    CHECK(waitpid(first, &status, 0) == first && WIFEXITED(status) && WEXITSTATUS(status) == 40, "first child: %#x",
          status);
    char text[4096];
    size_t length = 0;
    for (ssize_t got; length < sizeof text && (got = read(ends[0], text + length, sizeof text - length)) > 0;)
        length += (size_t)got;
    close(ends[0]);
    ok("daemon by %s, %s environment:", how == BY_CLOSE_RANGE ? "close_range" : "a loop", with_environment ? "own" : "no");
    ssize_t written = write(STDOUT_FILENO, text, length);
    CHECK(written == (ssize_t)length && !memmem(text, length, "DIFFERS", 7), "the daemon's report");
    CHECK(memmem(text, length, "threads and children\n", 21), "the daemon's report is short");
}

// libc's daemon(), and a child that goes on without exec.
static void by_libc(void) {
    int ends[2];
    CHECK(pipe(ends) == 0, "pipe");
    pid_t first = fork();
    if (first == 0) {
        if (daemon(0, 0) != 0)
            _exit(1);
        raw3(SYS_close_range, 3, (unsigned)ends[1] - 1, 0);
        raw3(SYS_close_range, (unsigned)ends[1] + 1, ~0u, 0);
        in_thread(NULL);
        int works = system("exit 7") == 7 << 8 && getsid(0) == getpgrp();
        dprintf(ends[1], "daemon() %s\n", works ? "works" : "does not work");
        _exit(0);
    }
    close(ends[1]);
    int status = -1;
    CHECK(waitpid(first, &status, 0) == first && status == 0, "daemon(): %#x", status);
    char text[100] = "";
    ssize_t length = 0;
    for (ssize_t got; (got = read(ends[0], text + length, sizeof text - 1 - (size_t)length)) > 0;)
        length += got;
    close(ends[0]);
    CHECK(!strcmp(text, "daemon() works\n"), "daemon() says %s", text);
    ok("libc's daemon()");
}

int main(int argc, char **argv) {
    if (argc == 3)
        return live(atoi(argv[1]), strtol(argv[2], NULL, 10));
    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0, "own path");
    const int kept[] = {3, 0, 1, 2, 4, 300};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        for (enum how how = 0; how < BY_LIBC; how++)
            daemonize(how, kept[i], (i + how) % 2);
    by_libc();
    return 0;
}
