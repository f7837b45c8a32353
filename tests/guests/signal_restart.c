// flags: -lrt
// expect: Every kind of restart. A child waits in a call; once it sleeps there it gets a signal: with a handler, without and
// with SA_RESTART, or a stop and then SIGCONT, which no handler sees. Then, if it still waits, it gets what it waits for. The
// results are printed: calls that fail with EINTR always, never, or unless SA_RESTART; those that the kernel goes on
// with by another number (restart_syscall), where registers hold what a program never put there; those that are done
// again at once. Time limits are kept over all that. Each from a site of libc and from one of the guest's own.
// musl: yes
#include "proc.h"
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

// For what goes on when it is stopped, and for what ends at once and must not do so by its limit.
enum { SHORT_MS = 60, LONG_MS = LIMIT_MS };
enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1, FUTEX_LOCK_PI = 6, FUTEX_UNLOCK_PI = 7, FUTEX_WAIT_BITSET = 9 };

static struct {
    volatile int in_call, handled, done, word, lock_holder;
    volatile long result, took_ms;
} *shared;
static int ends[2], pair[2], listener, epoll, file, semaphores, messages, is_own;
static char name[64];
static long limit_ms;
static struct timespec limit;

// By libc's site or by our own.
static long call(long nr, long a, long b, long c, long d, long e, long f) {
    if (is_own)
        return raw6(nr, a, b, c, d, e, f);
    long ret = syscall(nr, a, b, c, d, e, f);
    return ret == -1 ? -errno : ret;
}

static struct timespec from_now(int clock) {
    struct timespec until;
    clock_gettime(clock, &until);
    until.tv_nsec += limit.tv_nsec;
    until.tv_sec += limit.tv_sec;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    return until;
}

static char buffer[64];
static long do_read(void) { return call(SYS_read, ends[0], (long)buffer, 8, 0, 0, 0); }
static long do_recv(void) { return call(SYS_recvfrom, pair[0], (long)buffer, 8, 0, 0, 0); }
static long do_recv_limited(void) {
    struct timeval time = {limit_ms / 1000, limit_ms % 1000 * 1000};
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    return do_recv();
}
static long do_accept(void) {
    long fd = call(SYS_accept4, listener, 0, 0, 0, 0, 0);
    return fd > 0 ? 1 : fd;
}
static long do_poll(void) {
    struct pollfd ready = {.fd = ends[0], .events = POLLIN};
    return call(SYS_poll, (long)&ready, 1, limit_ms, 0, 0, 0);
}
static long do_poll_for_ever(void) {
    struct pollfd ready = {.fd = ends[0], .events = POLLIN};
    return call(SYS_poll, (long)&ready, 1, -1, 0, 0, 0);
}
static long do_select(void) {
    struct timeval time = {limit_ms / 1000, limit_ms % 1000 * 1000};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    return call(SYS_select, ends[0] + 1, (long)&set, 0, 0, (long)&time, 0);
}
static long do_ppoll(void) {
    struct pollfd ready = {.fd = ends[0], .events = POLLIN};
    struct timespec time = limit;
    uint64_t mask = 0;
    return call(SYS_ppoll, (long)&ready, 1, (long)&time, (long)&mask, 8, 0);
}
static long do_epoll(void) {
    struct epoll_event event;
    return call(SYS_epoll_wait, epoll, (long)&event, 1, limit_ms, 0, 0);
}
static long do_futex(void) { return call(SYS_futex, (long)&shared->word, FUTEX_WAIT, 0, 0, 0, 0); }
static long do_futex_limited(void) { return call(SYS_futex, (long)&shared->word, FUTEX_WAIT, 0, (long)&limit, 0, 0); }
static long do_futex_until(void) {
    struct timespec until = from_now(CLOCK_MONOTONIC);
    return call(SYS_futex, (long)&shared->word, FUTEX_WAIT_BITSET, 0, (long)&until, 0, 0xffffffff);
}
static long do_futex_pi(void) { return call(SYS_futex, (long)&shared->lock_holder, FUTEX_LOCK_PI, 0, 0, 0, 0); }
static long do_nanosleep(void) { return call(SYS_nanosleep, (long)&limit, 0, 0, 0, 0, 0); }
static long do_clock_nanosleep(void) { return call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, (long)&limit, 0, 0, 0); }
static long do_clock_nanosleep_until(void) {
    struct timespec until = from_now(CLOCK_REALTIME);
    return call(SYS_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, (long)&until, 0, 0, 0);
}
static long do_pause(void) { return call(SYS_pause, 0, 0, 0, 0, 0, 0); }
static long do_sigsuspend(void) {
    uint64_t mask = 1ul << (SIGHUP - 1);
    return call(SYS_rt_sigsuspend, (long)&mask, 8, 0, 0, 0, 0);
}
static long do_sigtimedwait(void) {
    uint64_t set = 1ul << (SIGHUP - 1);
    return call(SYS_rt_sigtimedwait, (long)&set, 0, (long)&limit, 8, 0, 0);
}
static pid_t grandchild;
static long do_wait(void) {
    long pid = call(SYS_wait4, grandchild, 0, 0, 0, 0, 0);
    return pid > 0 ? pid == grandchild : pid;
}
static long do_waitid(void) { return call(SYS_waitid, P_PID, grandchild, 0, WEXITED, 0, 0); }
static long do_flock(void) {
    int again = open(name, O_RDWR);
    return call(SYS_flock, again, LOCK_EX, 0, 0, 0, 0);
}
static long do_setlkw(void) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    return call(SYS_fcntl, file, F_SETLKW, (long)&lock, 0, 0, 0);
}
static long do_semop(void) {
    struct sembuf op = {0, -1, 0};
    return call(SYS_semop, semaphores, (long)&op, 1, 0, 0, 0);
}
static long do_semtimedop(void) {
    struct sembuf op = {0, -1, 0};
    return call(SYS_semtimedop, semaphores, (long)&op, 1, (long)&limit, 0, 0);
}
static long do_msgrcv(void) { return call(SYS_msgrcv, messages, (long)buffer, 8, 0, 0, 0); }

