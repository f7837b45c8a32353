// expect: A handler begins with the registers that were interrupted, but for its arguments, rax, which is 0, and rsp: programs keep
// something in a register throughout, compiled so (-ffixed-r15) or by hand, and frame pointers lead from the handler to what it has
// interrupted. So it is in a call of the guest's own, in libc, on an alternate stack, for signals that come at one moment, whose
// handlers interrupt each other before they have begun, and for those of a timer at any moment of calls of all kinds. What the
// handler is shown is compared with what it begins with. Whatever it does with them does not reach whom it has interrupted.
// musl: yes
#include "guest.h"
#include "kept_registers.h"
#include <sys/time.h>
#include <ucontext.h>

enum { HANDLED = 2000 };

// What a handler has begun with, in the order in which it is pushed last to first.
struct begun {
    long rax, rcx, rbx, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
};

// Handlers: as the kernel calls them. Afterwards the registers that a function may change are others, and so is
// rbp, which is put back.
void on_begin(int sig, siginfo_t *info, void *context);
__asm__(R"(
    .text
    .type on_begin, @function
on_begin:
    .cfi_startproc
    .irp register, r15, r14, r13, r12, r11, r10, r9, r8, rbp, rbx, rcx, rax
    push %\register
    .cfi_adjust_cfa_offset 8
    .endr
    mov %rsp, %rcx
    sub $8, %rsp
    .cfi_adjust_cfa_offset 8
    xor %ebp, %ebp
    call check_begun
    mov 32(%rsp), %rbp
    add $104, %rsp
    .cfi_adjust_cfa_offset -104
    mov $0x0bad, %eax
    .irp register, rcx, rdx, rsi, rdi, r8, r9, r10, r11
    mov %rax, %\register
    .endr
    ret
    .cfi_endproc
    .size on_begin, .-on_begin
)");

// long call_again_and_again(nr, stop): with known registers, until stop is not 0. Returns 0, or 1 if one has changed.
long call_again_and_again(long nr, const volatile int *stop);
__asm__(R"(
    .text
    .type call_again_and_again, @function
call_again_and_again:
    .cfi_startproc
    push_kept
    push %rdi
    push %rsi
    load_pattern
1:  mov 8(%rsp), %rax
    mov $-1, %rdi
    mov $0x1010, %r10d
    mov $0x0808, %r8d
    mov $0x0909, %r9d
    syscall
    cmp $-1, %rdi
    jne 2f
    cmp $0x1010, %r10
    jne 2f
    cmp $0x0808, %r8
    jne 2f
    cmp $0x0909, %r9
    jne 2f
    compare_pattern 2f
    mov (%rsp), %rsi
    cmpl $0, (%rsi)
    je 1b
    xor %eax, %eax
    jmp 3f
2:  mov $1, %eax
3:  pop %rsi
    pop %rdi
    pop_kept
    ret
    .cfi_endproc
    .size call_again_and_again, .-call_again_and_again
)");

static volatile int handled, are_enough, with_pattern, at_random;

// Each signal asks for the next, so that the program gets on however long the handler takes.
static void come_soon(void) {
    static const struct itimerval soon = {{0, 0}, {0, 150}};
    CHECK(raw3(SYS_setitimer, ITIMER_REAL, &soon, NULL) == 0, "setitimer");
}

__attribute__((used)) static void check_begun(int sig, const siginfo_t *info, const ucontext_t *context, const struct begun *is) {
    const greg_t *was = context->uc_mcontext.gregs;
    CHECK(info->si_signo == sig && is->rax == 0, "arguments, %lx", is->rax);
    CHECK(is->rbx == was[REG_RBX] && is->rbp == was[REG_RBP], "rbx %lx, rbp %lx", is->rbx, is->rbp);
    CHECK(is->r12 == was[REG_R12] && is->r13 == was[REG_R13], "r12 %lx, r13 %lx", is->r12, is->r13);
    CHECK(is->r14 == was[REG_R14] && is->r15 == was[REG_R15], "r14 %lx, r15 %lx", is->r14, is->r15);
    CHECK(is->r8 == was[REG_R8] && is->r9 == was[REG_R9], "r8 %lx, r9 %lx", is->r8, is->r9);
    CHECK(is->r10 == was[REG_R10] && is->r11 == was[REG_R11], "r10 %lx, r11 %lx", is->r10, is->r11);
    CHECK(is->rcx == was[REG_RCX], "rcx %lx", is->rcx);
    raw0(SYS_getppid);
    with_pattern += has_pattern(was);
    are_enough = ++handled >= HANDLED;
    if (at_random && !are_enough)
        come_soon();
}

static void handle(int sig, int flags) {
    struct sigaction action = {.sa_sigaction = on_begin, .sa_flags = SA_SIGINFO | SA_RESTART | flags};
    CHECK(sigaction(sig, &action, NULL) == 0, "sigaction");
}

static void once(const char *where) {
    handled = 0;
    CHECK(raise(SIGUSR1) == 0 && handled == 1, "handled %d times", handled);
    CHECK(raw2(SYS_kill, getpid(), SIGUSR1) == 0 && handled == 2, "handled %d times", handled);
    ok("%s", where);
}

static void at_one_moment(void) {
    static const int sigs[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGALRM};
    sigset_t all, before;
    sigfillset(&all);
    CHECK(sigprocmask(SIG_SETMASK, &all, &before) == 0, "sigprocmask");
    handled = 0;
    for (size_t i = 0; i < sizeof sigs / sizeof *sigs; i++) {
        handle(sigs[i], 0);
        raise(sigs[i]);
    }
    CHECK(sigprocmask(SIG_SETMASK, &before, NULL) == 0 && handled == 4, "handled %d times", handled);
    ok("four at one moment");
}

static void at_any_moment(void) {
    int ends[2];
    CHECK(pipe(ends) == 0, "pipe");
    for (int flags = 0; flags <= SA_ONSTACK; flags += SA_ONSTACK) {
        handled = are_enough = with_pattern = 0;
        handle(SIGALRM, flags);
        at_random = 1;
        come_soon();
        while (handled < HANDLED / 2) {
            char byte = 0;
            CHECK(write(ends[1], "x", 1) == 1 && read(ends[0], &byte, 1) == 1 && byte == 'x', "a pipe");
            CHECK(close(-1) == -1 && getppid() > 0, "calls");
        }
        CHECK(call_again_and_again(SYS_close, &are_enough) == 0, "a register has changed");
        CHECK(with_pattern > 0, "none came in the guest's own calls");
        ok("at any moment%s", flags ? ", on the alternate stack" : "");
    }
}

int main(void) {
    static char alternate[1 << 16];
    handle(SIGUSR1, 0);
    once("in a call");
    CHECK(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = sizeof alternate}, NULL) == 0, "sigaltstack");
    handle(SIGUSR1, SA_ONSTACK);
    once("on the alternate stack");
    at_one_moment();
    at_any_moment();
    return 0;
}
