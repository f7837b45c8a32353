// ends: 7
// expect: exit_group from a thread other than main, by the thread's own instruction, ends the process with that
// status while others block and call; buffered output that main left in stdio is not written, as natively.
// musl: yes
#include "guest.h"
#include <pthread.h>

static void *call_all_the_time(void *unused) {
    for (;;)
        raw0(SYS_getppid);
    return unused;
}
static void *leave(void *unused) {
    ok("about to exit");
    raw1(SYS_exit_group, 7);
    return unused;
}

int main(void) {
    static char buffer[4096];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    printf("never written\n");
    pthread_t thread;
    pthread_create(&thread, NULL, call_all_the_time, NULL);
    pthread_create(&thread, NULL, leave, NULL);
    pthread_join(thread, NULL);
    differs("alive after exit_group");
}
