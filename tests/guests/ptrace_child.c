// expect: A tracer sees the calls of its child as the kernel does: in the order made, with their numbers, arguments
// and results, and none that the child did not make. A child stops itself, makes a fixed series of calls and exits;
// the parent follows it from entry to exit of each call by PTRACE_SYSCALL and prints the list, changes the result of
// one and replaces another's number by one that does not exist.
// musl: yes
#include "guest.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

static void child(void) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raw2(SYS_kill, raw0(SYS_getpid), SIGSTOP);
    for (int i = 0; i < 3; i++)
        raw0(SYS_getppid);
    if (raw6(1000, 1, 2, 3, 4, 5, 6) != -ENOSYS || raw1(SYS_close, -1) != -EBADF)
        raw1(SYS_exit_group, 1);
    if (raw1(SYS_umask, 022) != 4711) // the parent says so
        raw1(SYS_exit_group, 2);
    if (raw1(SYS_alarm, 30) != -ENOSYS) // the parent makes it another call
        raw1(SYS_exit_group, 3);
    raw1(SYS_exit_group, 42);
}

int main(void) {
    pid_t pid = fork();
    if (pid == 0)
        child();
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, "status %#x", status);
    CHECK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) == 0, "ptrace");
    struct user_regs_struct regs;
    for (int stops = 0;; stops++) {
        CHECK(ptrace(PTRACE_SYSCALL, pid, 0, 0) == 0, "ptrace");
        CHECK(waitpid(pid, &status, 0) == pid, "waitpid");
        if (WIFEXITED(status))
            break;
        CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80), "status %#x", status);
        CHECK(ptrace(PTRACE_GETREGS, pid, 0, &regs) == 0, "registers");
        long nr = (long)regs.orig_rax;
        if (stops == 0 && nr == SYS_kill) { // the way back from the stop
            stops--;
            continue;
        }
        if (stops % 2 == 0) {
            if (nr == SYS_alarm) {
                regs.orig_rax = 1000;
                CHECK(ptrace(PTRACE_SETREGS, pid, 0, &regs) == 0, "set registers");
            }
            if (nr == 1000)
                CHECK(regs.rdi == 1 && regs.rsi == 2 && regs.rdx == 3 && regs.r10 == 4 && regs.r8 == 5 && regs.r9 == 6,
                      "arguments");
            ok("call %ld enters", nr);
        } else if (nr == SYS_umask) {
            regs.rax = 4711;
            CHECK(ptrace(PTRACE_SETREGS, pid, 0, &regs) == 0, "set registers");
        } else if (nr != SYS_getppid) {
            ok("call %ld returns %ld", nr, (long)regs.rax);
        } else {
            CHECK((long)regs.rax == getpid(), "getppid %ld", (long)regs.rax);
        }
    }
    CHECK(WEXITSTATUS(status) == 42, "status %#x", status);
    ok("child ended by itself");
    return 0;
}
