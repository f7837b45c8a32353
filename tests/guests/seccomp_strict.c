// expect: In seccomp's strict mode only read, write, exit and rt_sigreturn are left, and anything else is SIGKILL;
// nothing an interceptor does on the way of a call may need more. A child enters it, writes and reads a thousand
// times, returns from as many handlers of SIGILL (rt_sigreturn) and ends by exit with its status; another one dies by SIGKILL at getpid.
// musl: yes
#include "guest.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <ucontext.h>

static int status_of(pid_t child) {
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child, "waitpid");
    return status;
}

static volatile int handled;
static void step_over(int sig, siginfo_t *info, void *context) {
    (void)sig, (void)info;
    handled++;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2; // ud2
}

int main(void) {
    int ends[2];
    CHECK(pipe(ends) == 0, "pipe");
    struct sigaction action = {.sa_sigaction = step_over, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, NULL);
    pid_t child = fork();
    if (child == 0) {
        CHECK(prctl(PR_SET_SECCOMP, 1) == 0, "strict mode");
        for (int i = 0; i < 1000; i++) {
            char byte = 0;
            if (write(ends[1], &(char){(char)i}, 1) != 1 || read(ends[0], &byte, 1) != 1 || byte != (char)i)
                raw1(SYS_exit, 1);
            __asm__ volatile("ud2");
        }
        raw1(SYS_exit, handled == 1000 ? 42 : 2);
    }
    int status = status_of(child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42, "child in strict mode: status %#x", status);
    ok("a thousand calls and an exit");
    child = fork();
    if (child == 0) {
        CHECK(prctl(PR_SET_SECCOMP, 1) == 0, "strict mode");
        raw0(SYS_getpid);
        raw1(SYS_exit, 1);
    }
    status = status_of(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "child that called getpid: status %#x", status);
    ok("another call kills");
    return 0;
}
