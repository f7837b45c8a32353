// expect: A signal at each single instruction between a program's `syscall` and the instruction after it, in turn: in
// whatever executes there, stubs, entries, hooks and ways back included. A tracer steps a child through a call, sends it
// the signal after n instructions, and lets it go; the child's handler looks at the whole state that it is
// shown and the child at what came out. The calls: one that returns at once; a read that blocks, restarted and
// interrupted (the handler fills the pipe if it was shown the site, so that a lie about it ends in EINTR missing or in
// a hang); calls whose number, result or RIP the handler changes; calls that a handler leaves by siglongjmp;
// calls in a handler on the alternate stack, interrupted by another one there; handlers that interrupt each other, ten
// deep, which return or leave all at once by siglongjmp. Then two signals, one n instructions
// into the call and one m instructions later, be it in the delivery of the first: wherever that is, the second handler
// sees the program, perhaps at the first instruction of the first handler, or on its way back; or it leaves from there
// by siglongjmp, and with it the first one, wherever that is. That takes long; by default
// only some instructions have their turn, with STEPS=each all for one signal in most ways, with STEPS=all in all, and
// all of a delivery for the second.
// The way there is stepped through once; then a breakpoint of the processor's leads to each of its instructions, where there are any.
// STEP_PRELOAD=LIBRARIES preloads them into the child alone. STEP_CHANGED says that they turn calls with other numbers and
// arguments into these (tests/hooks/change_calls.c): handlers are shown what the program asked for; STEP_TRAPPED, that
// the site is trapped, and not reached by a jump; STEP_INTERRUPTED, that a hook lets itself be interrupted: a handler that is shown the hook has the program's stack all the same.
// ends: 0
#include "kept_registers.h"
#include "proc.h"
#include <link.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <limits.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

// long step_call(nr, a, b, c): makes the call with known registers, between two breakpoints for the tracer. There is padding
// near it, and instructions before and after it that a jump may take the place of.
__asm__(R"(
    .text
    .type step_call, @function
step_call:
    .cfi_startproc
    push_kept
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    load_pattern
    mov $0x10101010, %r10d
    mov $0x08080808, %r8d
    lea saved_rsp(%rip), %r9
    mov %rsp, (%r9)
    mov %rdi, saved_args(%rip)
    mov %rsi, saved_args+8(%rip)
    mov %rdx, saved_args+16(%rip)
    mov $0x09090909, %r9d
    int3
step_begin:
    nopl (%rax)
step_site:
    syscall
step_after:
    nopl (%rax)
step_stop:
    int3
step_end:
    nop
    nop
    nop
    jmp 1f
    .fill 16, 1, 0x90           # padding, within reach of a short jump
1:  compare_pattern 3f
    cmp $0x10101010, %r10
    jne 3f
    cmp $0x08080808, %r8
    jne 3f
    cmp $0x09090909, %r9
    jne 3f
    cmp saved_args(%rip), %rdi
    jne 3f
    cmp saved_args+8(%rip), %rsi
    jne 3f
    cmp saved_args+16(%rip), %rdx
    jne 3f
    cmp saved_rsp(%rip), %rsp
    jne 3f
2:  pop_kept
    ret
3:  mov $-99999, %rax
    jmp 2b
step_elsewhere:
    mov $4242, %eax
    int3
    jmp 2b
    .cfi_endproc
    .size step_call, .-step_call
)");
long step_call(long nr, long a, long b, long c);
extern char step_begin[], step_site[], step_after[], step_stop[], step_end[], step_elsewhere[];
static int is_ahead(const char *rip) { return rip == step_begin || rip == step_site; }
long saved_rsp, saved_args[3];

enum way { PLAIN, RESTART, INTERRUPT, NUMBER, ELSEWHERE, LONGJMP, ONSTACK, DEEP, DEEP_LONGJMP, WAYS, LEFT = WAYS, LEFT_ONSTACK };
static const char *const names[] = {"plain",
                                    "restarted",
                                    "interrupted",
                                    "number and result changed",
                                    "RIP changed",
                                    "left by siglongjmp",
                                    "on the alternate stack",
                                    "ten deep",
                                    "ten deep, left by siglongjmp",
                                    "left by the second",
                                    "left by the second on the alternate stack"};
