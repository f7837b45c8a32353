// expect: glibc cancels a C++ thread by a forced unwind from the interrupted call: destructors run and catch (...)
// blocks are entered on the way. A stub without unwind information, or a program counter outside the program, ends
// that in std::terminate or skips the destructors. Threads blocked in read, nanosleep and poll three frames deep are
// cancelled 40 times each; each time all destructors ran, innermost first, and the catch block was passed. The same
// for pthread_exit in a frame below, and for an exception thrown across frames right after calls.
// userlands: yes
#include "guest.h"
#include <atomic>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdexcept>
#include <time.h>

static int ends[2];
static std::atomic<int> started, destroyed, caught;

struct Guard {
    int digit;
    ~Guard() { destroyed = destroyed * 10 + digit; }
};

__attribute__((noinline)) static void block(long kind) {
    Guard innermost{1};
    char byte;
    struct pollfd ready = {ends[0], POLLIN, 0};
    struct timespec long_time = {LIMIT_MS / 1000, 0};
    started = 1;
    switch (kind) {
    case 0: (void)!read(ends[0], &byte, 1); break;
    case 1: nanosleep(&long_time, nullptr); break;
    case 2: poll(&ready, 1, LIMIT_MS); break;
    case 3: pthread_exit(PTHREAD_CANCELED);
    }
    differs("blocking call %ld returned", kind);
}

__attribute__((noinline)) static void passing(long kind) {
    Guard middle{2};
    try {
        block(kind);
    } catch (...) {
        caught = caught + 1;
        throw;
    }
}

static void *body(void *kind) {
    Guard outermost{3};
    passing((long)kind);
    return nullptr;
}

static const char *const names[] = {"read", "nanosleep", "poll", "pthread_exit"};

static void *throwing(void *) {
    for (int i = 0; i < 100; i++) {
        try {
            Guard guard{4};
            if (close(-1) == -1)
                throw std::runtime_error("closed");
            differs("close of -1 worked");
        } catch (const std::runtime_error &) {
            caught = caught + 1;
        }
    }
    return nullptr;
}

int main() {
    CHECK(pipe(ends) == 0, "pipe");
    for (long kind = 0; kind < 4; kind++) {
        for (int round = 0; round < 40; round++) {
            pthread_t thread;
            void *result;
            started = destroyed = caught = 0;
            CHECK(pthread_create(&thread, nullptr, body, (void *)kind) == 0, "pthread_create");
            while (!started)
                sched_yield();
            if (round % 2)
                usleep(1000);
            if (kind != 3)
                CHECK(pthread_cancel(thread) == 0, "pthread_cancel");
            pthread_join(thread, &result);
            CHECK(result == PTHREAD_CANCELED, "%s: result %p", names[kind], result);
            CHECK(destroyed == 123, "%s: destructors ran as %d", names[kind], destroyed.load());
            CHECK(caught == 1, "%s: passed %d catch blocks", names[kind], caught.load());
        }
        ok("destructors ran after %s", names[kind]);
    }
    caught = 0;
    pthread_t thread;
    pthread_create(&thread, nullptr, throwing, nullptr);
    pthread_join(thread, nullptr);
    CHECK(caught == 100, "%d exceptions caught", caught.load());
    ok("exceptions after calls");
    return 0;
}
