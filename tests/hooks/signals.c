// Sees signals on their way. SIGNALS=scenario, read by the constructor, which runs the scenario and ends the process:
// with "ok" and status 0, or with a line that says what was wrong and status 1.

#define _GNU_SOURCE
#include "check.h"
#include "interceptor.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <termios.h>
#include <ucontext.h>
#include <unistd.h>

static volatile int shown, handled, hooked_calls, last_shown, swallows, swallowed;
static volatile pid_t sender;
static volatile int sent, continues;
static sigjmp_buf out;

static void hook(int sig, siginfo_t *info, void *context, int *forward) {
    (void)context;
    CHECK(*forward == 0, "forward is not 0 at first");
    shown++;
    last_shown = sig;
    sender = info->si_pid;
    // No hook sees these; errno is not the program's.
    getppid();
    close(-1);
    if (continues && sig != SIGCONT)
        kill(getpid(), SIGCONT);
    *forward = !swallows && sig != swallowed;
}

// Faults of all kinds, each of which goes on at `behind_fault`.
static char *volatile behind_fault, *volatile cut_off;
#define FAULT(instructions, ...) \
    __asm__ volatile("lea 1f(%%rip), %%rax\n mov %%rax, %0\n" instructions "\n1:" : "=m"(behind_fault) : __VA_ARGS__ : "rax", "rcx", "rdx", "memory", "cc")
static const int kinds[] = {SIGSEGV, SIGILL, SIGTRAP, SIGFPE, SIGBUS};
enum { KINDS = sizeof kinds / sizeof *kinds };
static __attribute__((noinline)) void fault(int kind) {
    switch (kinds[kind]) {
    case SIGSEGV: FAULT("movl $1, 8", "r"(kind)); break;
    case SIGILL: FAULT("ud2", "r"(kind)); break;
    case SIGTRAP: FAULT("int3", "r"(kind)); break;
    case SIGFPE: FAULT("xor %%edx, %%edx\n xor %%ecx, %%ecx\n div %%ecx", "r"(kind)); break;
    default: FAULT("movl $1, (%1)", "r"(cut_off)); break;
    }
}

enum { NOBODYS = 5001, FAULTS };
static long see_call(long nr, long a0, long a1, long a2, long a3, long a4, long a5, int *forward) {
    (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    if (nr == SYS_getppid)
        hooked_calls++;
    if (nr == NOBODYS)
        CHECK(getpid() > 0, "a call of the hook's own");
    if (nr >= FAULTS && nr < FAULTS + KINDS) {
        int before = handled;
        // It waits for the hook.
        interceptor_syscall(SYS_tgkill, (long)getpid(), (long)gettid(), (long)SIGSYS);
        fault((int)nr - FAULTS);
        CHECK(handled == before + 1 && close(-1) == -1, "the fault is handled");
    }
    if (nr == SYS_getpgrp) {
        int before = handled;
        for (int i = 0; i < 2; i++) {
            interceptor_syscall(SYS_kill, (long)getpid(), (long)sent);
            interceptor_syscall(SYS_getppid);
        }
        CHECK(handled == before, "handled in the hook");
    }
    *forward = 1;
    return 0;
}

static void handle(int sig) {
    (void)sig;
    handled++;
    getppid();
}

static void handled_ones(void) {
    // Whatever whoever runs this ignores, as shells do for what runs in the background.
    signal(SIGQUIT, SIG_DFL);
    signal(SIGTSTP, SIG_DFL);
    signal(SIGUSR1, handle);
    errno = ENOTTY;
    CHECK(raise(SIGUSR1) == 0 && errno == ENOTTY, "raise");
    CHECK(shown == 1 && handled == 1 && last_shown == SIGUSR1 && sender == getpid(), "shown %d, handled %d", shown,
          handled);
    CHECK(hooked_calls == 1, "%d calls were hooked, the handler makes one", hooked_calls);
    swallows = 1;
    raise(SIGUSR1);
    CHECK(shown == 2 && handled == 1, "swallowed: shown %d, handled %d", shown, handled);
    raise(SIGTERM);
    kill(getpid(), SIGQUIT);
    raise(SIGTSTP);
    CHECK(shown == 5, "defaults are swallowed: shown %d", shown);
    struct sigaction read_back;
    sigaction(SIGTERM, NULL, &read_back);
    CHECK(read_back.sa_handler == SIG_DFL && read_back.sa_flags == 0, "SIGTERM: %p, %x", (void *)read_back.sa_handler,
          read_back.sa_flags);
    interceptor_signal_hook = NULL;
    raise(SIGUSR1);
    CHECK(handled == 2 && shown == 5, "no hook");
    interceptor_signal_hook = hook;
    // What is ignored is not shown unless asked for.
    signal(SIGUSR1, SIG_IGN);
    raise(SIGUSR1);
    raise(SIGWINCH);
    CHECK(shown == 5, "ignored ones were shown");
    CHECK(interceptor_signal_subscribe(1u << 5) == -1, "unknown bits");
    CHECK(interceptor_signal_subscribe(INTERCEPTOR_SIGNALS_IGNORED) == 0, "subscribe");
    raise(SIGUSR1);
    raise(SIGWINCH);
    CHECK(shown == 7, "ignored ones: shown %d", shown);
    signal(SIGUSR2, SIG_IGN);
    raise(SIGUSR2);
    CHECK(shown == 8, "ignored later: shown %d", shown);
    sigaction(SIGUSR1, NULL, &read_back);
    CHECK(read_back.sa_handler == SIG_IGN, "SIGUSR1 is ignored");
}

static int status_of(void (*child)(int), int sig) {
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        end_with_parent();
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        child(sig);
        _exit(99);
    }
    CHECK(waitpid(pid, &status, 0) == pid, "waitpid");
    return status;
}