enum { DEPTH = 10 };
static enum way way;
static int is_changed, is_interrupted, depth;
static volatile long is_past_the_end; // the tracer says so
static int is_on_alternate(void) { return way == ONSTACK || way == LEFT_ONSTACK; }
static int is_left_by_second(void) { return way == LEFT || way == LEFT_ONSTACK; }
static int is_deep(enum way some) { return some == DEEP || some == DEEP_LONGJMP; }
static int is_left(void) { return way == LONGJMP || way == DEEP_LONGJMP || is_left_by_second(); }
static int is_double;
static int ends[2];
static volatile int handled, second, at_site, hooks_seen, is_as_it_is;
static char buffer[16];
static sigjmp_buf out;
static pid_t parent, self;

static void check_context(const ucontext_t *context, long nr, const char *what) {
    const greg_t *regs = context->uc_mcontext.gregs;
    char *rip = (char *)regs[REG_RIP];
    if (is_past_the_end && rip == step_end)
        return;
    CHECK(is_ahead(rip) || rip == step_after || rip == step_stop, "%s: RIP is %p, the site %p", what, (void *)rip, (void *)step_site);
    CHECK(regs[REG_RSP] == saved_rsp, "%s: rsp is %llx, the program's %lx", what, regs[REG_RSP], saved_rsp);
    CHECK(has_pattern(regs), "%s: a register that calls keep", what);
    CHECK(regs[REG_RDI] == saved_args[0] && regs[REG_RSI] == saved_args[1] && regs[REG_RDX] == saved_args[2],
          "%s: one of the first arguments", what);
    CHECK(regs[REG_R10] == 0x10101010 && regs[REG_R8] == 0x08080808 && regs[REG_R9] == 0x09090909, "%s: an argument", what);
    CHECK(has_pattern_in_xmm3(context), "%s: xmm3", what);
    if (is_ahead(rip))
        CHECK(regs[REG_RAX] == nr, "%s: rax is %lld before the call", what, regs[REG_RAX]);
    else
        CHECK(regs[REG_RCX] == (long)step_after && (regs[REG_R11] & 0xcd5) == (regs[REG_EFL] & 0xcd5),
              "%s: rcx is %llx, r11 %llx, flags %llx", what, regs[REG_RCX], regs[REG_R11], regs[REG_EFL]);
}

static void check_stack(void *here, const stack_t *alternate) {
    char *place = here;
    int is_there = place >= (char *)alternate->ss_sp && place < (char *)alternate->ss_sp + alternate->ss_size;
    if (is_on_alternate())
        CHECK(is_there, "the frame is not on the alternate stack");
    else
        CHECK(place < (char *)saved_rsp - 128 && place > (char *)saved_rsp - 65536, "the frame is at %p", here);
}

// The text of the program and of its libc, and what the kernel maps into it.
static struct {
    char *start, *end;
} texts[16];
static int count_texts;

