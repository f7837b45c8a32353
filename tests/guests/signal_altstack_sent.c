// expect: A handler on the alternate stack makes calls, and SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV and SIGSYS are sent to
// its thread by another process at any moment, also two at once. Their handlers run below it on that stack, are shown its
// calls, registers and mask, and where that stack is; what they change there takes effect, and they may leave, to that
// handler or with it. What lies above is what it was. An interceptor whose own code comes from another stack has the kernel
// begin the alternate one anew.
// musl: yes
#include "kept_registers.h"
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>

// long call_until_told(fd, byte, 1): writes the byte, then calls getppid again and again, until r15 is another, or it is made
// to go on elsewhere, or is told otherwise. Returns what r15 is then, or -2; -1 if another register has changed.
__asm__(R"(
    .text
    .type call_until_told, @function
call_until_told:
    .cfi_startproc
    push_kept
    load_pattern
    mov %rsp, calling_rsp(%rip)
    mov $1, %eax
calling_begin:
    syscall
1:  mov $110, %eax
calling_site:
    syscall
    cmp $0x15151515, %r15
    jne calling_end
    cmpl $0, told_otherwise(%rip)
    je 1b
calling_end:
    mov %r15, %rax
    mov $0x15151515, %r15d
    compare_pattern 3f
2:  pop_kept
    ret
3:  mov $-1, %rax
    jmp 2b
calling_elsewhere:
    mov $-2, %rax
    jmp 2b
    .cfi_endproc
    .size call_until_told, .-call_until_told
)");
long call_until_told(int fd, const char *byte, size_t length);
extern char calling_begin[], calling_end[], calling_elsewhere[];
extern const unsigned char calling_site[];
char *volatile calling_rsp;
volatile int told_otherwise;
// What is not patched raises SIGSYS.
static int has_net(void) { return getenv("INTERCEPTOR_NET") != NULL; }
// Who interrupts the handling of a trap is shown that.
static int is_trapped(void) { return calling_site[0] == 0x0f && (calling_site[1] == 0x0b || (has_net() && calling_site[1] == 0x05)); }
static int is_of_traps(int sig) { return has_net() ? sig == SIGSYS : sig == SIGILL && is_trapped(); }

static const int faults[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS};
enum { FAULTS = 6, SIZE = 131072, SENT_ROUNDS = 240, TOLD = 4711, UNCHANGED = 0x15151515 };
enum how { EDITS, ELSEWHERE, LEAVES, LEAVES_ALL, HOWS };
static enum how how_of(int round) { return (enum how)(round / FAULTS % HOWS); }
static int are_two(int round) { return round % 5 == 4; }

static char *room;
static int to_sender[2];
static pid_t sender;
static volatile int round_now, handled, told, is_calling;
static sigset_t mask_then;
static sigjmp_buf out, out_of_all;

// A trap is such a signal, too: one that is sent to a thread for which that waits in the kernel is no second one.
// The one in its place is not its neighbour.
static int sent_as(int i, int is_main) {
    int sig = faults[i % FAULTS];
    return is_main || !is_of_traps(sig) ? sig : sig == SIGILL ? SIGSEGV : SIGBUS;
}

static void send(pid_t target, pid_t thread, int sig) {
    if (is_of_traps(sig))
        kill(target, sig);
    else
        syscall(SYS_tgkill, target, thread, sig);
}

static void send_at_any_moment(pid_t target, pid_t thread) {
    char byte;
    close(to_sender[1]);
    for (int i = 0; read(to_sender[0], &byte, 1) == 1; i++) {
        for (volatile int n = 0; n < i * 97 % 6000; n++)
            ;
        send(target, thread, sent_as(i, thread == target));
        if (are_two(i))
            send(target, thread, sent_as(i + 1, thread == target));
    }
    _exit(0);
}

static int is_in_room(const void *at) { return (const char *)at >= room && (const char *)at < room + SIZE; }

static void check_stack(const ucontext_t *context) {
    stack_t now;
    const stack_t *in = &context->uc_stack;
    CHECK(is_in_room(context), "the context is at %p", (const void *)context);
    CHECK(in->ss_sp == room && in->ss_size == SIZE && in->ss_flags == 0, "in the context: flags %x, %zu bytes", in->ss_flags, in->ss_size);
    CHECK(raw2(SYS_sigaltstack, 0, &now) == 0 && now.ss_sp == room && now.ss_flags == SS_ONSTACK, "flags %x", now.ss_flags);
}

static int have_same_signals(const sigset_t *one, const sigset_t *other) {
    for (int sig = 1; sig < 32; sig++)
        if (sigismember(one, sig) != sigismember(other, sig))
            return 0;
    return 1;
}

