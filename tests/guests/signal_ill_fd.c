// expect: SIGILL read from a signalfd, as any signal that is blocked: in the order of numbers, with what the sender gave,
// by read and readv; select, poll, epoll and their like with and without a mask tell of it, be it there before them or
// sent while they wait; a handler that interrupts them sees the masks, makes calls, sends it itself, and the call is made
// again or ends in EINTR, or is left by siglongjmp. A descriptor is shared with a child, which reads its own. One that is
// sent to a thread is the thread's. Three signals come at one moment, and each handler makes calls and sends it. Then a
// child sends it at any moment: none is lost. Afterwards the mask, the handler and what is pending are as ever.
// musl: yes
#include "at_any_moment.h"
#include "masks.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

static const uint64_t ill = 1ul << (SIGILL - 1), usr1 = 1ul << (SIGUSR1 - 1), alrm = 1ul << (SIGALRM - 1);
static int fd;
static volatile int handled, sends, leaves;
static volatile uint64_t in_handler, in_context;
static sigjmp_buf out;

static uint64_t pending(void) {
    uint64_t set = 0;
    CHECK(raw2(SYS_rt_sigpending, &set, 8) == 0, "rt_sigpending");
    return set;
}

static void handle(int sig, siginfo_t *info, void *given) {
    CHECK(info->si_signo == sig, "siginfo");
    in_handler = mask_now();
    uint64_t mask;
    memcpy(&mask, &((ucontext_t *)given)->uc_sigmask, 8);
    in_context = mask;
    handled++;
    if (sends)
        raw2(SYS_kill, getpid(), SIGILL);
    if (leaves)
        siglongjmp(out, 1);
}

static long read_one(int from, struct signalfd_siginfo *info) {
    memset(info, 0, sizeof *info);
    return raw3(SYS_read, from, info, sizeof *info);
}

static void expect_one(const char *when, int code, int value) {
    struct signalfd_siginfo info;
    CHECK(read_one(fd, &info) == sizeof info, "%s: read", when);
    CHECK(info.ssi_signo == SIGILL && info.ssi_code == code && info.ssi_int == value, "%s: signal %u, code %d, value %d", when, info.ssi_signo, info.ssi_code, info.ssi_int);
    CHECK(info.ssi_uid == getuid(), "%s: sent by %u", when, info.ssi_uid);
    CHECK(pending() == 0, "%s: pending %lx", when, pending());
}

static void queue(int value) { CHECK(sigqueue(getpid(), SIGILL, (union sigval){.sival_int = value}) == 0, "sigqueue"); }

static void what_is_there(void) {
    raw2(SYS_kill, getpid(), SIGILL);
    expect_one("kill", SI_USER, 0);
    queue(7);
    queue(8); // it is one already
    expect_one("sigqueue", SI_QUEUE, 7);
    raw3(SYS_tgkill, getpid(), raw0(SYS_gettid), SIGILL);
    expect_one("tgkill", SI_TKILL, 0);
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0, "O_NONBLOCK");
    struct signalfd_siginfo two[3];
    CHECK(read_one(fd, two) == -EAGAIN, "nothing is there");
    queue(9);
    raw2(SYS_kill, getpid(), SIGUSR1);
    CHECK(pending() == (ill | usr1), "pending %lx", pending());
    CHECK(read(fd, two, sizeof two) == 2 * sizeof *two, "two at once");
    CHECK(two[0].ssi_signo == SIGILL && two[0].ssi_int == 9 && two[1].ssi_signo == SIGUSR1, "in the order of their numbers");
    queue(10);
    struct iovec parts[2] = {{two, sizeof *two}, {two + 1, sizeof *two}};
    CHECK(readv(fd, parts, 2) == sizeof *two && two[0].ssi_int == 10, "readv");
    queue(11);
    CHECK(raw3(SYS_read, fd, 8, sizeof *two) == -EFAULT && raw3(SYS_read, fd, two, 8) == -EINVAL, "nowhere to say it");
    uint64_t later = pending();
    while (read_one(fd, two) > 0)
        ;
    CHECK(fcntl(fd, F_SETFL, 0) == 0, "blocks again");
    ok("what is there is read; after EFAULT pending is %lx", later);
}

