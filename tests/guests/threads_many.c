// expect: Two thousand threads are alive at once, on the smallest stacks that libc gives, then twenty thousand live one
// after the other, eight at a time. What an interceptor keeps for each thread must be found by it alone, may not be
// taken from its stack, has to be given back when it ends, and must not be scarce: each thread makes calls, sees its
// own id, errno and thread-local variables before and after all others did, and the process is no larger afterwards
// than it was after the first few. With an argument, as many at once as it says (10000, say).
// musl: yes
#include "guest.h"
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

enum { AT_A_TIME = 8, ROOM = 16384 };

static int null;
static long parent;
static atomic_int alive, ended;
static __thread long own;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_are_there = PTHREAD_COND_INITIALIZER;
static int may_go;

static void make_calls(long number, int count) {
    long tid = raw0(SYS_gettid);
    for (int i = 0; i < count; i++) {
        CHECK(write(null, "hello", 5) == 5, "write in thread %ld", number);
        errno = 77;
        CHECK(raw1(SYS_close, -1) == -EBADF && errno == 77, "errno changed in thread %ld", number);
        CHECK(close(-1) == -1 && errno == EBADF, "close in thread %ld", number);
        CHECK(raw0(SYS_gettid) == tid && raw0(SYS_getpid) == parent && own == number, "ids in thread %ld", number);
    }
}

static void *wait_for_all(void *argument) {
    long number = (long)argument;
    own = number;
    make_calls(number, 3);
    alive++;
    pthread_mutex_lock(&lock);
    while (!may_go)
        pthread_cond_wait(&all_are_there, &lock);
    pthread_mutex_unlock(&lock);
    make_calls(number, 3);
    return argument;
}

static void *live_shortly(void *argument) {
    own = (long)argument;
    make_calls(own, 1);
    ended++;
    return argument;
}

// Those that are counted as ended have some instructions before them.
static void wait_until_alone(void) {
    char line[256];
    for (int i = 0, threads = 0; threads != 1; i++) {
        CHECK(i < LOOKS, "%d threads are left", threads);
        int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
        ssize_t length = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
        CHECK(length > 0, "stat");
        close(fd);
        line[length] = 0;
        // Behind the name, which has no blanks here, are 17 fields, and then their number.
        CHECK(sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %d", &threads) == 1,
              "%s", line);
        if (threads != 1)
            usleep(1000);
    }
}

static long pages(void) {
    char line[256] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && read(fd, line, sizeof line - 1) > 0, "statm");
    close(fd);
    return strtol(line, NULL, 10);
}

int main(int argc, char **argv) {
    long count = argc > 1 ? atol(argv[1]) : 2000;
    null = open("/dev/null", O_WRONLY);
    parent = raw0(SYS_getpid);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    CHECK(pthread_attr_setstacksize(&attr, ROOM + PTHREAD_STACK_MIN) == 0, "pthread_attr_setstacksize");
    pthread_t *threads = calloc((size_t)count, sizeof *threads);
    for (int round = 0; round < 2; round++) {
        may_go = 0;
        alive = 0;
        for (long i = 0; i < count; i++) {
            int error = pthread_create(&threads[i], &attr, wait_for_all, (void *)i);
            CHECK(error == 0, "thread %ld: error %d", i, error);
        }
        while (alive < count)
            usleep(1000);
        pthread_mutex_lock(&lock);
        may_go = 1;
        pthread_cond_broadcast(&all_are_there);
        pthread_mutex_unlock(&lock);
        for (long i = 0; i < count; i++) {
            void *result;
            CHECK(pthread_join(threads[i], &result) == 0 && result == (void *)i, "result of thread %ld", i);
        }
    }
    ok("%ld threads at once, twice", count);

    const char *rounds = getenv("GUEST_ROUNDS");
    long before = 0, in_turn = 20000 * (rounds ? atol(rounds) : 1);
    for (long i = 0; i < in_turn; i++) {
        void *result;
        long slot = i % AT_A_TIME;
        if (i >= AT_A_TIME)
            CHECK(pthread_join(threads[slot], &result) == 0 && result == (void *)(i - AT_A_TIME), "result");
        int error = pthread_create(&threads[slot], &attr, live_shortly, (void *)i);
        CHECK(error == 0, "thread %ld in turn: error %d", i, error);
        if (i == 1000)
            before = pages();
    }
    for (long i = 0; i < AT_A_TIME; i++)
        pthread_join(threads[i], NULL);
    CHECK(ended == in_turn, "%d threads ended", ended);
    wait_until_alone();
    long after = pages();
    CHECK(after - before < 4096, "%ld pages more after %ld threads", after - before, in_turn);
    ok("%ld threads in turn", in_turn);

    // Detached ones give everything back by themselves.
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    ended = 0;
    for (long i = 0; i < 2000; i++) {
        pthread_t thread;
        int error = pthread_create(&thread, &attr, live_shortly, (void *)i);
        CHECK(error == 0, "detached thread %ld: error %d", i, error);
        while (ended < i - AT_A_TIME)
            sched_yield();
    }
    while (ended < 2000)
        usleep(100);
    wait_until_alone();
    CHECK(pages() - after < 4096, "%ld pages more after detached threads", pages() - after);
    ok("2000 detached threads in turn");
    return 0;
}
