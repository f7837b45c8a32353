// expect: SIG_IGN and SIG_DFL are not handlers: ignoring survives exec, makes the kernel reap children and turns
// SIGPIPE into EPIPE; the default ends the process by that very signal. What sigaction stores it gives back to the
// byte, restorer included; handlers are reset by exec, SIGKILL and bad numbers are refused. Children die by, ignore
// and handle signals, and the guest runs itself again to see what survived exec.
// musl: yes
#include "guest.h"
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/wait.h>

struct kernel_sigaction {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

static void nothing(int sig) { (void)sig; }

static volatile int codes;
static void note(int sig, siginfo_t *info, void *context) {
    (void)sig, (void)context;
    codes |= 1 << info->si_code;
}

static void wait_for(pid_t child, int *status, int options) {
    while (waitpid(child, status, options) == -1)
        CHECK(errno == EINTR, "waitpid");
}

static int status_of(pid_t child) {
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child, "waitpid");
    return status;
}

static void after_exec(void) {
    struct sigaction action;
    sigaction(SIGUSR1, NULL, &action);
    CHECK(action.sa_handler == SIG_IGN, "ignored signal after exec");
    sigaction(SIGUSR2, NULL, &action);
    CHECK(action.sa_handler == SIG_DFL, "handled signal after exec");
    sigaction(SIGURG, NULL, &action);
    CHECK(action.sa_handler == SIG_DFL, "default signal after exec");
    raise(SIGUSR1);
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    CHECK(sigismember(&mask, SIGTERM) == 1, "blocked signal after exec");
    _exit(51);
}