static void by_kill(int sig) {
    kill(getpid(), sig);
    for (;;)
        pause();
}
static void by_null(int sig) {
    (void)sig;
    *(volatile int *)NULL = 1;
}
static void by_null_in_thread(int sig) {
    pthread_t thread;
    pthread_create(&thread, NULL, (void *(*)(void *))by_null, NULL);
    (void)sig;
    pause();
}
static void by_abort(int sig) {
    (void)sig;
    abort();
}
static void by_ud2(int sig) {
    (void)sig;
    __builtin_trap();
}
static void by_int3(int sig) {
    (void)sig;
    __asm__ volatile("int3");
}
static void blocked_first(int sig) {
    sigset_t set;
    sigfillset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    kill(getpid(), sig);
    CHECK(shown == 0, "shown while blocked");
    sigemptyset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
}
static void overflow(int sig) {
    volatile char room[4096];
    room[0] = (char)sig;
    overflow(room[0]);
    room[1] = 0;
}

static void fatal_ones(void) {
    static const struct {
        void (*how)(int);
        int sig;
    } ways[] = {{by_kill, SIGTERM},   {by_kill, SIGUSR1},   {by_kill, SIGALRM},     {by_kill, SIGPIPE},
                {by_kill, SIGSEGV},   {by_null, SIGSEGV},   {by_abort, SIGABRT},    {by_ud2, SIGILL},
                {by_int3, SIGTRAP},   {by_kill, SIGKILL},   {by_null_in_thread, SIGSEGV}, {blocked_first, SIGTERM},
                {by_kill, 40},  {overflow, SIGSEGV}};
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        int status = status_of(ways[i].how, ways[i].sig);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == ways[i].sig, "way %u, %d: status %#x", i, ways[i].sig, status);
    }
}

// Job control.
static void stopped_ones(void) {
    int go_on[2];
    CHECK(pipe(go_on) == 0, "pipe");
    static const int stops[] = {SIGTSTP, SIGTTIN, SIGTTOU, SIGSTOP};
    for (unsigned i = 0; i < 4; i++) {
        int status = -1;
        pid_t pid = fork();
        if (pid == 0) {
            end_with_parent();
            setpgid(0, 0); // an orphaned group would not stop
            for (int round = 0; round < 3; round++) {
                char byte;
                raise(stops[i]);
                CHECK(read(go_on[0], &byte, 1) == 1, "read"); // until that was seen
            }
            _exit(shown == (stops[i] == SIGSTOP ? 0 : 3) ? 7 : 8);
        }
        for (int round = 0; round < 3; round++) {
            CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == stops[i],
                  "stop by %d, round %d: status %#x", stops[i], round, status);
            kill(pid, SIGCONT);
            CHECK(waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status), "continued: %#x", status);
            CHECK(write(go_on[1], "x", 1) == 1, "write");
        }
        CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7, "status %#x", status);
    }
    // One that is continued before it has stopped goes on, by its handler or without one.
    continues = 1;
    for (unsigned i = 0; i < 6; i++) {
        int status = -1;
        pid_t pid = fork();
        if (pid == 0) {
            end_with_parent();
            setpgid(0, 0);
            if (i % 2)
                signal(SIGCONT, handle);
            raise(stops[i / 2]);
            _exit(shown == (i % 2 ? 2 : 1) && handled == (int)i % 2 ? 7 : 8);
        }
        CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7,
              "continued at once, %d: status %#x", stops[i / 2], status);
    }
}

