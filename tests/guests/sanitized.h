// A program for tools that find faults. Without an argument nothing is to be found; with one, one fault is made:
// `freed` memory is read, a `race` is run, memory is `leaked`.
#pragma once
#include "guest.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

enum { THREADS = 4, ROUNDS = 1000 };
static volatile int handled, ready;
int raced;
static int written;
static char *volatile kept;

// Without an argument nothing is to be found, and what looks for leaks is a story of its own.
const char *__asan_default_options(void) { return "detect_leaks=0"; }

static void handle(int sig) {
    char here[64];
    memset(here, sig, sizeof here);
    __atomic_add_fetch(&handled, here[63] == SIGUSR1, __ATOMIC_RELAXED);
}

static void *allocate(void *unused) {
    stack_t stack = {.ss_sp = malloc(64 << 10), .ss_size = 64 << 10}, old;
    CHECK(sigaltstack(&stack, &old) == 0, "sigaltstack");
    __atomic_add_fetch(&ready, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < ROUNDS; i++) {
        char *block = malloc(1 + i % 300);
        int fd = open("/dev/zero", O_RDONLY);
        CHECK(fd >= 0 && read(fd, block, 1) == 1 && close(fd) == 0 && block[0] == 0, "call %d", i);
        free(block);
    }
    CHECK(sigaltstack(&old, NULL) == 0, "sigaltstack");
    free(stack.ss_sp);
    return unused;
}

// The second thread writes after the first, and both are there until it has: but nothing orders the two writes.
static void *race(void *which) {
    int number = (int)(intptr_t)which;
    for (int turn = 1; turn <= 2; turn++) {
        if (turn == number) {
            raced = number;
            __atomic_store_n(&written, turn, __ATOMIC_RELAXED);
        }
        while (__atomic_load_n(&written, __ATOMIC_RELAXED) < turn)
            ;
    }
    return which;
}

static void threads(int count, void *(*body)(void *), int signals) {
    pthread_t all[THREADS];
    ready = 0;
    for (int i = 0; i < count; i++)
        CHECK(pthread_create(&all[i], NULL, body, (void *)(intptr_t)(i + 1)) == 0, "pthread_create");
    for (int i = 0; i < signals; i++)
        pthread_kill(all[i % count], SIGUSR1);
    for (int i = 0; i < count; i++)
        pthread_join(all[i], NULL);
}

static void make_fault(const char *which) {
    if (!strcmp(which, "freed")) {
        kept = malloc(10);
        free(kept);
        handled += kept[3];
    } else if (!strcmp(which, "race")) {
        threads(2, race, 0);
    } else if (!strcmp(which, "leaked")) {
        kept = malloc(10);
        kept = NULL;
    }
}

int main(int argc, char **argv) {
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_ONSTACK | SA_RESTART};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0, "sigaction");
    threads(THREADS, allocate, 0);
    ok("threads allocate");
    for (int i = 0; i < 200; i++)
        raise(SIGUSR1);
    CHECK(handled == 200, "handled %d", handled);
    ok("handled %d signals", handled);
    int status;
    pid_t child = fork();
    if (child == 0) {
        allocate(NULL);
        _exit(handled == 200 ? 5 : 6);
    }
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5, "child %x", status);
    ok("a child allocates");
    CHECK(system("exit 7") == 7 << 8, "system");
    ok("a shell runs");
    if (argc > 1)
        make_fault(argv[1]);
    return 0;
}
