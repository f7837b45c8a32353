// expect: A SIGILL that was sent while it is blocked, like any signal: sigpending shows it, sigwaitinfo and sigtimedwait take
// it with what its sender gave it, a child of fork and of posix_spawn does not have it; sigsuspend, ppoll, pselect and
// epoll_pwait that let it in end by it, unless there is something to report, and the handler sees the masks. A blocked one
// does not interrupt a read, and a call without a mask that comes after does not have theirs. Then a child sends it at any
// moment, to one that suspends itself, to one that waits for it and to one that asks for it, with another signal beside it:
// none is lost, and the mask stays.
// musl: yes
#include "at_any_moment.h"
#include "masks.h"
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

static const uint64_t ill = 1ul << (SIGILL - 1), usr1 = 1ul << (SIGUSR1 - 1);
static volatile int handled, value;
static uint64_t in_handler, in_context;
extern char **environ;

static uint64_t pending(void) {
    uint64_t set = 0;
    CHECK(raw2(SYS_rt_sigpending, &set, 8) == 0, "rt_sigpending");
    return set;
}

static void handle(int sig, siginfo_t *info, void *given) {
    CHECK(info->si_signo == sig, "siginfo");
    value = info->si_code == SI_QUEUE ? info->si_value.sival_int : 0;
    in_handler = mask_now();
    memcpy(&in_context, &((ucontext_t *)given)->uc_sigmask, 8);
    raw0(SYS_getppid);
    handled++;
}

static void send(int with) { CHECK(sigqueue(getpid(), SIGILL, (union sigval){.sival_int = with}) == 0, "sigqueue"); }

static long wait_for(uint64_t set, siginfo_t *info, const struct timespec *limit) {
    memset(info, 0, sizeof *info);
    return raw4(SYS_rt_sigtimedwait, &set, info, limit, 8);
}

static void what_waits(void) {
    siginfo_t info;
    const struct timespec at_once = {0, 0}, bad = {0, 2000000000};
    set_mask(ill);
    CHECK(pending() == 0, "nothing waits");
    send(5);
    kill(getpid(), SIGILL); // it is one already
    CHECK(pending() == ill, "pending %lx", pending());
    char first = 0;
    CHECK(raw2(SYS_rt_sigpending, &first, 1) == 0 && first == (char)ill, "a set of one byte: %x", first);
    CHECK(wait_for(usr1, &info, &at_once) == -EAGAIN && pending() == ill, "another one is waited for");
    CHECK(wait_for(ill, &info, &bad) == -EINVAL && pending() == ill, "a time that is none");
    CHECK(raw4(SYS_rt_sigtimedwait, &ill, &info, 0, 4) == -EINVAL && pending() == ill, "a size that is none");
    pid_t child = fork();
    if (child == 0)
        _exit(pending() != 0 || wait_for(ill, &info, &at_once) != -EAGAIN);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0, "in the child: %#x", status);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    char *arguments[] = {"true", NULL};
    CHECK(posix_spawn(&child, "/bin/true", NULL, &attributes, arguments, environ) == 0, "posix_spawn");
    CHECK(waitpid(child, &status, 0) == child && status == 0, "the one that was spawned: %#x", status);
    CHECK(pending() == ill, "pending after children");
    CHECK(wait_for(ill | usr1, &info, &at_once) == SIGILL && info.si_signo == SIGILL, "sigtimedwait");
    CHECK(info.si_code == SI_QUEUE && info.si_value.sival_int == 5 && info.si_pid == getpid(), "siginfo: %d", info.si_code);
    CHECK(pending() == 0 && wait_for(ill, &info, &at_once) == -EAGAIN, "taken");
    send(6);
    CHECK(raw4(SYS_rt_sigtimedwait, &ill, 8, 0, 8) == -EFAULT && pending() == 0, "nowhere to say it");
    kill(getpid(), SIGILL);
    CHECK(raw4(SYS_rt_sigtimedwait, &ill, 0, 0, 8) == SIGILL, "without siginfo");
    ok("what waits is pending, and is taken by who waits for it");
    send(7);
    CHECK(handled == 0, "handled");
    set_mask(0);
    CHECK(handled == 1 && value == 7, "handled %d, with %d", handled, value);
    ok("it comes with what the sender gave");
}