static void nothing(int sig) { (void)sig; }

// Real-time signals that come while a hook runs, and those queued behind them.
static volatile int came[16], how_many;
static int queues;
static void take(int sig, siginfo_t *info, void *context) {
    (void)context;
    CHECK(how_many < 16, "too many");
    came[how_many++] = (sig - 40) * 100 + info->si_value.sival_int;
}
static void queue_to_self(int sig, int value) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = sig;
    info.si_code = SI_QUEUE;
    info.si_value.sival_int = value;
    long tid = queues & 1 ? interceptor_syscall(SYS_gettid) : 0;
    long sent_so = tid ? interceptor_syscall(SYS_rt_tgsigqueueinfo, (long)getpid(), tid, (long)sig, &info)
                       : interceptor_syscall(SYS_rt_sigqueueinfo, (long)getpid(), (long)sig, &info);
    CHECK(sent_so == 0, "queue");
}
static long queue_in_hook(long nr, long a0, long a1, long a2, long a3, long a4, long a5, int *forward) {
    (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    if (nr == SYS_getpgrp || nr == SYS_rt_sigaction) {
        // All there are before the first comes.
        unsigned long set = 3ul << 40, old = 0;
        interceptor_syscall(SYS_rt_sigprocmask, (long)SIG_BLOCK, &set, &old, 8L);
        queue_to_self(41, 1);
        for (int i = 2; i < 5; i++) {
            queue_to_self(41, i);
            queue_to_self(42, i);
        }
        // No more can be queued from here on.
        struct rlimit limit = {0, 0}, before;
        interceptor_syscall(SYS_prlimit64, 0L, (long)RLIMIT_SIGPENDING, NULL, &before);
        limit.rlim_max = before.rlim_max;
        interceptor_syscall(SYS_prlimit64, 0L, (long)RLIMIT_SIGPENDING, &limit, NULL);
        interceptor_syscall(SYS_rt_sigprocmask, (long)SIG_SETMASK, &old, NULL, 8L);
        interceptor_syscall(SYS_prlimit64, 0L, (long)RLIMIT_SIGPENDING, &before, NULL);
        CHECK(how_many == 0, "handled in the hook");
    }
    *forward = 1;
    return 0;
}
static void ordered_ones(void) {
    struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_SIGINFO};
    static const int expected[] = {101, 102, 103, 104, 202, 203, 204};
    sigfillset(&action.sa_mask);
    sigaction(41, &action, NULL);
    sigaction(42, &action, NULL);
    interceptor_syscall_hook = queue_in_hook;
    for (queues = 0; queues < 4; queues++) {
        how_many = 0;
        syscall(SYS_getpgrp);
        CHECK(how_many == 7, "%d handled", how_many);
        for (int i = 0; i < 7; i++)
            CHECK(came[i] == expected[i], "%d came as number %d, not %d", came[i], i, expected[i]);
    }
    // The call that is seen ignores it from then on.
    how_many = 0;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(41, &ignore, NULL);
    for (int i = 0; i < how_many; i++)
        CHECK(came[i] > 200, "%d was handled though it is ignored", came[i]);
    CHECK(how_many == 3, "%d handled, %d are not ignored", how_many, 3);
}