static void give_byte(void) { CHECK(write(ends[1], "12345678", 8) == 8, "write"); }
static void give_datagram(void) { CHECK(write(pair[1], "12345678", 8) == 8, "write"); }
static void give_connection(void) {
    struct sockaddr_un address;
    socklen_t len = sizeof address;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &len) == 0, "getsockname");
    CHECK(connect(fd, (struct sockaddr *)&address, len) == 0, "connect");
}
static void give_word(void) {
    shared->word = 1;
    raw3(SYS_futex, &shared->word, FUTEX_WAKE, 1);
}
static void give_pi(void) { CHECK(raw3(SYS_futex, &shared->lock_holder, FUTEX_UNLOCK_PI, 0) == 0, "unlock"); }
static void give_death(void) { kill(shared->word, SIGKILL); }
static void give_flock(void) { flock(file, LOCK_UN); }
static void give_setlkw(void) {
    struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_len = 1};
    fcntl(file, F_SETLK, &lock);
}
static void give_semaphore(void) {
    struct sembuf op = {0, 1, 0};
    semop(semaphores, &op, 1);
}
static void give_message(void) {
    struct {
        long type;
        char text[8];
    } message = {1, "1234567"};
    msgsnd(messages, &message, 8, 0);
}

static const struct {
    const char *name;
    long (*wait)(void);
    void (*give)(void); // none: it waits for a moment, or for a handler
    int ends_when_stopped;
} kinds[] = {
    {"read", do_read, give_byte, 0},
    {"recvfrom", do_recv, give_datagram, 0},
    {"recvfrom with a limit", do_recv_limited, NULL, 1},
    {"accept4", do_accept, give_connection, 0},
    {"poll with a limit", do_poll, NULL, 0},
    {"poll", do_poll_for_ever, give_byte, 0},
    {"select with a limit", do_select, NULL, 0},
    {"ppoll with a limit", do_ppoll, NULL, 0},
    {"epoll_wait with a limit", do_epoll, NULL, 1},
    {"futex", do_futex, give_word, 0},
    {"futex with a limit", do_futex_limited, NULL, 0},
    {"futex with an absolute limit", do_futex_until, NULL, 0},
    {"futex, priority inheritance", do_futex_pi, give_pi, 0},
    {"nanosleep", do_nanosleep, NULL, 0},
    {"clock_nanosleep", do_clock_nanosleep, NULL, 0},
    {"clock_nanosleep, absolute", do_clock_nanosleep_until, NULL, 0},
    {"pause", do_pause, NULL, 0},
    {"rt_sigsuspend", do_sigsuspend, NULL, 0},
    {"rt_sigtimedwait", do_sigtimedwait, NULL, 1},
    {"wait4", do_wait, give_death, 0},
    {"waitid", do_waitid, give_death, 0},
    {"flock", do_flock, give_flock, 0},
    {"fcntl", do_setlkw, give_setlkw, 0},
    {"semop", do_semop, give_semaphore, 0},
    {"semtimedop", do_semtimedop, NULL, 1},
    {"msgrcv", do_msgrcv, give_message, 0},
};
enum way { PLAIN, RESTART, STOP, WAYS };