static int find_texts(struct dl_phdr_info *info, size_t size, void *unused) {
    (void)size, (void)unused;
    const char *name = info->dlpi_name;
    int is_of_hook = is_interrupted && (strstr(name, "interruptible") || strstr(name, "libinterceptor"));
    if (*name && !is_of_hook && !strstr(name, "/libc.so") && !strstr(name, "/libc-") && !strstr(name, "/ld-") && !strstr(name, "vdso"))
        return 0;
    for (int i = 0; i < info->dlpi_phnum && count_texts < 16; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
            texts[count_texts].start = (char *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            texts[count_texts].end = texts[count_texts].start + info->dlpi_phdr[i].p_memsz;
            count_texts++;
        }
    return 0;
}

static void handle(int sig, siginfo_t *info, void *given);

static int is_in_program(const greg_t *regs) {
    char *rip = (char *)regs[REG_RIP];
    for (int i = 0; i < count_texts; i++)
        if (rip >= texts[i].start && rip < texts[i].end)
            return 1;
    return 0;
}

// Whether a handler has interrupted a hook that allows it: on another stack.
static int is_in_hook(const greg_t *regs) {
    long below = saved_rsp - regs[REG_RSP];
    return is_interrupted && is_in_program(regs) && (below < 0 || below > 1 << 20);
}

// What the second handler sees when it has interrupted the first one, or what is around it.
static void check_in_handler(const greg_t *regs) {
    char *rip = (char *)regs[REG_RIP];
    CHECK(is_in_program(regs), "second: RIP %p is none of the program's", (void *)rip);
    if (rip != (char *)handle)
        return;
    const siginfo_t *info = (void *)regs[REG_RSI];
    const ucontext_t *context = (void *)regs[REG_RDX];
    CHECK((regs[REG_RDI] & 0xffffffff) == SIGUSR1 && info->si_signo == SIGUSR1 && regs[REG_RAX] == 0, "second: arguments");
    CHECK(regs[REG_RSP] % 16 == 8 && (char *)context - 8 == (char *)regs[REG_RSP], "second: rsp %llx", regs[REG_RSP]);
    const greg_t *first = context->uc_mcontext.gregs;
    CHECK(regs[REG_RBX] == first[REG_RBX] && regs[REG_R15] == first[REG_R15], "second: a register that the kernel leaves");
}

static stack_t alternate;
// What a hook makes of these, and of the first argument: see tests/hooks/change_calls.c.
enum { IS_GETPPID = 5000, IS_READ, FURTHER = 1000 };
static int is_read(void) { return way == RESTART || way == INTERRUPT; }
static long number(void) {
    if (is_changed)
        return is_read() ? IS_READ : IS_GETPPID;
    return is_read() ? SYS_read : SYS_getppid;
}

// Of ten handlers, each interrupts the one before.
static void go_deeper(const greg_t *regs) {
    int here = depth++;
    CHECK(here == 0 || is_in_program(regs), "%d deep: RIP %p is none of the program's", here, (void *)regs[REG_RIP]);
    if (depth < DEPTH) {
        CHECK(raw3(SYS_tgkill, self, self, SIGUSR1) == 0, "tgkill");
        CHECK(depth == DEPTH, "%d deep, not %d", depth, DEPTH);
    } else if (way == DEEP_LONGJMP)
        siglongjmp(out, 1);
}

static void handle(int sig, siginfo_t *info, void *given) {
    ucontext_t *context = given;
    greg_t *regs = context->uc_mcontext.gregs;
    CHECK(info->si_signo == sig && info->si_pid == (depth && sig == SIGUSR1 ? self : parent), "siginfo");
    check_stack(__builtin_frame_address(0), &alternate);
    CHECK(raw0(SYS_getpid) == self, "a call in the handler");
    if (sig == SIGUSR2) {
        // It may have interrupted the handler of the first, too.
        if (is_in_hook(regs))
            hooks_seen++;
        else if (regs[REG_RSP] == saved_rsp)
            check_context(context, number(), "second");
        else
            check_in_handler(regs);
        second++;
        if (is_left_by_second())
            siglongjmp(out, 1);
        return;
    }
    if (depth) {
        go_deeper(regs);
        return;
    }
    if (is_in_hook(regs))
        hooks_seen++;
    else
        check_context(context, number(), "first");
    handled++;
    // A hook is left alone: the call comes, as it is.
    int is_hook = is_in_hook(regs);
    at_site = is_hook || is_ahead((char *)regs[REG_RIP]);
    is_as_it_is = is_hook;
    switch (is_hook && (way == NUMBER || way == ELSEWHERE) ? PLAIN : way) {
    case RESTART: CHECK(raw3(SYS_write, ends[1], "x", 1) == 1, "write"); break;
    case INTERRUPT:
        if (at_site)
            CHECK(raw3(SYS_write, ends[1], "x", 1) == 1, "write");
        break;
    case NUMBER: regs[REG_RAX] = at_site ? SYS_getpid : 4711; break;
    case ELSEWHERE: regs[REG_RIP] = (greg_t)step_elsewhere; break;
    case LONGJMP: siglongjmp(out, 1);
    case DEEP:
    case DEEP_LONGJMP: go_deeper(regs); break;
    default: break;
    }
}

// One call, during which the signals come. What came out must be what the handler was told.
static void round_of_calls(void) {
    handled = second = depth = is_as_it_is = 0;
    volatile unsigned long canary[64];
    for (int i = 0; i < 64; i++)
        canary[i] = 0x5ca1ab1e00000000u + (unsigned)i;
    if (is_left() && sigsetjmp(out, 1)) {
        __asm__ volatile("int3");
        // Whoever leaves may have come before the first instruction of the first one's handler.
        CHECK(handled == 1 || (handled == 0 && is_left_by_second()), "left, handled %d times", handled);
        CHECK(second == is_left_by_second(), "left, second handled %d times", second);
        CHECK(raw0(SYS_getppid) == parent, "a call after siglongjmp");
        return;
    }
    long ret = step_call(number(), ends[0] + (is_changed ? FURTHER : 0), (long)buffer, sizeof buffer);
    CHECK(!is_left(), "not left");
    CHECK(handled == 1, "handled %d times", handled);
    CHECK(second == is_double, "second handled %d times", second);
    long expected = way == RESTART ? 1 : way == INTERRUPT ? (at_site ? 1 : -EINTR) : way == ELSEWHERE ? 4242 : parent;
    if (way == NUMBER)
        expected = at_site ? self : 4711;
    if (is_as_it_is && (way == NUMBER || way == ELSEWHERE))
        expected = parent;
    CHECK(ret == expected, "the call returned %ld, not %ld", ret, expected);
    for (int i = 0; i < 64; i++)
        CHECK(canary[i] == 0x5ca1ab1e00000000u + (unsigned)i, "the stack was overwritten");
    struct pollfd left = {ends[0], POLLIN, 0};
    if (is_read() && poll(&left, 1, 0) == 1)
        CHECK(ret != 1 && read(ends[0], buffer, 16) == 1, "a byte is left");
}

static volatile int rounds_in_handler;
static void host(int sig) {
    (void)sig;
    for (;;)
        round_of_calls();
}

static void traced(void) {
    self = getpid();
    is_changed = getenv("STEP_CHANGED") != NULL;
    is_interrupted = getenv("STEP_INTERRUPTED") != NULL;
    dl_iterate_phdr(find_texts, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    static char stack[65536];
    alternate = (stack_t){.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
    if (way == RESTART)
        action.sa_flags |= SA_RESTART;
    if (is_on_alternate())
        action.sa_flags |= SA_ONSTACK;
    if (is_deep(way))
        action.sa_flags |= SA_NODEFER;
    sigaction(SIGUSR1, &action, NULL);
    action.sa_flags |= SA_RESTART;
    sigaction(SIGUSR2, &action, NULL);
    struct sigaction outer = {.sa_handler = host, .sa_flags = SA_ONSTACK};
    sigaction(SIGHUP, &outer, NULL);
    CHECK(pipe(ends) == 0, "pipe");
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    if (is_on_alternate())
        raise(SIGHUP);
    for (;;)
        round_of_calls();
}

// The tracer.

static int status;

// Whether the child sleeps: one that has only to wait for a processor is not in the kernel.
static int is_asleep(pid_t child) { return state_of(child) == 'S'; }

// Whether the child stopped; otherwise it waits in the kernel.
static int stopped(pid_t child) {
    sigset_t of_child;
    sigemptyset(&of_child);
    sigaddset(&of_child, SIGCHLD);
    for (;;) {
        if (waitpid(child, &status, WNOHANG | __WALL) == child)
            return 1;
        if (sigtimedwait(&of_child, NULL, &(struct timespec){0, 5000000}) == -1 && errno == EAGAIN && is_asleep(child))
            return waitpid(child, &status, WNOHANG | __WALL) == child;
    }
}

static void must_stop(pid_t child) {
    CHECK(waitpid(child, &status, __WALL) == child, "waitpid");
    if (!WIFSTOPPED(status))
        _exit(2); // it has said why
}

static unsigned long rip_of(pid_t child) {
    return (unsigned long)ptrace(PTRACE_PEEKUSER, child, offsetof(struct user_regs_struct, rip), 0);
}

// What the child is to be told when it goes on: the signal it stopped for, unless that is the tracer's.
static int passed_on(void) {
    int sig = WSTOPSIG(status);
    return sig == SIGTRAP || sig == SIGSTOP ? 0 : sig;
}

// Runs to the next breakpoint of its own.
static void run_to_breakpoint(pid_t child) {
    for (;;) {
        ptrace(PTRACE_CONT, child, 0, passed_on());
        must_stop(child);
        if (WSTOPSIG(status) == SIGTRAP)
            return;
    }
}

// Where the child has been: after each step, its address; 0 where it stopped for a signal.
struct path {
    unsigned long *at;
    int length, room;
};
static struct path to_the_end, delivery;

static void note(struct path *path, unsigned long at) {
    if (path->length == path->room) {
        path->room += 65536;
        path->at = realloc(path->at, (size_t)path->room * sizeof *path->at);
        CHECK(path->at, "memory");
    }
    path->at[path->length++] = at;
}

// Steps that many instructions further. Returns how many there were before the end of the call, or -1 - n when the child
// waits in the kernel at the n-th.
static int steps(pid_t child, int count, struct path *noted) {
    for (int n = 0; n < count; n++) {
        ptrace(PTRACE_SINGLESTEP, child, 0, passed_on());
        if (!stopped(child))
            return -1 - n;
        if (!WIFSTOPPED(status))
            _exit(2);
        unsigned long rip = rip_of(child);
        if (noted)
            note(noted, WSTOPSIG(status) == SIGTRAP ? rip : 0);
        // Stepping over rt_sigreturn executes an instruction more, perhaps the breakpoint.
        if (rip == (unsigned long)step_stop || rip == (unsigned long)step_end || rip == (unsigned long)step_elsewhere)
            return n + 1;
    }
    return count;
}

// A breakpoint of the processor's; 0 for none. Returns whether there are any.
static int break_at(pid_t child, unsigned long at) {
    return ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg[0]), at) == 0 &&
           ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg[7]), at ? 1 : 0) == 0;
}

