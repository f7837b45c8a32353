// expect: Ends by an overflow of a thread's stack that nobody handles: no more than the signal, whoever wants to look.
// musl: yes
// ends: SIGSEGV
#include "guest.h"
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

static volatile int never;

__attribute__((noinline)) static int overflow(int depth) {
    volatile char frame[2048];
    frame[0] = (char)depth;
    if (never)
        return 0;
    return overflow(depth + 1) + frame[0];
}

static void *in_thread(void *unused) {
    overflow(0);
    return unused;
}

int main(void) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    ok("about to overflow");
    pthread_t thread;
    pthread_create(&thread, NULL, in_thread, NULL);
    pthread_join(thread, NULL);
    return 0;
}