// Ways to be told. A mask is the one that is there, but for SIGALRM.
static int epoll;
static const char *const names[] = {"poll", "ppoll", "ppoll with a mask", "select", "pselect6", "pselect6 with a mask", "epoll_wait", "epoll_pwait with a mask", "epoll_pwait2 with a mask"};
// After these: read, read that is made again, and one that is not told.
enum { WAYS = sizeof names / sizeof *names, READ = WAYS, RESTARTED, SLEEP, CALLS };
static long tell(int way, int limit_ms) {
    struct pollfd in = {fd, POLLIN, 0};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    struct timespec limit = {limit_ms / 1000, limit_ms % 1000 * 1000000};
    struct timeval limit_us = {limit_ms / 1000, limit_ms % 1000 * 1000};
    struct epoll_event event;
    uint64_t mask = mask_now() & ~alrm;
    struct {
        const void *mask;
        size_t size;
    } sized = {&mask, 8};
    switch (way) {
    case 0: return raw3(SYS_poll, &in, 1, limit_ms);
    case 1: return raw6(SYS_ppoll, (long)&in, 1, (long)&limit, 0, 8, 0);
    case 2: return raw6(SYS_ppoll, (long)&in, 1, (long)&limit, (long)&mask, 8, 0);
    case 3: return raw6(SYS_select, fd + 1, (long)&set, 0, 0, (long)&limit_us, 0);
    case 4: return raw6(SYS_pselect6, fd + 1, (long)&set, 0, 0, (long)&limit, 0);
    case 5: return raw6(SYS_pselect6, fd + 1, (long)&set, 0, 0, (long)&limit, (long)&sized);
    case 6: return raw4(SYS_epoll_wait, epoll, &event, 1, limit_ms);
    case 7: return raw6(SYS_epoll_pwait, epoll, (long)&event, 1, limit_ms, (long)&mask, 8);
    default: {
        long result = raw6(441, epoll, (long)&event, 1, (long)&limit, (long)&mask, 8);
        return result == -ENOSYS ? raw6(SYS_epoll_pwait, epoll, (long)&event, 1, limit_ms, (long)&mask, 8) : result;
    }
    }
}

static int is_asleep(pid_t pid) {
    char path[32], line[128] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int from = open(path, O_RDONLY);
    CHECK(from >= 0 && read(from, line, sizeof line - 1) > 0, "%s", path);
    close(from);
    const char *behind_name = strrchr(line, ')');
    return behind_name && behind_name[2] == 'S';
}

// A child sends it when its parent waits.
static pid_t later(int sig) {
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        for (int i = 0; i < LOOKS && !is_asleep(parent); i++)
            usleep(1000);
        _exit(kill(parent, sig) != 0);
    }
    return child;
}

static void ended(pid_t child) {
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0, "the one that sends: %#x", status);
}

static void who_is_told(void) {
    struct epoll_event event = {.events = EPOLLIN};
    epoll = epoll_create1(0);
    CHECK(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll");
    for (int way = 0; way < WAYS; way++) {
        CHECK(tell(way, 0) == 0 && tell(way, 1) == 0, "%s: nothing is there", names[way]);
        queue(way);
        CHECK(tell(way, 0) == 1 && tell(way, LIMIT_MS) == 1, "%s: one is there", names[way]);
        CHECK(pending() == ill, "%s: pending %lx", names[way], pending());
        expect_one(names[way], SI_QUEUE, way);
        CHECK(tell(way, 0) == 0, "%s: it is gone", names[way]);
        pid_t child = later(SIGILL);
        CHECK(tell(way, LIMIT_MS) == 1, "%s: while it waits", names[way]);
        expect_one(names[way], SI_USER, 0);
        ended(child);
    }
    pid_t child = later(SIGILL);
    expect_one("while read waits", SI_USER, 0);
    ended(child);
    ok("who waits is told");
}

static void set_action(int flags) {
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | flags};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0, "sigaction");
}

static long call(int way, struct signalfd_siginfo *info) {
    const struct timespec limit = {LIMIT_MS / 1000, 0};
    return way < WAYS ? tell(way, LIMIT_MS) : way == SLEEP ? raw2(SYS_nanosleep, &limit, NULL) : read_one(fd, info);
}

static void who_is_interrupted(void) {
    for (int way = 0; way < CALLS; way++) {
        int is_tell = way < WAYS, restarts = way == RESTARTED;
        static const char *name; // siglongjmp leaves it
        name = is_tell ? names[way] : way == READ ? "read" : restarts ? "read, made again" : "nanosleep";
        set_action(restarts ? SA_RESTART : 0);
        for (sends = 0; sends < 2; sends++) {
            if (restarts && !sends)
                continue; // nobody would end it
            struct signalfd_siginfo info;
            handled = 0;
            pid_t child = later(SIGALRM);
            long result = call(way, &info);
            CHECK(result == (restarts ? (long)sizeof info : -EINTR) && handled == 1, "%s: %ld, handled %d", name, result, handled);
            ok("%s, the handler sends %d: in it %lx, in its context %lx, afterwards %lx, pending %lx", name, sends, in_handler, in_context, mask_now(), pending());
            if (sends && !restarts)
                expect_one(name, SI_USER, 0);
            CHECK(!is_tell || tell(way, 0) == 0, "%s: nothing is left", name);
            ended(child);
            leaves = 1;
            child = later(SIGALRM);
            if (!sigsetjmp(out, 1)) {
                result = call(way, &info);
                differs("%s is not left: %ld", name, result);
            }
            leaves = 0;
            CHECK(mask_now() == (ill | usr1), "%s is left: mask %lx", name, mask_now());
            if (sends)
                expect_one(name, SI_USER, 0);
            ended(child);
        }
    }
    sends = 0;
    ok("calls that are interrupted");
}