// As steps(), on a path that is known, mostly without a stop on the way. What is not quite the same each time may lead past
// the place: that is counted.
static int has_breakpoints, missed;
static int go(pid_t child, int count, const struct path *path) {
    enum { NOT_WORTH_IT = 8 };
    unsigned long at = count > 0 && count <= path->length ? path->at[count - 1] : 0;
    if (!has_breakpoints || !at || count < NOT_WORTH_IT || !break_at(child, at))
        return steps(child, count, NULL);
    int times = 0;
    for (int i = 0; i < count; i++)
        times += path->at[i] == at;
    while (times > 0) {
        ptrace(PTRACE_CONT, child, 0, passed_on());
        if (!stopped(child)) {
            // It stays there until a signal comes.
            missed++;
            return -count;
        }
        if (!WIFSTOPPED(status))
            _exit(2);
        unsigned long rip = rip_of(child);
        if (WSTOPSIG(status) == SIGTRAP && rip != at) {
            missed++;
            break;
        }
        times -= rip == at && WSTOPSIG(status) == SIGTRAP;
    }
    break_at(child, 0);
    return count;
}

static void send(pid_t child, int sig) {
    // One that waits in the kernel cannot be told, and need not be.
    ptrace(PTRACE_POKEDATA, child, &is_past_the_end, rip_of(child) == (unsigned long)step_end);
    syscall(SYS_tgkill, child, child, sig);
}

