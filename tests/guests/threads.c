// expect: Threads come and go by the thousand; per-thread records that are not set up before a thread's first call
// or not given back after its last one run out, or are another thread's. Storms of threads make calls that succeed
// and fail, so each must see its own errno, its own id and its own thread-local data; joined and detached ones
// alike; a thread created by a thread; a thread with a stack of the caller's; and at the end main leaves by
// pthread_exit while a last thread finishes the process.
// musl: yes
// userlands: yes
#include "guest.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

static int null;
static atomic_int finished;
static __thread long own;
static const long failing[][2] = {{SYS_close, EBADF}, {SYS_lseek, ESPIPE}, {1000, ENOSYS}, {SYS_read, EBADF}};

static void *call_and_count(void *number) {
    long mine = (long)number, tid = raw0(SYS_gettid);
    own = mine;
    for (int i = 0; i < 100; i++) {
        const long *kind = failing[(mine + i) % 4];
        int fds = kind[0] == SYS_lseek ? null : -1;
        if (kind[0] == SYS_lseek) { // on a pipe, so that it fails in the kernel
            int ends[2];
            CHECK(pipe(ends) == 0, "pipe");
            CHECK(lseek(ends[0], 0, SEEK_CUR) == -1 && errno == ESPIPE, "lseek");
            close(ends[0]);
            close(ends[1]);
        } else {
            CHECK(syscall(kind[0], fds, 0, 0) == -1 && errno == kind[1], "thread %ld, call %ld", mine, kind[0]);
        }
        int kept = errno;
        CHECK(write(null, "hello", 5) == 5 && errno == kept, "errno changed by a call that succeeds");
        CHECK(raw0(SYS_gettid) == tid, "thread's id changed");
        CHECK(own == mine, "thread-local data");
    }
    finished++;
    return number;
}

static void *create_another(void *number) {
    pthread_t thread;
    void *result;
    CHECK(pthread_create(&thread, NULL, call_and_count, number) == 0, "pthread_create in a thread");
    call_and_count(number);
    pthread_join(thread, &result);
    CHECK(result == number, "result of the inner thread");
    return number;
}

static void *outlive_main(void *main_thread) {
    pthread_join(*(pthread_t *)main_thread, NULL);
    for (int i = 0; i < 100; i++)
        CHECK(write(null, "hello", 5) == 5 && raw1(SYS_close, -1) == -EBADF, "calls after main is gone");
    ok("main left by pthread_exit");
    exit(0);
}

int main(void) {
    static pthread_t main_thread;
    main_thread = pthread_self();
    null = open("/dev/null", O_WRONLY);

    pthread_t threads[16];
    for (int round = 0; round < 60; round++) {
        for (long i = 0; i < 16; i++)
            CHECK(pthread_create(&threads[i], NULL, i % 4 ? call_and_count : create_another, (void *)i) == 0,
                  "pthread_create, round %d", round);
        for (long i = 0; i < 16; i++) {
            void *result;
            pthread_join(threads[i], &result);
            CHECK(result == (void *)i, "result of thread %ld", i);
        }
    }
    CHECK(finished == 60 * 20, "%d threads finished", finished);
    ok("1200 joined threads");

    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    finished = 0;
    for (long i = 0; i < 400; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, &attr, call_and_count, (void *)i) == 0, "detached thread %ld", i);
        while (finished < i - 16)
            usleep(100);
    }
    while (finished < 400)
        usleep(100);
    ok("400 detached threads");

    size_t size = 1 << 17;
    for (int i = 0; i < 50; i++) {
        void *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        pthread_attr_t own_stack;
        pthread_attr_init(&own_stack);
        CHECK(pthread_attr_setstack(&own_stack, stack, size) == 0, "pthread_attr_setstack");
        pthread_t thread;
        CHECK(pthread_create(&thread, &own_stack, call_and_count, NULL) == 0, "thread on own stack");
        pthread_join(thread, NULL);
        munmap(stack, size);
    }
    ok("50 threads on stacks of the caller's");

    pthread_t last;
    CHECK(pthread_create(&last, NULL, outlive_main, &main_thread) == 0, "last thread");
    pthread_exit(NULL);
}