// All signals at once, when a hook has used nearly all of its stack: the kernel builds their frames one on another before
// a handler has run.
enum { HOOKS_STACK = 192 * 1024, SPARED = 12 * 1024 };
static volatile int times[65], deep_hooks;
static void count(int sig) {
    times[sig]++;
    getppid();
}
// Those that stop discard SIGCONT.
static int comes(int sig) { return sig != SIGKILL && sig != SIGSTOP && sig != SIGCONT; }
static long use_stack_in_hook(long nr, long a0, long a1, long a2, long a3, long a4, long a5, int *forward) {
    (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    if (nr == SYS_getpgrp) {
        volatile char room[HOOKS_STACK - SPARED];
        for (unsigned i = 0; i < sizeof room; i += 64)
            room[i] = (char)(i / 64);
        unsigned long all = ~0ul, old = 0;
        interceptor_syscall(SYS_rt_sigprocmask, (long)SIG_BLOCK, &all, &old, 8L);
        long tid = interceptor_syscall(SYS_gettid), pid = interceptor_syscall(SYS_getpid);
        for (long sig = 1; sig <= 64; sig++)
            if (comes((int)sig))
                CHECK(interceptor_syscall(SYS_tgkill, pid, tid, sig) == 0, "tgkill %ld", sig);
        interceptor_syscall(SYS_rt_sigprocmask, (long)SIG_SETMASK, &old, NULL, 8L);
        for (unsigned i = 0; i < sizeof room; i += 64)
            CHECK(room[i] == (char)(i / 64), "the stack of the hook at %u", i);
        for (int sig = 1; sig <= 64; sig++)
            CHECK(!comes(sig) || times[sig] == deep_hooks, "%d was handled in the hook", sig);
        deep_hooks++;
    }
    *forward = 1;
    return 0;
}
static void all_at_once(void) {
    signal(SIGUSR1, count);
    // Those of libc, too: as the kernel has it.
    unsigned long action[4];
    CHECK(syscall(SYS_rt_sigaction, SIGUSR1, NULL, action, 8) == 0, "rt_sigaction");
    for (int sig = 1; sig <= 64; sig++)
        CHECK(!comes(sig) || syscall(SYS_rt_sigaction, sig, action, NULL, 8) == 0, "rt_sigaction of %d", sig);
    interceptor_syscall_hook = use_stack_in_hook;
    for (int round = 1; round < 20; round++) {
        CHECK(syscall(SYS_getpgrp) == getpgrp(), "result");
        for (int sig = 1; sig <= 64; sig++)
            CHECK(times[sig] == (comes(sig) ? deep_hooks : 0), "%d handled %d times", sig, times[sig]);
    }
}

// A group in the background that ignores what its terminal would send it sets that one as it likes, and cannot read.
static void in_background(int unused) {
    (void)unused;
    int ours = posix_openpt(O_RDWR | O_NOCTTY);
    CHECK(ours >= 0 && grantpt(ours) == 0 && unlockpt(ours) == 0 && setsid() > 0, "a terminal");
    int terminal = open(ptsname(ours), O_RDWR);
    CHECK(terminal >= 0, "its other end");
    signal(SIGTTOU, SIG_IGN);
    signal(SIGTTIN, SIG_IGN);
    pid_t pid = fork();
    if (pid == 0) {
        end_with_parent();
        alarm(20);
        setpgid(0, 0);
        char byte;
        struct termios how;
        CHECK(read(terminal, &byte, 1) == -1 && errno == EIO, "read");
        CHECK(tcgetattr(terminal, &how) == 0 && tcsetattr(terminal, TCSANOW, &how) == 0, "tcsetattr");
        CHECK(tcsetpgrp(terminal, getpgrp()) == 0, "tcsetpgrp");
        _exit(6);
    }
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 6, "status %#x", status);
    _exit(7);
}

// Ignored signals stay ignored over exec, although the hook sees them; children are reaped.
static void ignored_ones(void) {
    interceptor_signal_subscribe(INTERCEPTOR_SIGNALS_IGNORED);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, nothing);
    int status = -1;
    for (int way = 0; way < 2; way++) {
        pid_t pid = way ? vfork() : fork();
        if (pid == 0) {
            unsetenv("SIGNALS");
            execl("/nonexistent", "x", (char *)NULL);
            execl("/bin/sh", "sh", "-c", "kill -USR1 $$; kill -USR1 $$; exit 5", (char *)NULL);
            _exit(1);
        }
        CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 5, "SIGUSR1: %#x", status);
    }
    int before = shown;
    raise(SIGUSR1);
    CHECK(shown > before, "still shown after a child's exec");
    signal(SIGCHLD, SIG_IGN);
    pid_t pid = fork();
    if (pid == 0)
        _exit(3);
    CHECK(waitpid(pid, NULL, 0) == -1 && errno == ECHILD, "SIGCHLD ignored reaps children");
    signal(SIGCHLD, SIG_DFL);
    status = status_of(in_background, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7, "in the background: %#x", status);
}

static void edit(int sig, siginfo_t *info, void *context, int *forward) {
    (void)sig;
    CHECK(info->si_addr == (void *)16, "address %p", info->si_addr);
    // Over `movl $1, 16` (11 bytes), with a result.
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    regs[REG_RIP] += 11;
    regs[REG_RBX] = 4711;
    *forward = 0;
}