static pid_t start(enum way now, int has_second) {
    way = now;
    is_double = has_second;
    parent = getpid();
    pid_t child = fork();
    const char *preload = getenv("STEP_PRELOAD");
    if (child == 0 && preload) {
        char arguments[3][16];
        snprintf(arguments[0], 16, "%d", now);
        snprintf(arguments[1], 16, "%d", has_second);
        snprintf(arguments[2], 16, "%d", parent);
        setenv("LD_PRELOAD", preload, 1);
        // The same addresses as here.
        execl("/proc/self/exe", "signal_stepped", arguments[0], arguments[1], arguments[2], (char *)NULL);
        _exit(3);
    }
    if (child == 0)
        traced();
    must_stop(child);
    return child;
}

static void stop(pid_t child) {
    kill(child, SIGKILL);
    while (waitpid(child, &status, __WALL) == child && WIFSTOPPED(status))
        ;
}

// The child is at the breakpoint before the call; a signal comes after `first` instructions, and perhaps another one after
// `later` more. Returns whether the first came before the end of the call.
static int is_second_over; // the call ended before the second signal's turn
static int one_round(pid_t child, int first, int later) {
    int made = first == INT_MAX ? steps(child, first, &to_the_end) : go(child, first, &to_the_end);
    int waits = made < 0;
    int is_over = (waits ? -made : made) < first;
    // The handlers then return to there, and what comes next is the next call.
    int is_past = !waits && rip_of(child) == (unsigned long)step_end;
    send(child, SIGUSR1);
    if (later >= 0) {
        if (waits) {
            must_stop(child);
            break_at(child, 0);
            waits = 0;
        }
        made = later == INT_MAX ? steps(child, later, &delivery) : first ? steps(child, later, NULL) : go(child, later, &delivery);
        waits = made < 0;
        is_second_over = (waits ? -made : made) < later;
        send(child, SIGUSR2);
    }
    if (waits) {
        must_stop(child);
        break_at(child, 0);
    }
    // To the end of the call; what it waited for, the handlers do.
    do {
        int is_at_end = WSTOPSIG(status) == SIGTRAP && rip_of(child) == (unsigned long)step_end;
        if (!is_left() && way != ELSEWHERE && (is_past || is_at_end))
            break;
        run_to_breakpoint(child);
    } while (!is_left() && way != ELSEWHERE && rip_of(child) != (unsigned long)step_end);
    run_to_breakpoint(child);
    CHECK(rip_of(child) == (unsigned long)step_begin, "stopped at %lx by %x, not at the beginning of a call at %lx, signals after %d and %d", rip_of(child), status, (unsigned long)step_begin, first, later);
    return !is_over;
}

