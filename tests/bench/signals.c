// What a signal costs, in TSC cycles.
//
//     signals KIND
//
// Prints the best of many batches, for each signal or call. KIND: raise, one that the thread sends to itself, with a
// handler that does nothing; onstack, the same on an alternate stack; nested, one more raised in the handler; call, a
// call with a number that the kernel does not know; handlers, the same call with handlers installed for all signals.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

enum { BATCHES = 400, IN_BATCH = 100 };
static volatile int handled;

static void nothing(int sig) {
    (void)sig;
    handled++;
}
static void raise_another(int sig) {
    (void)sig;
    handled++;
    raise(SIGUSR2);
}

static void handle(int sig, void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(sig, &action, NULL);
}

static void call(void) { syscall(1000); }
static void signal_itself(void) { raise(SIGUSR1); }

int main(int argc, char **argv) {
    const char *kind = argc > 1 ? argv[1] : "raise";
    static char stack[65536];
    int is_call = !strcmp(kind, "call") || !strcmp(kind, "handlers"), signals = 1;
    if (!strcmp(kind, "handlers"))
        for (int sig = 1; sig < 65; sig++)
            handle(sig, nothing, SA_RESTART);
    if (!strcmp(kind, "raise"))
        handle(SIGUSR1, nothing, 0);
    if (!strcmp(kind, "onstack")) {
        sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
        handle(SIGUSR1, nothing, SA_ONSTACK);
    }
    if (!strcmp(kind, "nested")) {
        handle(SIGUSR1, raise_another, 0);
        handle(SIGUSR2, nothing, 0);
        signals = 2;
    }
    void (*volatile what)(void) = is_call ? call : signal_itself;
    unsigned long best = ~0ul;
    for (int batch = 0; batch < BATCHES; batch++) {
        unsigned long began = __rdtsc();
        for (int i = 0; i < IN_BATCH; i++)
            what();
        unsigned long took = __rdtsc() - began;
        best = took < best ? took : best;
    }
    if (!is_call && handled != BATCHES * IN_BATCH * signals)
        return 1;
    printf("%.1f\n", (double)best / IN_BATCH / signals);
    return 0;
}