// A fault that the hook mends.
static void edited(void) {
    interceptor_signal_hook = edit;
    long rbx = 0;
    for (int i = 0; i < 3; i++) {
        __asm__ volatile("movl $1, 16" : "=b"(rbx)::"memory");
        CHECK(rbx == 4711, "rbx is %ld", rbx);
    }
}

static volatile pid_t waiter;

static void *wait_forever(void *unused) {
    waiter = (pid_t)syscall(SYS_gettid);
    for (;;)
        pause();
    return unused;
}

// glibc sends a signal only to a thread that waits.
static void wait_until_asleep(void) {
    char path[64], state[256] = "";
    while (!waiter)
        usleep(100);
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", waiter);
    while (!strstr(state, ") S")) {
        int fd = open(path, O_RDONLY);
        ssize_t n = read(fd, state, sizeof state - 1);
        close(fd);
        state[n > 0 ? n : 0] = 0;
    }
}

// Of cancellation, and of changes of ids, of which each other thread is told.
static void internal_ones(void) {
    for (int round = 0; round < 2; round++) {
        waiter = shown = 0;
        pthread_t thread;
        pthread_create(&thread, NULL, wait_forever, NULL);
        wait_until_asleep();
        CHECK(setgid(getgid()) == 0, "setgid");
        CHECK(shown == round && (!round || last_shown == 33), "ids: shown %d, round %d", shown, round);
        pthread_cancel(thread);
        void *result = NULL;
        pthread_join(thread, &result);
        CHECK(result == PTHREAD_CANCELED, "not cancelled");
        CHECK(shown == 2 * round && (!round || last_shown == 32), "cancellation: shown %d, round %d", shown, round);
        interceptor_signal_subscribe(INTERCEPTOR_SIGNALS_INTERNAL);
    }
}

// Signals of faults that were sent, while a hook runs.
static void sent_ones(void) {
    static const int sigs[] = {SIGSEGV, SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSYS, SIGTERM, 40};
    for (unsigned i = 0; i < sizeof sigs / sizeof *sigs; i++) {
        signal(sigs[i], handle);
        handled = 0;
        sent = sigs[i];
        syscall(SYS_getpgrp);
        // Of a standard signal one may wait for the thread and one for the process.
        CHECK(handled == 2 || (handled == 1 && sent < 32), "%d: handled %d times", sent, handled);
    }
}

// Signals that come while a hook of signals runs: all of them after it, in order.
static volatile int in_hook, hooks_run;
static void slow(int sig, siginfo_t *info, void *context, int *forward) {
    (void)info, (void)context;
    CHECK(in_hook == 0, "a hook in a hook");
    in_hook = 1;
    hooks_run++;
    if (sig == SIGUSR1) {
        int before = handled + how_many;
        raise(SIGUSR2);
        for (int i = 1; i < 4; i++) {
            queue_to_self(41, i);
            queue_to_self(42, i);
        }
        for (volatile int i = 0; i < 10000; i++)
            ;
        CHECK(handled + how_many == before, "handled in the hook");
    }
    in_hook = 0;
    *forward = !swallows || sig != SIGUSR1;
}
static void after_it(int sig) {
    (void)sig;
    CHECK(in_hook == 0, "a handler in the hook");
    int before = hooked_calls;
    getppid();
    CHECK(hooked_calls == before + 1, "a handler that waited for a hook is hooked");
    handled++;
}
static void leave(int sig) {
    (void)sig;
    siglongjmp(out, 1);
}

