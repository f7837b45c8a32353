// A vfork child that is killed at any instruction of a sigaction call leaves its parent, and the vfork children
// after it, able to install and read actions. Another process steps through the child and kills it there.
#include "../guests/guest.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum { KILLS = 100, HANDLERS = 4 };

static struct shared {
    volatile int is_to_be_killed; // the next child
    volatile int is_in_call;      // set by it around the call that it is killed in
} *shared;

static volatile sig_atomic_t handled;
static void count(int sig) { handled += sig == SIGUSR1; }
static void first(int sig) { (void)sig; }
static void second(int sig) { (void)sig; }
static void third(int sig) { (void)sig; }
static void fourth(int sig) { (void)sig; }
static void (*const handlers[HANDLERS])(int) = {first, second, third, fourth};

// In a vfork child, which may not return.
static int install(void (*handler)(int), int is_to_be_killed) {
    struct sigaction action = {.sa_handler = handler}, before;
    shared->is_in_call = is_to_be_killed;
    if (is_to_be_killed)
        __asm__ volatile("int3"); // from here on the tracer steps
    int result = sigaction(SIGUSR2, &action, NULL);
    shared->is_in_call = 0;
    return result == 0 && sigaction(SIGUSR2, NULL, &before) == 0 && before.sa_handler == handler;
}

static void child_is_killed(int round) {
    shared->is_to_be_killed = 1;
    pid_t child = vfork();
    if (child == 0) {
        install(handlers[round % HANDLERS], 1);
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, NULL, 0) == child, "vfork");
}

// What the killed ones have left.
static void check(void) {
    struct sigaction action;
    pid_t child = vfork();
    if (child == 0) {
        for (int i = 0; i < HANDLERS; i++)
            if (!install(handlers[i], 0))
                _exit(i + 1);
        _exit(0);
    }
    int status;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0, "the child's actions: %#x", status);
    CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == count, "the parent's action");
    CHECK(sigaction(SIGUSR2, NULL, &action) == 0 && action.sa_handler == SIG_DFL, "what only children have changed");
    handled = 0;
    raise(SIGUSR1);
    CHECK(handled == 1, "handled %d times", (int)handled);
}

static void traced(int begins) {
    char byte;
    struct sigaction action = {.sa_handler = count};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0, "sigaction");
    CHECK(read(begins, &byte, 1) == 1, "read");
    child_is_killed(0); // is not: its instructions are counted
    for (int round = 0; round < KILLS; round++) {
        child_is_killed(round);
        if (round % 20 == 19)
            check();
    }
    _exit(0);
}

// Steps through a child, and kills it after so many instructions of the call. Returns how many there were.
static long step(pid_t child, long kill_after) {
    long steps = 0;
    int status;
    CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0 && waitpid(child, &status, __WALL) == child, "PTRACE_CONT");
    while (WIFSTOPPED(status) && WSTOPSIG(status) != SIGTRAP) // a trap of the interceptor's
        CHECK(ptrace(PTRACE_CONT, child, 0, WSTOPSIG(status)) == 0 && waitpid(child, &status, __WALL) == child, "stop");
    CHECK(WIFSTOPPED(status), "no int3: %#x", status);
    for (;;) {
        int sig = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
        if (steps > kill_after)
            kill(child, SIGKILL);
        else
            CHECK(ptrace(PTRACE_SINGLESTEP, child, 0, sig) == 0, "PTRACE_SINGLESTEP");
        CHECK(waitpid(child, &status, __WALL) == child, "waitpid");
        if (!WIFSTOPPED(status))
            return steps;
        steps += shared->is_in_call;
    }
}

int main(void) {
    int status, begins[2];
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED && pipe(begins) == 0, "mmap, pipe");
    pid_t parent = fork();
    CHECK(parent >= 0, "fork");
    if (parent == 0)
        traced(begins[0]);
    CHECK(ptrace(PTRACE_SEIZE, parent, 0, PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL) == 0, "PTRACE_SEIZE");
    CHECK(write(begins[1], "", 1) == 1, "write");
    long all = -1;
    int killed = 0;
    for (;;) {
        pid_t stopped = waitpid(-1, &status, __WALL);
        CHECK(stopped > 0, "waitpid");
        if (stopped == parent && !WIFSTOPPED(status))
            break;
        if (stopped == parent) {
            // Its signals reach it, the tracer's events do not.
            ptrace(PTRACE_CONT, parent, 0, status >> 16 ? 0 : WSTOPSIG(status));
        } else if (WIFSTOPPED(status) && !shared->is_to_be_killed) {
            ptrace(PTRACE_DETACH, stopped, 0, 0);
        } else if (WIFSTOPPED(status)) {
            shared->is_to_be_killed = 0;
            if (all < 0)
                all = step(stopped, 1L << 40);
            else
                step(stopped, all / 3 + all * 2 / 3 * killed++ / KILLS);
        }
    }
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the parent ends with %#x", status);
    CHECK(all > 0 && killed == KILLS, "%d kills in %ld steps", killed, all);
    ok("%d children were killed in a call", killed);
    return 0;
}
