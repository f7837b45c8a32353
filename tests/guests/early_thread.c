// expect: A program's .preinit_array runs before all constructors but one: here it starts a thread that makes calls
// without end, and installs a handler. Text that is patched under a running thread is not executable for a moment,
// which ends the process; a handler that nobody knows of sees addresses that are not the program's. The thread is
// interrupted by the handler, blocks in read, is cancelled there, and its cleanup handler runs.
// userlands: yes
#include "guest.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

static int ends[2];
static pthread_t early;
static volatile int handled, blocks, cleaned;

static void handle(int sig) { handled += sig == SIGUSR1; }
static void clean(void *unused) { (void)unused, cleaned = 1; }

static void *body(void *unused) {
    char byte;
    pthread_cleanup_push(clean, NULL);
    while (!blocks)
        close(open("/dev/null", O_RDONLY));
    while (read(ends[0], &byte, 1) == -1 && errno == EINTR)
        ;
    differs("read returned");
    pthread_cleanup_pop(0);
    return unused;
}

static void begin(void) {
    struct sigaction action = {.sa_handler = handle};
    CHECK(pipe(ends) == 0 && sigaction(SIGUSR1, &action, NULL) == 0, "before constructors");
    CHECK(pthread_create(&early, NULL, body, NULL) == 0, "pthread_create");
}

__attribute__((section(".preinit_array"), used)) static void (*const preinit)(void) = begin;

int main(void) {
    void *result;
    for (int i = 1; i <= 100; i++) {
        pthread_kill(early, SIGUSR1);
        while (handled < i)
            usleep(100);
    }
    ok("handled %d signals", handled);
    blocks = 1;
    usleep(20000);
    pthread_kill(early, SIGUSR1);
    usleep(1000);
    CHECK(pthread_cancel(early) == 0 && pthread_join(early, &result) == 0, "pthread_cancel");
    CHECK(result == PTHREAD_CANCELED && cleaned, "result %p, cleaned %d", result, cleaned);
    ok("cancelled in read");
    return 0;
}