static void nested_ones(void) {
    static const int expected[] = {101, 102, 103, 201, 202, 203};
    struct sigaction queued = {.sa_sigaction = take, .sa_flags = SA_SIGINFO};
    sigfillset(&queued.sa_mask);
    sigaction(41, &queued, NULL);
    sigaction(42, &queued, NULL);
    interceptor_signal_hook = slow;
    // Let go, swallowed, with a handler that blocks nothing, and without one.
    for (int way = 0; way < 6; way++) {
        signal(SIGUSR2, after_it);
        struct sigaction action = {.sa_handler = after_it, .sa_flags = way & 2 ? SA_NODEFER : 0};
        if (way & 4)
            action.sa_handler = SIG_DFL;
        sigaction(SIGUSR1, &action, NULL);
        swallows = (way & 1) || way & 4;
        handled = how_many = hooks_run = 0;
        errno = ENOTTY;
        raise(SIGUSR1);
        CHECK(errno == ENOTTY, "errno is %d", errno);
        CHECK(handled == 2 - swallows && hooks_run == 8, "way %d: handled %d, hooks %d", way, handled, hooks_run);
        CHECK(how_many == 6, "way %d: %d queued ones", way, how_many);
        for (int i = 0; i < 6; i++)
            CHECK(came[i] == expected[i], "way %d: %d came as number %d, not %d", way, came[i], i, expected[i]);
    }
    swallows = 0;
    // Left by siglongjmp out of the handler that waited, many times.
    signal(SIGUSR1, after_it);
    signal(SIGUSR2, leave);
    for (volatile int i = 0; i < 100; i++) {
        how_many = 0;
        if (sigsetjmp(out, 1) == 0) {
            raise(SIGUSR1);
            CHECK(0, "not left");
        }
        int before = hooked_calls;
        getppid();
        CHECK(hooked_calls == before + 1, "hooked after siglongjmp, round %d", i);
        CHECK(how_many == 6, "round %d: %d queued ones", i, how_many);
    }
}