int main(int argc, char **argv) {
    if (argc > 1)
        after_exec();

    // Signals whose default is to end the process, without a core file where there is a choice.
    static const int deadly[] = {SIGTERM, SIGHUP, SIGUSR1, SIGALRM, SIGKILL, SIGPIPE, SIGVTALRM, SIGIO};
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) {
        pid_t child = fork();
        if (child == 0) {
            signal(deadly[i], SIG_DFL);
            kill(getpid(), deadly[i]);
            for (;;)
                pause();
        }
        int status = status_of(child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == deadly[i], "default of %d: status %#x", deadly[i], status);
    }
    pid_t child = fork();
    if (child == 0) {
        signal(SIGTERM, nothing);
        signal(SIGTERM, SIG_DFL);
        kill(getpid(), SIGTERM);
        _exit(1);
    }
    int status = status_of(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "default after a handler: %#x", status);
    child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        abort();
    }
    status = status_of(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "abort: %#x", status);
    // Blocked but in a call that waits with a mask of its own.
    for (int way = 0; way < 3; way++) {
        child = fork();
        if (child == 0) {
            sigset_t all, none;
            sigfillset(&all);
            sigemptyset(&none);
            sigprocmask(SIG_SETMASK, &all, NULL);
            kill(getpid(), SIGTERM);
            switch (way) {
            case 0: sigsuspend(&none); break;
            case 1: ppoll(NULL, 0, NULL, &none); break;
            default: pselect(0, NULL, NULL, NULL, NULL, &none);
            }
            _exit(1);
        }
        status = status_of(child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "let in by a call, %d: %#x", way, status);
    }
    ok("SIG_DFL ends the process by the signal");

    for (int sig = 1; sig < 32; sig++)
        if (sig != SIGKILL && sig != SIGSTOP && sig != SIGCHLD) {
            struct sigaction before;
            sigaction(sig, NULL, &before);
            CHECK(signal(sig, SIG_IGN) != SIG_ERR && raise(sig) == 0, "ignored %d", sig);
            sigaction(sig, &before, NULL);
        }
    ok("SIG_IGN ignores");

    int ends[2];
    CHECK(pipe(ends) == 0, "pipe");
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    CHECK(write(ends[1], "x", 1) == -1 && errno == EPIPE, "write to a pipe without reader");
    signal(SIGPIPE, SIG_DFL);
    ok("ignored SIGPIPE leaves EPIPE");

    signal(SIGCHLD, SIG_IGN);
    for (int i = 0; i < 5; i++) {
        child = fork();
        if (child == 0)
            _exit(3);
        CHECK(waitpid(child, NULL, 0) == -1 && errno == ECHILD, "a child of who ignores SIGCHLD is not reaped");
    }
    struct sigaction no_wait = {.sa_handler = nothing, .sa_flags = SA_NOCLDWAIT | SA_RESTART};
    sigaction(SIGCHLD, &no_wait, NULL);
    child = fork();
    if (child == 0)
        _exit(3);
    CHECK(waitpid(child, NULL, 0) == -1 && errno == ECHILD, "SA_NOCLDWAIT");
    signal(SIGCHLD, SIG_DFL);
    ok("SIG_IGN and SA_NOCLDWAIT reap children");

    // A child that stops and goes on, for a parent that wants to hear of it, and one that does not.
    for (int is_told = 0; is_told < 2; is_told++) {
        struct sigaction told = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | (is_told ? 0 : SA_NOCLDSTOP)};
        sigaction(SIGCHLD, &told, NULL);
        codes = 0;
        child = fork();
        if (child == 0)
            for (;;)
                pause();
        int how = 0;
        kill(child, SIGSTOP);
        wait_for(child, &how, WUNTRACED);
        CHECK(WIFSTOPPED(how), "not stopped: %#x", how);
        kill(child, SIGCONT);
        wait_for(child, &how, WCONTINUED);
        kill(child, SIGKILL);
        wait_for(child, &how, 0);
        CHECK(WIFSIGNALED(how), "not killed: %#x", how);
        // A later SIGCHLD may become one with an earlier one.
        CHECK(is_told ? codes & 1 << CLD_STOPPED : codes == 1 << CLD_KILLED, "codes %x, told %d", codes, is_told);
    }
    signal(SIGCHLD, SIG_DFL);
    ok("SA_NOCLDSTOP");

    struct kernel_sigaction set = {nothing, 0x04000000 | SA_RESTART | SA_SIGINFO, (void (*)(void))nothing, 0x1234}, old;
    CHECK(raw4(SYS_rt_sigaction, SIGUSR1, &set, 0, 8) == 0, "rt_sigaction");
    CHECK(raw4(SYS_rt_sigaction, SIGUSR1, 0, &old, 8) == 0, "rt_sigaction");
    CHECK(!memcmp(&set, &old, sizeof set), "handler %p flags %lx restorer %p mask %lx", (void *)old.handler, old.flags,
          (void *)old.restorer, old.mask);
    set.handler = SIG_IGN;
    CHECK(raw4(SYS_rt_sigaction, SIGUSR1, &set, &old, 8) == 0 && old.handler == nothing, "old action while setting");
    ok("sigaction gives back what was stored");

    CHECK(signal(SIGKILL, nothing) == SIG_ERR && errno == EINVAL, "handler for SIGKILL");
    CHECK(signal(SIGSTOP, SIG_IGN) == SIG_ERR && errno == EINVAL, "SIGSTOP ignored");
    CHECK(raw4(SYS_rt_sigaction, 0, &set, 0, 8) == -EINVAL, "signal 0");
    CHECK(raw4(SYS_rt_sigaction, 65, &set, 0, 8) == -EINVAL, "signal 65");
    CHECK(raw4(SYS_rt_sigaction, SIGUSR1, &set, 0, 16) == -EINVAL, "size of the mask");
    CHECK(raw4(SYS_rt_sigaction, SIGKILL, 0, &old, 8) == 0 && old.handler == SIG_DFL, "asking for SIGKILL");
    ok("refused as the kernel does");

    child = fork();
    if (child == 0) {
        sigset_t blocked;
        signal(SIGUSR1, SIG_IGN);
        signal(SIGUSR2, nothing);
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGTERM);
        sigprocmask(SIG_SETMASK, &blocked, NULL);
        execl("/proc/self/exe", argv[0], "after exec", (char *)NULL);
        _exit(1);
    }
    status = status_of(child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 51, "after exec: %#x", status);
    ok("exec keeps what is ignored and blocked, and resets handlers");
    return 0;
}
