// expect: A child of vfork killed at single instructions, in turn, from the one at which it comes out of the call to its
// end: in whatever executes there, stubs, entries, hooks and ways back included. A tracer steps it and kills it
// after n instructions; with a second kind, it sends it a signal before, which the child may have handled or may be
// about to; with a third, its parent is in a handler on the alternate stack; with a fourth, that has a seccomp filter that
// kills at calls which it does not make itself, and the child gets a signal, too. What the child has left in memory that it
// shares is its parent's then: the parent is who it was, its calls have the results that they should have, its
// registers, mask, actions, handlers and alternate stack are its own, and no signal of the child's comes to it. Each
// child starts anew, so that takes long: by default the distances grow, with STEPS=each every 211th instruction has its
// turn, with STEPS=all every 31st, and all of the first 600, in which the runtime learns of the child.
// STEP_PRELOAD=LIBRARIES preloads them into the parent and the child alone.
// ends: 0
#include "kept_registers.h"
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

enum kind { KILLED, SIGNALLED, ON_ALTERNATE, CONFINED, KINDS };
static const char *const names[] = {"killed", "killed after a signal", "killed, its parent on the alternate stack",
                                    "killed after a signal, its parent confined"};

// In the process that is stepped. It makes a vfork child for each byte it reads.

static enum kind kind;
static long self;
static volatile long handled_in;
static volatile int handled;
static char stack[65536];

// vfork with a value in each register that a call leaves alone. The child calls child(), which does not return. Returns
// whether one of them is different in the parent.
__asm__(R"(
    .text
    .type vfork_kept, @function
vfork_kept:
    .cfi_startproc
    push_kept
    push %rdi
    load_pattern
    mov $0x0d0d0d0d, %edi
    mov $0x05050505, %esi
    mov $0x0e0e0e0e, %edx
    mov $0x10101010, %r10d
    mov $0x08080808, %r8d
    mov $0x09090909, %r9d
    mov $58, %eax
    syscall
    test %rax, %rax
    jz 3f
    mov $1, %ecx
    compare_pattern 2f
    cmp $0x0d0d0d0d, %rdi
    jne 2f
    cmp $0x05050505, %rsi
    jne 2f
    cmp $0x0e0e0e0e, %rdx
    jne 2f
    cmp $0x10101010, %r10
    jne 2f
    cmp $0x08080808, %r8
    jne 2f
    cmp $0x09090909, %r9
    jne 2f
    xor %ecx, %ecx
2:  pop %rdi
    mov %rax, (%rdi)
    mov %ecx, %eax
    pop_kept
    ret
3:  call child
    hlt
    .cfi_endproc
    .size vfork_kept, .-vfork_kept
)");
int vfork_kept(long *child);

static void handle(int sig) {
    handled++;
    handled_in = raw0(SYS_getpid);
    CHECK(sig == SIGUSR1 || handled_in != self, "signal %d came to the parent", sig);
}

static int calls_go_wrong(void) {
    return raw3(SYS_write, -1, "x", 1) != -EBADF || raw0(1000) != -ENOSYS || raw1(SYS_close, -1) != -EBADF;
}

// What the child does until it is killed: calls of each kind, one after the other.
__attribute__((used)) void child(void) {
    unsigned long all = ~0ul, none = 0;
    stack_t other = {.ss_sp = stack, .ss_size = sizeof stack / 2};
    calls_go_wrong();
    raw4(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8);
    signal(SIGUSR1, SIG_IGN);
    if (kind != ON_ALTERNATE)
        sigaltstack(&other, NULL);
    raw4(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
    char *const nobody[] = {NULL};
    execve("/nonexistent", nobody, nobody);
    raw1(SYS_exit_group, 42);
}

static void one_child(void) {
    unsigned long mask = 1ul << (SIGWINCH - 1), after = 0;
    long made = -1;
    int status = 0;
    stack_t alternate;
    raw4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8);
    handled = 0;
    int wrong = vfork_kept(&made);
    CHECK(made > 0 && wrong == 0, "vfork: %ld, registers changed: %d", made, wrong);
    CHECK(raw0(SYS_gettid) == self, "the parent's id");
    CHECK(raw4(SYS_rt_sigprocmask, 0, NULL, &after, 8) == 0 && after == mask, "the mask is %lx", after);
    struct sigaction action;
    CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == handle, "SIGUSR1's action");
    CHECK(sigaltstack(NULL, &alternate) == 0 && alternate.ss_sp == stack && alternate.ss_size == sizeof stack,
          "the alternate stack");
    CHECK(!calls_go_wrong(), "calls");
    handled_in = 0;
    int before = handled;
    CHECK(raw3(SYS_tgkill, self, self, SIGUSR1) == 0 && handled == before + 1 && handled_in == self, "SIGUSR1");
    CHECK(waitpid((pid_t)made, &status, 0) == made, "waitpid");
    CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WIFEXITED(status) && WEXITSTATUS(status) == 42,
          "the child ended with %x", status);
    CHECK(!calls_go_wrong(), "calls at last");
}