// A hook that lets itself be interrupted.
static volatile int was_in_hook, has_timer;
static long let_interrupt(long nr, long a0, long a1, long a2, long a3, long a4, long a5, int *forward) {
    (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    if (nr == SYS_getppid)
        hooked_calls++;
    if (nr == SYS_getpgrp) {
        int before = handled;
        in_hook = 1;
        interceptor_syscall(SYS_kill, (long)getpid(), (long)SIGUSR1);
        in_hook = 0;
        // One that came right before the hook keeps all others waiting.
        CHECK((handled > before && was_in_hook) || has_timer, "handled %d times in the hook", handled - before);
    }
    if (nr == SYS_getuid)
        for (volatile int i = 0; i < 3000; i++)
            ;
    *forward = 1;
    return 0;
}
static void see_hook(int sig) {
    (void)sig;
    was_in_hook = in_hook;
    int before = hooked_calls;
    getppid();
    CHECK(hooked_calls > before, "a handler that interrupted a hook is hooked");
    handled++;
}
static void interruptible_ones(void) {
    static char room[65536];
    long group = getpgrp();
    sigaltstack(&(stack_t){.ss_sp = room, .ss_size = sizeof room}, NULL);
    for (int flags = 0;; flags = SA_ONSTACK) {
        sigaction(SIGUSR1, &(struct sigaction){.sa_handler = see_hook, .sa_flags = flags}, NULL);
        interceptor_syscall_hook = let_interrupt;
        interceptor_hook_is_interruptible(1);
        for (int i = 0; i < 100; i++)
            CHECK(syscall(SYS_getpgrp) == group, "result, round %d", i);
        CHECK(handled == 100, "handled %d", handled);
        // Left by siglongjmp, from anywhere in the hook.
        sigaction(SIGUSR1, &(struct sigaction){.sa_handler = leave, .sa_flags = flags}, NULL);
        for (volatile int i = 0; i < 100; i++) {
            if (sigsetjmp(out, 1) == 0) {
                syscall(SYS_getpgrp);
                CHECK(0, "not left");
            }
            int before = hooked_calls;
            getppid();
            CHECK(hooked_calls == before + 1, "hooked after siglongjmp, round %d", i);
        }
        // At any instruction of it.
        sigaction(SIGUSR1, &(struct sigaction){.sa_handler = see_hook, .sa_flags = flags}, NULL);
        sigaction(SIGALRM, &(struct sigaction){.sa_handler = see_hook, .sa_flags = flags | SA_RESTART}, NULL);
        handled = 0;
        has_timer = 1;
        setitimer(ITIMER_REAL, &(struct itimerval){{0, 300}, {0, 300}}, NULL);
        long user = getuid();
        while (handled < 200)
            CHECK(syscall(SYS_getuid) == user && syscall(SYS_getpgrp) == group, "results");
        setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
        has_timer = 0;
        // And not any more.
        interceptor_hook_is_interruptible(0);
        signal(SIGUSR1, handle);
        sent = SIGUSR1;
        interceptor_syscall_hook = see_call;
        CHECK(syscall(SYS_getpgrp) == group, "result");
        handled = 0;
        if (flags)
            break;
    }
}

// A hook that makes calls of its own, for calls of a handler on the alternate stack. A second signal is handled there, too, below.
static volatile int outer;
static void fill(volatile char *room, unsigned size, char with) {
    for (unsigned i = 0; i < size; i++)
        room[i] = with;
}
static int is_filled(const volatile char *room, unsigned size, char with) {
    for (unsigned i = 0; i < size; i++)
        if (room[i] != with)
            return 0;
    return 1;
}
static void inner_on_alternate(int sig) {
    volatile char room[4096];
    fill(room, sizeof room, (char)sig);
    int before = hooked_calls;
    getppid();
    CHECK(hooked_calls == before + 1, "the inner handler is hooked");
    CHECK(is_filled(room, sizeof room, (char)sig), "the inner handler's stack");
    handled++;
}
static void outer_on_alternate(int sig, siginfo_t *info, void *context) {
    siginfo_t was = *info;
    ucontext_t was_in = *(ucontext_t *)context;
    volatile char room[4096];
    fill(room, sizeof room, (char)sig);
    for (int i = 0; i < 3; i++) {
        int before = handled;
        CHECK(syscall(NOBODYS) == -1 && errno == ENOSYS, "a number of nobody's");
        CHECK(syscall(SYS_getpgrp) == getpgid(0), "result");
        CHECK(handled > before, "handled %d times after the hook", handled - before);
        CHECK(is_filled(room, sizeof room, (char)sig), "the outer handler's stack, call %d", i);
        CHECK(!memcmp(&was, info, sizeof was), "its siginfo, call %d", i);
        CHECK(!memcmp(&was_in.uc_mcontext.gregs, &((ucontext_t *)context)->uc_mcontext.gregs, sizeof was_in.uc_mcontext.gregs), "its context, call %d", i);
    }
    outer++;
}
static void ones_on_alternate(void) {
    static char room[65536];
    sigaltstack(&(stack_t){.ss_sp = room, .ss_size = sizeof room}, NULL);
    sigaction(SIGUSR1, &(struct sigaction){.sa_sigaction = outer_on_alternate, .sa_flags = SA_ONSTACK | SA_SIGINFO}, NULL);
    sigaction(SIGUSR2, &(struct sigaction){.sa_handler = inner_on_alternate, .sa_flags = SA_ONSTACK}, NULL);
    sent = SIGUSR2;
    for (int i = 1; i <= 20; i++) {
        raise(SIGUSR1);
        CHECK(outer == i, "outer ones: %d of %d", outer, i);
        int before = hooked_calls;
        getppid();
        CHECK(hooked_calls == before + 1, "hooked afterwards, round %d", i);
    }
}

// A hook faults, and the handler of that is on the stack on which the program is. One that was sent before comes later.
static char alternate_room[65536];
static void on_alternate(const void *here) {
    stack_t now;
    CHECK((const char *)here > alternate_room && (const char *)here < alternate_room + sizeof alternate_room, "it is elsewhere");
    CHECK(sigaltstack(NULL, &now) == 0 && now.ss_flags == SS_ONSTACK && now.ss_sp == alternate_room, "flags %x", now.ss_flags);
}
static volatile int later;
static void on_fault(int sig, siginfo_t *info, void *given) {
    ucontext_t *context = given;
    on_alternate(&context);
    CHECK(context->uc_stack.ss_sp == alternate_room && context->uc_stack.ss_flags == 0, "in the context: flags %x", context->uc_stack.ss_flags);
    if (sig == SIGSYS) {
        CHECK(info->si_code == SI_TKILL && later < handled, "one that was sent: code %d", info->si_code);
        later++;
        return;
    }
    CHECK(info->si_code > 0, "a fault");
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)behind_fault;
    handled++;
}
static void outer_of_fault(int sig, siginfo_t *info, void *context) {
    siginfo_t was = *info;
    ucontext_t was_in = *(ucontext_t *)context;
    for (int i = 0; i <= KINDS; i++) {
        int before = later;
        CHECK(syscall(i == KINDS ? NOBODYS : FAULTS + i) == -1 && errno == ENOSYS, "a number of nobody's");
        CHECK(later == before + (i < KINDS), "sent before fault %d, %d handled after the hook", i, later - before);
        on_alternate(&was);
        CHECK(!memcmp(&was, info, sizeof was) && was.si_signo == sig, "its siginfo, call %d", i);
        CHECK(!memcmp(&was_in.uc_mcontext.gregs, &((ucontext_t *)context)->uc_mcontext.gregs, sizeof was_in.uc_mcontext.gregs), "its context, call %d", i);
    }
    outer++;
}
static void fault_on_alternate(void) {
    sigaltstack(&(stack_t){.ss_sp = alternate_room, .ss_size = sizeof alternate_room}, NULL);
    int empty = memfd_create("empty", 0);
    cut_off = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, empty, 0);
    CHECK(cut_off != MAP_FAILED, "mmap");
    sigaction(SIGUSR1, &(struct sigaction){.sa_sigaction = outer_of_fault, .sa_flags = SA_ONSTACK | SA_SIGINFO}, NULL);
    sigaction(SIGSYS, &(struct sigaction){.sa_sigaction = on_fault, .sa_flags = SA_ONSTACK | SA_SIGINFO}, NULL);
    for (int i = 0; i < KINDS; i++)
        sigaction(kinds[i], &(struct sigaction){.sa_sigaction = on_fault, .sa_flags = SA_ONSTACK | SA_SIGINFO}, NULL);
    for (int i = 1; i <= 20; i++)
        CHECK(raise(SIGUSR1) == 0 && outer == i && handled == KINDS * i && later == handled, "round %d: %d, %d, %d", i, outer, handled, later);
}