static int wait_in(int way, struct pollfd *fds, int count, const sigset_t *mask) {
    fd_set set;
    FD_ZERO(&set);
    if (count)
        FD_SET(fds->fd, &set);
    switch (way) {
    case 0: return sigsuspend(mask);
    case 1: return ppoll(fds, (nfds_t)count, NULL, mask);
    case 2: {
        int result = pselect(count ? fds->fd + 1 : 0, &set, NULL, NULL, &(struct timespec){5, 0}, mask);
        CHECK(!count || FD_ISSET(fds->fd, &set), "pselect has changed a set");
        return result;
    }
    default: {
        int epoll = epoll_create1(0);
        struct epoll_event event = {.events = EPOLLIN};
        if (count)
            epoll_ctl(epoll, EPOLL_CTL_ADD, fds->fd, &event);
        int result = epoll_pwait(epoll, &event, 1, -1, mask), error = errno;
        close(epoll);
        errno = error;
        return result;
    }
    }
}

// A call that has no mask, after one that had: SIGILL stays blocked, and is told as such.
static void interrupted_without_mask(int way, struct pollfd *in, const sigset_t *mask) {
    sigset_t without_alarm = *mask;
    sigaddset(&without_alarm, SIGALRM);
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0, "sigaction");
    struct itimerval again = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
    send(0);
    CHECK(setitimer(ITIMER_REAL, &again, NULL) == 0, "setitimer");
    wait_in(way, in, way == 2, &without_alarm);
    CHECK(nanosleep(&(struct timespec){LIMIT_MS / 1000, 0}, NULL) == -1 && errno == EINTR, "nanosleep");
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0, "setitimer");
    ok("way %d, a sleep afterwards: in the handler %lx, in its context %lx", way, in_handler, in_context);
}

static void waits_that_let_it_in(void) {
    int ends[2];
    CHECK(pipe(ends) == 0, "pipe");
    struct pollfd in = {ends[0], POLLIN, 0};
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    for (int way = 0; way < 4; way++) {
        set_mask(ill);
        handled = 0;
        send(20 + way);
        int result = wait_in(way, &in, way == 2, &mask);
        CHECK(result == -1 && errno == EINTR && handled == 1 && value == 20 + way, "way %d: %d, handled %d, with %d", way, result, handled, value);
        ok("way %d: in the handler %lx, in its context %lx, afterwards %lx, pending %lx", way, in_handler, in_context, mask_now(), pending());
        interrupted_without_mask(way, &in, &mask);
    }
    CHECK(write(ends[1], "x", 1) == 1, "write");
    for (int way = 1; way < 4; way++) {
        handled = 0;
        send(30 + way);
        CHECK(wait_in(way, &in, 1, &mask) == 1, "way %d with something to report", way);
        ok("way %d: handled %d, pending %lx, mask %lx", way, handled, pending(), mask_now());
        set_mask(0);
        CHECK(handled == 1 && value == 30 + way, "way %d: it comes afterwards: %d, with %d", way, handled, value);
        set_mask(ill);
    }
    for (int i = 0; i < 3; i++)
        CHECK(getppid() > 0, "calls go on");
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        nanosleep(&(struct timespec){0, 30000000}, NULL);
        kill(parent, SIGILL);
        nanosleep(&(struct timespec){0, 30000000}, NULL);
        _exit(write(ends[1], "y", 1) != 1);
    }
    char bytes[2];
    CHECK(read(ends[0], bytes, 1) == 1 && read(ends[0], bytes + 1, 1) == 1 && bytes[1] == 'y', "read");
    CHECK(waitpid(child, NULL, 0) == child && pending() == ill, "pending %lx", pending());
    set_mask(0);
    ok("a blocked one does not interrupt");
}

static void ignored(int sig) { (void)sig; }

enum how { SUSPENDED, WAITS, ASKS };
static void at_any_moment(enum how how) {
    set_mask(ill);
    handled = 0;
    struct sender sender = begin_sending();
    sigset_t none;
    sigemptyset(&none);
    signal(SIGALRM, ignored);
    for (int i = 0; i < ROUNDS; i++) {
        siginfo_t info;
        send_one(&sender, i);
        if (how == SUSPENDED)
            while (handled <= i)
                sigsuspend(&none);
        else {
            while (how == ASKS && pending() == 0)
                ;
            long result;
            while ((result = wait_for(ill, &info, NULL)) == -EINTR)
                ;
            CHECK(result == SIGILL && info.si_pid == sender.child, "round %d: %ld", i, result);
        }
        CHECK(pending() == 0, "pending in round %d", i);
        CHECK(mask_now() == ill, "the mask is %lx in round %d", mask_now(), i);
    }
    end_sending(&sender);
    set_mask(0);
    ok("%d at any moment, handled %d", ROUNDS, handled);
}

int main(void) {
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGILL, &action, NULL);
    what_waits();
    waits_that_let_it_in();
    at_any_moment(SUSPENDED);
    at_any_moment(WAITS);
    at_any_moment(ASKS);
    return 0;
}