static void on_sent(int sig, siginfo_t *info, void *given) {
    ucontext_t *context = given;
    greg_t *regs = context->uc_mcontext.gregs;
    char *rip = (char *)regs[REG_RIP];
    CHECK(info->si_signo == sig && (info->si_code == SI_TKILL || is_of_traps(sig)) && info->si_pid == sender, "siginfo of %d: code %d", sig, info->si_code);
    check_stack(context);
    __atomic_fetch_add(&handled, 1, __ATOMIC_RELAXED); // the other one may interrupt it here
    // It may have interrupted the other one, or come when all is over.
    if (!is_calling || told || (char *)regs[REG_RSP] != calling_rsp) {
        told_otherwise = 1;
        return;
    }
    CHECK(rip >= calling_begin && rip <= calling_end, "%d: RIP is %p, not from %p to %p", sig, (void *)rip, (void *)calling_begin, (void *)calling_end);
    CHECK((char *)(context + 1) <= calling_rsp - 128, "the frame of %d is not below", sig);
    CHECK(has_pattern(regs) && has_pattern_in_xmm3(context), "%d: registers", sig);
    CHECK(have_same_signals(&context->uc_sigmask, &mask_then), "%d: the mask", sig);
    told = 1;
    switch (how_of(round_now)) {
    case EDITS: regs[REG_R15] = TOLD; break;
    case ELSEWHERE: regs[REG_RIP] = (greg_t)calling_elsewhere; break;
    case LEAVES: siglongjmp(out, 1);
    default: siglongjmp(out_of_all, 1);
    }
}

static void wait_for_all(void) {
    while (handled < 1 + are_two(round_now))
        raw0(SYS_getppid);
}

static void on_outer(int sig, siginfo_t *info, void *context) {
    siginfo_t was = *info;
    ucontext_t was_in;
    memcpy(&was_in, context, sizeof was_in);
    volatile char filled[4096];
    for (unsigned i = 0; i < sizeof filled; i++)
        filled[i] = (char)(i * 7 + (unsigned)sig);
    CHECK(is_in_room(&was), "the outer one is elsewhere");
    sigprocmask(SIG_BLOCK, NULL, &mask_then);
    enum how how = how_of(round_now);
    long result = 0;
    if (!sigsetjmp(out, 1)) {
        is_calling = 1;
        result = call_until_told(to_sender[1], "x", 1);
        CHECK(how == EDITS || how == ELSEWHERE || (is_trapped() && result == UNCHANGED), "round %d: %ld came out", round_now, result);
    }
    is_calling = 0;
    if (result != UNCHANGED || !is_trapped())
        CHECK(result == (how == EDITS ? TOLD : how == ELSEWHERE ? -2 : 0), "round %d: %ld came out", round_now, result);
    wait_for_all();
    CHECK(!memcmp(&was, info, sizeof was), "round %d: its siginfo", round_now);
    CHECK(!memcmp(&was_in.uc_mcontext.gregs, &((ucontext_t *)context)->uc_mcontext.gregs, sizeof was_in.uc_mcontext.gregs), "round %d: its context", round_now);
    for (unsigned at = 0; at < sizeof filled; at++)
        CHECK(filled[at] == (char)(at * 7 + (unsigned)sig), "round %d: its stack", round_now);
}

static void act(int sig, void (*handler)(int, siginfo_t *, void *)) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    CHECK(sigaction(sig, &action, NULL) == 0, "sigaction");
}

static void *all(void *unused) {
    room = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(room != MAP_FAILED, "mmap");
    stack_t stack = {.ss_sp = room, .ss_size = SIZE}, now;
    CHECK(sigaltstack(&stack, NULL) == 0 && pipe(to_sender) == 0, "sigaltstack, pipe");
    pid_t target = getpid(), thread = (pid_t)syscall(SYS_gettid);
    sender = fork();
    if (sender == 0)
        send_at_any_moment(target, thread);
    close(to_sender[0]);
    sigset_t before, after;
    sigprocmask(SIG_BLOCK, NULL, &before);
    for (int i = 0; i < SENT_ROUNDS; i++) {
        round_now = i;
        handled = told = told_otherwise = is_calling = 0;
        if (!sigsetjmp(out_of_all, 1)) {
            CHECK(pthread_kill(pthread_self(), SIGUSR1) == 0, "raise");
            CHECK(how_of(i) != LEAVES_ALL || is_trapped(), "not left by all");
        }
        is_calling = 0;
        wait_for_all();
        CHECK(handled == 1 + are_two(i), "round %d: %d handled", i, handled);
        CHECK(sigaltstack(NULL, &now) == 0 && now.ss_sp == room && now.ss_size == SIZE && now.ss_flags == 0, "afterwards: flags %x", now.ss_flags);
        sigprocmask(SIG_BLOCK, NULL, &after);
        CHECK(have_same_signals(&before, &after), "round %d: the mask afterwards", i);
    }
    int status;
    close(to_sender[1]);
    CHECK(waitpid(sender, &status, 0) == sender && status == 0, "the one that sends: %#x", status);
    return unused;
}

int main(void) {
    act(SIGUSR1, on_outer);
    for (int i = 0; i < FAULTS; i++)
        act(faults[i], on_sent);
    all(NULL);
    ok("in the main thread");
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, all, NULL) == 0, "pthread_create");
    pthread_join(thread, NULL);
    ok("in another thread");
    return 0;
}