// Of three that a wait lets in at one moment one is swallowed, whose action blocks SIGILL.
static int ill_seen[3], ill_shown[3];
static int has_ill(const sigset_t *mask) { return sigismember(mask, SIGILL); }
static int is_ill_blocked(void) {
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    return has_ill(&now);
}
static void see_ill(int sig, siginfo_t *info, void *context) {
    (void)info;
    int which = sig == SIGHUP ? 0 : sig == SIGUSR2 ? 1 : 2;
    ill_seen[which] = is_ill_blocked(), ill_shown[which] = has_ill(&((ucontext_t *)context)->uc_sigmask);
    handled++;
}
static void one_swallowed(void) {
    static const int signals[3] = {SIGHUP, SIGUSR2, SIGALRM};
    sigset_t all, none, ill;
    sigemptyset(&none);
    sigemptyset(&ill);
    sigaddset(&ill, SIGILL);
    all = ill;
    for (int i = 0; i < 3; i++)
        sigaddset(&all, signals[i]);
    for (int which = 0; which < 3; which++) {
        for (int i = 0; i < 3; i++)
            sigaction(signals[i], &(struct sigaction){.sa_sigaction = see_ill, .sa_flags = SA_SIGINFO, .sa_mask = i == which ? ill : none}, NULL);
        memset(ill_seen, -1, sizeof ill_seen);
        memset(ill_shown, -1, sizeof ill_shown);
        sigprocmask(SIG_SETMASK, &all, NULL);
        for (int i = 0; i < 3; i++)
            kill(getpid(), signals[i]);
        handled = 0;
        swallowed = signals[which];
        CHECK(sigsuspend(&none) == -1 && errno == EINTR && handled == 2, "handled %d", handled);
        for (int i = 0; i < 3; i++) {
            // Frames above have it as the kernel has laid them, and those beneath have never had it.
            int is_above = i > which, shown_ill = i == 0 || is_above;
            if (i != which)
                CHECK(ill_seen[i] == is_above && ill_shown[i] == shown_ill, "%d is swallowed, %d sees %d, is shown %d", which, i, ill_seen[i], ill_shown[i]);
        }
        CHECK(is_ill_blocked(), "not blocked afterwards");
        sigprocmask(SIG_SETMASK, &none, NULL);
        CHECK(!is_ill_blocked() && getppid() > 0, "blocked");
    }
}

__attribute__((constructor(102))) static void start(void) {
    const char *scenario = getenv("SIGNALS");
    if (!scenario || !interceptor_allowed())
        return;
    interceptor_syscall_hook = see_call;
    interceptor_signal_hook = hook;
    static const struct {
        const char *name;
        void (*run)(void);
    } all[] = {{"handled", handled_ones}, {"fatal", fatal_ones},   {"stopped", stopped_ones}, {"ignored", ignored_ones},
               {"edited", edited},        {"internal", internal_ones}, {"nested", nested_ones},
               {"sent", sent_ones},       {"ordered", ordered_ones}, {"at once", all_at_once},
               {"interruptible", interruptible_ones}, {"on alternate", ones_on_alternate},
               {"one swallowed", one_swallowed}, {"fault on alternate", fault_on_alternate}};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(scenario, all[i].name)) {
            all[i].run();
            ssize_t n = write(1, "ok\n", 3);
            _exit(n != 3);
        }
    CHECK(0, "no scenario %s", scenario);
}