static void on_usr1(int sig) {
    (void)sig;
    shared->handled++;
    raw0(SYS_getppid);
}

static void wait_for(pid_t child, char state) {
    while (state_of(child) != state && !shared->done)
        usleep(200);
}

static void child_main(int kind, enum way way) {
    struct sigaction action = {.sa_handler = on_usr1, .sa_flags = way == RESTART ? SA_RESTART : 0};
    sigaction(SIGUSR1, &action, NULL);
    end_with_parent();
    if (kinds[kind].give == give_death) {
        grandchild = fork();
        if (grandchild == 0) {
            end_with_parent();
            for (;;)
                pause();
        }
        shared->word = grandchild;
    }
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    shared->in_call = 1;
    shared->result = kinds[kind].wait();
    clock_gettime(CLOCK_MONOTONIC, &to);
    shared->took_ms = (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
    shared->done = 1;
    if (kinds[kind].give == give_death)
        kill(grandchild, SIGKILL);
    _exit(0);
}

static long result_of(int kind, enum way way) {
    memset((void *)shared, 0, sizeof *shared);
    shared->lock_holder = (int)raw0(SYS_gettid);
    limit_ms = way == STOP && !kinds[kind].ends_when_stopped ? SHORT_MS : LONG_MS;
    limit = (struct timespec){limit_ms / 1000, limit_ms % 1000 * 1000000};
    flock(file, LOCK_EX);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    fcntl(file, F_SETLK, &lock);
    pid_t child = fork();
    if (child == 0)
        child_main(kind, way);
    while (!shared->in_call)
        usleep(100);
    for (int i = 0; i < 2 && !shared->done; i++) {
        wait_for(child, 'S');
        int before = shared->handled;
        kill(child, way == STOP ? SIGSTOP : SIGUSR1);
        if (way == STOP) {
            wait_for(child, 'T');
            kill(child, SIGCONT);
        } else
            while (shared->handled == before && !shared->done)
                usleep(100);
    }
    wait_for(child, 'S');
    int status, is_handlers = kinds[kind].wait == do_pause || kinds[kind].wait == do_sigsuspend;
    if (!shared->done && kinds[kind].give)
        kinds[kind].give();
    else if (!shared->done && is_handlers)
        kill(child, SIGUSR1);
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status), "%s: status %#x", kinds[kind].name, status);
    if (!kinds[kind].give && !is_handlers && shared->result != -EINTR)
        CHECK(shared->took_ms >= limit_ms - 1, "%s: over after %ld ms", kinds[kind].name, shared->took_ms);
    // What was given and not taken.
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    while (read(ends[0], buffer, sizeof buffer) > 0)
        ;
    fcntl(ends[0], F_SETFL, 0);
    return shared->result;
}

int main(void) {
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED && pipe(ends) == 0, "resources");
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0, "socketpair");
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)) == 0 && listen(listener, 8) == 0, "listen");
    epoll = epoll_create1(0);
    snprintf(name, sizeof name, "/tmp/signal_restart.%d", getpid());
    file = open(name, O_RDWR | O_CREAT, 0600);
    semaphores = semget(IPC_PRIVATE, 1, 0600);
    messages = msgget(IPC_PRIVATE, 0600);
    CHECK(file >= 0 && semaphores >= 0 && messages >= 0, "resources");
    for (unsigned kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
        for (is_own = 0; is_own < 2; is_own++) {
            long results[WAYS];
            for (enum way way = PLAIN; way < WAYS; way++)
                results[way] = result_of((int)kind, way);
            ok("%s%s: handler %ld, restart %ld, stopped %ld", kinds[kind].name, is_own ? ", own site" : "", results[PLAIN],
               results[RESTART], results[STOP]);
        }
    unlink(name);
    semctl(semaphores, 0, IPC_RMID);
    msgctl(messages, IPC_RMID, NULL);
    return 0;
}
