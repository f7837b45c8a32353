// expect: pthread_cancel interrupts a blocked call by a signal whose handler decides by the interrupted program
// counter (glibc since 2.41, musl) or by a flag (older glibc) whether to unwind; the call of a cancelled thread must
// look as if it were blocked in libc. Threads blocked in read, nanosleep, poll, accept, a condition variable,
// pause, sem_wait and sigwait are cancelled, some at once and some after they have blocked for certain: each ends as PTHREAD_CANCELED with
// its C cleanup handlers run in order. A thread that disables cancellation finishes its call; one with asynchronous
// cancellation is stopped in a loop of calls.
// musl: yes
// userlands: yes
#include "guest.h"
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

static int pipe_ends[2], listener;
static atomic_int started, cleaned, disabled_read;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never_signalled = PTHREAD_COND_INITIALIZER;
static sem_t never_posted;
static sigset_t never_sent;

static void clean(void *digit) { cleaned = cleaned * 10 + (int)(long)digit; }
static void unlock(void *locked) { pthread_mutex_unlock(locked); }

static void *block(void *kind) {
    char byte;
    struct pollfd ready = {.fd = pipe_ends[0], .events = POLLIN};
    struct timespec long_time = {LIMIT_MS / 1000, 0};
    int signal;
    pthread_cleanup_push(clean, (void *)2);
    pthread_cleanup_push(clean, (void *)1);
    started = 1;
    switch ((long)kind) {
    case 0: (void)!read(pipe_ends[0], &byte, 1); break;
    case 1: nanosleep(&long_time, NULL); break;
    case 2: poll(&ready, 1, LIMIT_MS); break;
    case 3: accept(listener, NULL, NULL); break;
    case 4:
        pthread_mutex_lock(&mutex);
        pthread_cleanup_push(unlock, &mutex);
        for (;;) // it may wake for nothing
            pthread_cond_wait(&never_signalled, &mutex);
        pthread_cleanup_pop(1);
        break;
    case 5: pause(); break;
    case 6: sem_wait(&never_posted); break;
    case 7:
        pthread_sigmask(SIG_BLOCK, &never_sent, NULL);
        sigwait(&never_sent, &signal);
        break;
    }
    differs("blocking call %ld returned: errno %d", (long)kind, errno);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *read_undisturbed(void *unused) {
    int old;
    char byte;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    started = 1;
    disabled_read = (int)read(pipe_ends[0], &byte, 1);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
    pthread_testcancel();
    return unused;
}

static void *call_forever(void *unused) {
    int old;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
    started = 1;
    for (;;)
        raw1(SYS_close, -1);
    return unused;
}

// Starts the thread, cancels it (after it has run for `delay_us` if positive) and checks how it ended.
static void cancel(const char *name, void *(*body)(void *), void *arg, int delay_us) {
    pthread_t thread;
    void *result;
    started = cleaned = 0;
    CHECK(pthread_create(&thread, NULL, body, arg) == 0, "pthread_create");
    while (delay_us && !started)
        sched_yield();
    if (delay_us > 0)
        usleep((useconds_t)delay_us);
    CHECK(pthread_cancel(thread) == 0, "pthread_cancel");
    if (body == read_undisturbed) {
        usleep(1000);
        CHECK(write(pipe_ends[1], "x", 1) == 1, "write");
    }
    CHECK(pthread_join(thread, &result) == 0, "pthread_join");
    CHECK(result == PTHREAD_CANCELED, "%s: result %p", name, result);
}

int main(void) {
    CHECK(pipe(pipe_ends) == 0, "pipe");
    listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in any_port = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    CHECK(bind(listener, (struct sockaddr *)&any_port, sizeof any_port) == 0 && listen(listener, 1) == 0, "listen");

    static const char *const names[] = {"read", "nanosleep", "poll", "accept", "pthread_cond_wait", "pause", "sem_wait", "sigwait"};
    sem_init(&never_posted, 0, 0);
    sigemptyset(&never_sent);
    sigaddset(&never_sent, SIGUSR1);
    for (long kind = 0; kind < 8; kind++) {
        for (int round = 0; round < 40; round++) {
            cancel(names[kind], block, (void *)kind, round % 4 == 0 ? 2000 : round % 4 == 1 ? 50 : -1);
            CHECK(cleaned == 12, "%s: cleanup handlers ran as %d", names[kind], cleaned);
        }
        ok("cancelled in %s", names[kind]);
    }
    for (int round = 0; round < 20; round++) {
        disabled_read = 0;
        cancel("disabled", read_undisturbed, NULL, -1);
        CHECK(disabled_read == 1, "read with cancellation disabled: %d", disabled_read);
    }
    ok("not cancelled while disabled");
    for (int round = 0; round < 40; round++)
        cancel("asynchronous", call_forever, NULL, round * 20 + 1);
    ok("cancelled asynchronously among calls");
    return 0;
}