// Whether there are breakpoints of the processor's, of a child that is before its call. Emulators have none.
static void look_for_breakpoints(pid_t child) {
    CHECK(break_at(child, (unsigned long)step_stop), "a debug register");
    send(child, SIGUSR1);
    run_to_breakpoint(child);
    has_breakpoints = rip_of(child) == (unsigned long)step_stop;
    break_at(child, 0);
    if (has_breakpoints)
        run_to_breakpoint(child);
    run_to_breakpoint(child);
}

// Learns the way of a call; without a second signal, or with one in the delivery of the first, whose way it is then.
static void learn(pid_t child, int first, int later) {
    (first ? &to_the_end : &delivery)->length = 0;
    one_round(child, first, later);
    missed = 0;
}

// One in how many places may be missed. With a net a call that a handler comes before goes another way (SIGSYS).
static int few(void) { return getenv("INTERCEPTOR_NET") ? 7 : 10; }

int main(int argc, char **argv) {
    // Where both are is known only if it is the same.
    if (getenv("STEP_PRELOAD") && !(personality(0xffffffff) & ADDR_NO_RANDOMIZE)) {
        personality(ADDR_NO_RANDOMIZE);
        execv("/proc/self/exe", argv);
    }
    if (argc > 3) {
        way = (enum way)atoi(argv[1]);
        is_double = atoi(argv[2]);
        parent = atoi(argv[3]);
        const unsigned char *site = (unsigned char *)step_site, trap[] = {0x0f, 0x0b}, syscall[] = {0x0f, 0x05};
        int is_trapped = getenv("STEP_TRAPPED") != NULL;
        CHECK(memcmp(site, syscall, 2) || memcmp(step_begin, (const char[]){0x0f, 0x1f, 0}, 3), "the site is not patched");
        CHECK(is_trapped == !memcmp(site, trap, 2), "the site begins with %02x %02x", site[0], site[1]);
        traced();
    }
    sigset_t of_child;
    sigemptyset(&of_child);
    sigaddset(&of_child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &of_child, NULL);
    const char *given = getenv("STEPS");
    enum { FEW, EACH, ALL } asked = !given ? FEW : !strcmp(given, "each") ? EACH : !strcmp(given, "all") ? ALL : FEW;
    for (enum way now = 0; now < WAYS; now++) {
        pid_t child = start(now, 0);
        run_to_breakpoint(child);
        if (now == PLAIN)
            look_for_breakpoints(child);
        learn(child, INT_MAX, -1);
        int first = 0, rounds = 0;
        int is_each = asked == ALL || (asked == EACH && !is_deep(now));
        // Not quite the same instructions each way.
        for (int next = 0; one_round(child, first, -1); first = next, rounds++)
            next = first + (is_each || first < 8 ? 1 : 1 + (first + now) / 3);
        stop(child);
        if (given)
            fprintf(stderr, "%s: %d of %d instructions\n", names[now], rounds - missed, first);
        CHECK(missed <= rounds / few(), "%s: %d of %d places were not reached", names[now], missed, rounds);
        ok("%s", names[now]);
    }
    static const enum way twice[] = {PLAIN, RESTART, ONSTACK, LEFT, LEFT_ONSTACK, DEEP};
    for (size_t i = 0; i < sizeof twice / sizeof *twice; i++) {
        enum way now = twice[i];
        int how = asked == EACH && (is_deep(now) || now >= LEFT) ? FEW : (int)asked;
        pid_t child = start(now, 1);
        run_to_breakpoint(child);
        learn(child, INT_MAX, 100);
        int rounds = 0, later = 1;
        for (int first = 0, goes_on = 1; goes_on; first += how == ALL ? 5 : how == EACH ? 1 + first / 4 : 1 + first)
            for (int n = 0; n < (how == ALL ? 8 : how == EACH ? 4 : 1); n++, rounds++) {
                later = later * 7919 % 1999;
                goes_on = one_round(child, first, later % 1000);
            }
        stop(child);
        if (given)
            fprintf(stderr, "%s, two signals: %d rounds\n", names[now], rounds);
        ok("%s, two signals", names[now]);
        // All of one delivery: from the stop that announces the first signal, past its handler's return.
        child = start(now, 1);
        run_to_breakpoint(child);
        learn(child, 0, INT_MAX);
        is_second_over = 0;
        // What is longer is mostly the same over again.
        int apart = how != ALL ? 1 : is_deep(now) ? 97 : now == ONSTACK ? 3 : now == LEFT_ONSTACK ? 7 : 1;
        int growth = how == ALL ? 1 << 20 : how == EACH ? 16 : is_deep(now) ? 1 : 4;
        for (later = rounds = 0; !is_second_over; later += apart + later / growth, rounds++)
            one_round(child, 0, later);
        stop(child);
        if (given)
            fprintf(stderr, "%s, a second signal after each of %d instructions: %d rounds\n", names[now], later, rounds - missed);
        CHECK(missed <= rounds / few(), "%s: %d of %d places of a delivery were not reached", names[now], missed, rounds);
        ok("%s, a second signal in the delivery of the first", names[now]);
    }
    return 0;
}