static void host(int sig) {
    char byte;
    (void)sig;
    while (read(STDIN_FILENO, &byte, 1) == 1)
        one_child();
}

#define KILL_AT(nr) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

static void be_confined(void) {
    static struct sock_filter others[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        KILL_AT(SYS_kill),
        KILL_AT(SYS_mmap),
        KILL_AT(SYS_mprotect),
        KILL_AT(SYS_madvise),
        KILL_AT(SYS_sched_yield),
        KILL_AT(SYS_rt_tgsigqueueinfo),
        KILL_AT(SYS_set_robust_list),
        KILL_AT(SYS_get_robust_list),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof others / sizeof *others, others};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no new privileges");
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "filter");
}

static void stepped(void) {
    self = raw0(SYS_getpid);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    action.sa_handler = host;
    sigaction(SIGHUP, &action, NULL);
    CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0, "PTRACE_TRACEME");
    raise(SIGSTOP);
    if (kind == CONFINED)
        be_confined();
    if (kind == ON_ALTERNATE)
        raise(SIGHUP);
    else
        host(0);
    _exit(0);
}

// The tracer.

static int status;

static void must_stop(pid_t process) {
    CHECK(waitpid(process, &status, __WALL) == process, "waitpid");
    if (!WIFSTOPPED(status))
        _exit(2); // it has said why
}

// What a tracee is to be told when it goes on.
static int passed_on(void) {
    int sig = WSTOPSIG(status);
    return sig == SIGTRAP || sig == SIGSTOP ? 0 : sig;
}

static pid_t start(const int order[2]) {
    pid_t process = fork();
    if (process)
        return process;
    dup2(order[0], STDIN_FILENO);
    close(order[1]);
    const char *preload = getenv("STEP_PRELOAD");
    if (preload) {
        char argument[16];
        snprintf(argument, sizeof argument, "%d", kind);
        setenv("LD_PRELOAD", preload, 1);
        execl("/proc/self/exe", "vfork_stepped", argument, (char *)NULL);
        _exit(3);
    }
    stepped();
    _exit(4);
}

// The process makes a child, which is stepped `count` times and killed. Returns whether it was killed.
static int one_round(pid_t process, int order, int count) {
    CHECK(write(order, "x", 1) == 1, "write");
    while (must_stop(process), status >> 8 != (SIGTRAP | PTRACE_EVENT_VFORK << 8))
        CHECK(ptrace(PTRACE_CONT, process, 0, passed_on()) == 0, "PTRACE_CONT");
    unsigned long child = 0;
    CHECK(ptrace(PTRACE_GETEVENTMSG, process, 0, &child) == 0, "PTRACE_GETEVENTMSG");
    CHECK(ptrace(PTRACE_CONT, process, 0, 0) == 0, "PTRACE_CONT");
    must_stop((pid_t)child);
    int made = 0, signal_at = kind == SIGNALLED || kind == CONFINED ? count * 7 / 8 : -1;
    for (; made < count && WIFSTOPPED(status); made++) {
        if (made == signal_at)
            syscall(SYS_tgkill, child, child, SIGUSR2);
        ptrace(PTRACE_SINGLESTEP, child, 0, passed_on());
        CHECK(waitpid((pid_t)child, &status, __WALL) == (pid_t)child, "waitpid");
    }
    int is_killed = WIFSTOPPED(status);
    if (is_killed) {
        kill((pid_t)child, SIGKILL);
        while (WIFSTOPPED(status))
            CHECK(waitpid((pid_t)child, &status, __WALL) == (pid_t)child, "waitpid");
        // It may have been about to end by itself.
        CHECK(WIFEXITED(status) || WTERMSIG(status) == SIGKILL, "the child ended with %x", status);
    }
    return is_killed;
}

int main(int argc, char **argv) {
    if (argc > 1) {
        kind = (enum kind)atoi(argv[1]);
        stepped();
    }
    const char *given = getenv("STEPS");
    int is_all = given && !strcmp(given, "all"), is_each = given && !strcmp(given, "each");
    for (kind = 0; kind < KINDS; kind++) {
        int order[2];
        CHECK(pipe2(order, O_CLOEXEC) == 0, "pipe");
        pid_t process = start(order);
        close(order[0]);
        must_stop(process);
        CHECK(ptrace(PTRACE_SETOPTIONS, process, 0, PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL) == 0, "PTRACE_SETOPTIONS");
        CHECK(ptrace(PTRACE_CONT, process, 0, 0) == 0, "PTRACE_CONT");
        int count = 0, rounds = 0;
        for (; one_round(process, order[1], count); rounds++)
            count += is_all ? (count < 600 ? 1 : 31) : is_each ? 211 : 1 + (kind == CONFINED ? count * 2 : count / 2);
        close(order[1]);
        while (waitpid(process, &status, __WALL) == process && WIFSTOPPED(status))
            ptrace(PTRACE_CONT, process, 0, passed_on());
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "ended with %x", status);
        if (given)
            fprintf(stderr, "%s: %d of %d instructions\n", names[kind], rounds, count);
        ok("%s", names[kind]);
    }
    return 0;
}