static void *reads(void *told) {
    struct signalfd_siginfo info;
    *(volatile int *)told = (int)raw0(SYS_gettid);
    CHECK(read_one(fd, &info) == sizeof info && info.ssi_signo == SIGILL && info.ssi_code == SI_TKILL, "in the thread");
    return NULL;
}

static void children_and_threads(void) {
    queue(12);
    pid_t child = fork();
    if (child == 0) {
        struct signalfd_siginfo info;
        CHECK(tell(0, 0) == 0, "the parent's is not the child's");
        raw2(SYS_kill, getpid(), SIGILL);
        int other = dup(fd);
        CHECK(read_one(other, &info) == sizeof info && info.ssi_pid == (uint32_t)getpid(), "in the child");
        _exit(0);
    }
    ended(child);
    expect_one("after a child has read its own", SI_QUEUE, 12);
    volatile int tid = 0;
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, reads, (void *)&tid) == 0, "pthread_create");
    for (int i = 0; i < LOOKS && (tid == 0 || !is_asleep(tid)); i++)
        usleep(1000);
    CHECK(raw3(SYS_tgkill, getpid(), tid, SIGILL) == 0, "tgkill");
    CHECK(pthread_join(thread, NULL) == 0, "pthread_join");
    CHECK(tell(0, 0) == 0 && pending() == 0, "pending %lx", pending());
    ok("children and threads have their own");
}

// The kernel has three to deliver at once: each interrupts the handler of the one before at its first instruction.
static void several_at_one_moment(void) {
    static const int signals[] = {SIGHUP, SIGALRM, SIGUSR2};
    uint64_t before = mask_now(), all = before;
    for (int i = 0; i < 3; i++) {
        struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
        CHECK(sigaction(signals[i], &action, NULL) == 0, "sigaction");
        all |= 1ul << (signals[i] - 1);
    }
    for (int round = 0; round < ROUNDS; round++) {
        struct pollfd in = {fd, POLLIN, 0};
        struct timespec limit = {LIMIT_MS / 1000, 0};
        handled = 0;
        sends = round % 2;
        set_mask(all);
        for (int i = 0; i < 3; i++)
            raw2(SYS_kill, getpid(), signals[i]);
        long result = raw6(SYS_ppoll, (long)&in, 1, (long)&limit, (long)&before, 8, 0);
        CHECK(result == -EINTR && handled == 3, "three at once: %ld, handled %d", result, handled);
        CHECK(pending() == (sends ? ill : 0) && mask_now() == all, "pending %lx, mask %lx", pending(), mask_now());
        if (sends)
            expect_one("three at once", SI_USER, 0);
        set_mask(before);
    }
    sends = 0;
    ok("several at one moment");
}

static void at_any_moment(void) {
    set_action(SA_RESTART);
    struct sender sender = begin_sending();
    for (int i = 0; i < ROUNDS; i++) {
        struct signalfd_siginfo info;
        send_one(&sender, i);
        int way = i % (WAYS + 1);
        if (way < WAYS) {
            long result;
            while ((result = tell(way, LIMIT_MS)) == -EINTR)
                ;
            CHECK(result == 1, "%s in round %d: %ld", names[way], i, result);
        }
        CHECK(read_one(fd, &info) == sizeof info && info.ssi_signo == SIGILL && info.ssi_pid == (uint32_t)sender.child, "round %d", i);
        uint64_t left = pending();
        CHECK(left == 0, "%lx is pending in round %d, told by %s", left, i, way < WAYS ? names[way] : "read");
    }
    end_sending(&sender);
    ok("%d at any moment", ROUNDS);
}

int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGILL);
    sigaddset(&set, SIGUSR1);
    set_mask(ill | usr1);
    fd = signalfd(-1, &set, 0);
    CHECK(fd >= 0, "signalfd");
    what_is_there();
    who_is_told();
    who_is_interrupted();
    children_and_threads();
    several_at_one_moment();
    at_any_moment();
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGILL, &action, NULL) == 0, "sigaction");
    handled = 0;
    queue(1);
    CHECK(tell(0, 0) == 1 && handled == 0, "it waits");
    set_mask(0);
    CHECK(handled == 1 && tell(0, 0) == 0, "handled %d when it is unblocked", handled);
    queue(2);
    CHECK(handled == 2, "handled %d, not blocked", handled);
    ok("a handler afterwards");
    return 0;
}
