// expect: Daemons close every descriptor they did not open; an interceptor that keeps one finds it gone, or its
// number taken by a file of the program's that it then writes to. Descriptors are closed by close_range, by a loop
// over all numbers and by dup2 over high ones; files opened afterwards get the lowest numbers and keep their
// contents; calls, threads, fork and exec still work. Nothing but 0, 1 and 2 may be open after the close_range.
// musl: yes
#include "guest.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

static void *call_in_thread(void *unused) {
    for (int i = 0; i < 100; i++)
        CHECK(raw1(SYS_close, -1) == -EBADF && raw0(1000) == -ENOSYS, "calls in a thread");
    return unused;
}

static void still_works(const char *after) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, call_in_thread, NULL) == 0, "pthread_create");
    pthread_join(thread, NULL);
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();
        if (child == 0) {
            call_in_thread(NULL);
            if (i == 0)
                _exit(42);
            execl("/bin/sh", "sh", "-c", "exit 42", (char *)NULL);
            _exit(1);
        }
        int status = -1;
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 42, "child: %#x",
              status);
    }
    ok("calls, thread, fork and exec after %s", after);
}

// Fills the numbers that were freed with files and checks that nobody but us uses them.
static void numbers_are_ours(void) {
    int fds[40];
    for (int i = 0; i < 40; i++) {
        fds[i] = memfd_create("own", 0);
        CHECK(fds[i] == 3 + i, "descriptor %d instead of %d", fds[i], 3 + i);
        CHECK(write(fds[i], &i, sizeof i) == sizeof i, "write");
    }
    for (int i = 0; i < 200; i++)
        CHECK(raw1(SYS_close, -1) == -EBADF && raw0(SYS_getpid) == getpid(), "calls");
    for (int i = 0; i < 40; i++) {
        int read_back[2];
        CHECK(pread(fds[i], read_back, sizeof read_back, 0) == sizeof i && *read_back == i, "contents of %d", fds[i]);
        close(fds[i]);
    }
}

// Every way to ask whether a number is a descriptor says no; a path that needs none is found beside it.
static void are_not_open(int first, int last) {
    char area[512];
    for (int fd = first; fd <= last; fd++) {
        CHECK(raw2(SYS_fcntl, fd, F_GETFD) == -EBADF, "descriptor %d is still open to fcntl", fd);
        CHECK(raw2(SYS_fstat, fd, area) == -EBADF, "descriptor %d is still open to fstat", fd);
        CHECK(raw4(SYS_newfstatat, fd, "", area, 0x1000) == -EBADF, "descriptor %d is still open to newfstatat", fd);
        CHECK(raw4(SYS_newfstatat, fd, "below", area, 0) == -EBADF, "something below descriptor %d", fd);
        CHECK(raw4(SYS_newfstatat, fd, "", area, 0) == -ENOENT, "an empty path below descriptor %d", fd);
        CHECK(raw4(SYS_newfstatat, fd, "/", area, 0x1000) == 0, "the root beside descriptor %d", fd);
        CHECK(raw6(SYS_statx, fd, (long)"", 0x1000, 0, (long)area, 0) == -EBADF, "descriptor %d is open to statx", fd);
        CHECK(raw1(SYS_dup, fd) == -EBADF, "descriptor %d is still open to dup", fd);
    }
}

int main(void) {
    struct rlimit limit = {4096, 4096};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
    int highest = (int)limit.rlim_cur - 1;

    long ret = raw3(SYS_close_range, 3, ~0u, 0);
    CHECK(ret == 0, "close_range: %ld", ret);
    are_not_open(3, highest);
    numbers_are_ours();
    still_works("close_range");

    for (int fd = 3; fd <= highest; fd++)
        close(fd);
    numbers_are_ours();
    still_works("closing in a loop");

    for (int fd = highest; fd > highest - 300; fd--)
        CHECK(dup2(1, fd) == fd, "dup2 to %d", fd);
    still_works("dup2 onto high numbers");
    CHECK(raw3(SYS_close_range, 3, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */) == 0, "close on exec");
    still_works("marking all close-on-exec");
    CHECK(raw3(SYS_close_range, 3, ~0u, 2 /* CLOSE_RANGE_UNSHARE */) == 0, "unshare");
    numbers_are_ours();
    still_works("unsharing and closing");
    CHECK(raw3(SYS_close_range, 9, 3, 0) == -EINVAL, "range upside down");
    return 0;
}
