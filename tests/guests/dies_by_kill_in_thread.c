// ends: SIGKILL
// expect: SIGKILL from one thread ends all others, blocked ones and those amid calls, and is the status seen outside.
// musl: yes
#include "guest.h"
#include <pthread.h>
#include <signal.h>

static void *call_all_the_time(void *unused) {
    for (;;)
        raw0(SYS_getppid);
    return unused;
}
static void *block(void *unused) {
    for (;;)
        pause();
    return unused;
}
static void *kill_all(void *unused) {
    ok("about to be killed");
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
    return unused;
}

int main(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, call_all_the_time, NULL);
    pthread_create(&thread, NULL, block, NULL);
    pthread_create(&thread, NULL, kill_all, NULL);
    pthread_join(thread, NULL);
    differs("alive after SIGKILL");
}
