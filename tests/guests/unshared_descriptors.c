// expect: A thread may stop sharing its process's descriptors (unshare with CLONE_FILES, close_range with
// CLOSE_RANGE_UNSHARE), and then puts files where it likes. An interceptor that keeps descriptors at high numbers gets out
// of the way there, and the other threads have them where they were: one that remembers a single number for the process
// shows theirs, or loses what it writes to. Each way is gone twice; each time the thread puts a file at every number, and
// the others find none open, put files there, too, and fork a child that does. Flags of close_range also count where there is
// nothing to close.
// musl: yes
#include "guest.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
enum { FIRST = 240, LAST = 260, UNSHARE = 2 };

// Which were open from the start.
static char was_open[LAST];

static void none_is_open(const char *who) {
    for (int fd = FIRST; fd < LAST; fd++)
        CHECK(was_open[fd] || (fcntl(fd, F_GETFD) == -1 && errno == EBADF), "%s: descriptor %d is open", who, fd);
}

static void use_every_number(const char *who) {
    none_is_open(who);
    for (int fd = FIRST; fd < LAST; fd++)
        CHECK(was_open[fd] || (dup2(1, fd) == fd && fcntl(fd, F_GETFD) == 0), "%s: descriptor %d", who, fd);
    for (int fd = FIRST; fd < LAST; fd++)
        CHECK(was_open[fd] || close(fd) == 0, "%s: close %d", who, fd);
    none_is_open(who);
}

static void wrong_flags(void) {
    // As the first one says: Linux before 5.9 has no such call.
    long expected = raw3(SYS_close_range, 1000, 1001, ~0);
    for (int fd = FIRST; fd < LAST; fd++)
        for (int last = fd; last < LAST; last++)
            CHECK(raw3(SYS_close_range, fd, last, ~0) == expected, "wrong flags for %d to %d", fd, last);
    ok("wrong flags: %ld", expected);
}

static void *unshares(void *by_close_range) {
    long ret = by_close_range ? raw3(SYS_close_range, 1000, 1001, UNSHARE) : unshare(CLONE_FILES);
    // Linux before 5.9 has no close_range.
    if (ret == -ENOSYS)
        ret = unshare(CLONE_FILES);
    CHECK(ret == 0, "unshare: %ld", ret);
    use_every_number("thread");
    return by_close_range;
}

int main(void) {
    static const char *const names[] = {"unshare", "close_range"};
    for (int fd = FIRST; fd < LAST; fd++)
        was_open[fd] = fcntl(fd, F_GETFD) >= 0;
    wrong_flags();
    for (long way = 0; way < 4; way++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, unshares, way & 1 ? &was_open : NULL) == 0, "pthread_create");
        CHECK(pthread_join(thread, NULL) == 0, "pthread_join");
        none_is_open("main");
        pid_t child = fork();
        if (child == 0) {
            use_every_number("child");
            _exit(3);
        }
        int status = -1;
        CHECK(waitpid(child, &status, 0) == child && status == 3 << 8, "child's status %#x", status);
        use_every_number("main");
        ok("a thread with descriptors of its own, by %s", names[way & 1]);
    }
    return 0;
}
