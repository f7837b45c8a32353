// flags: -nostdlib -fno-stack-protector
// The kernel's own way, as a reference: Syscall User Dispatch turns each call
// into SIGSYS. The handler answers call 1000 with 42 and makes all others
// itself.
#define _GNU_SOURCE
#include <asm/unistd_64.h>
#include <signal.h>
#include <ucontext.h>

#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_ON 1
#define SA_RESTORER 0x04000000

static volatile char selector; // 0 lets calls through, 1 dispatches them

struct kernel_action {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    unsigned long mask;
};

// Calls from this section are never dispatched, sigreturn among them.
__asm__(
    ".pushsection .text.dispatch_exempt, \"ax\"\n"
    ".hidden dispatch_exempt, dispatch_exempt_end, dispatch_call, dispatch_restorer\n"
    "dispatch_exempt:\n"
    "dispatch_call:\n" // (nr, args[6])
    "    mov %rdi, %rax\n"
    "    mov %rsi, %r11\n"
    "    mov (%r11), %rdi\n"
    "    mov 8(%r11), %rsi\n"
    "    mov 16(%r11), %rdx\n"
    "    mov 24(%r11), %r10\n"
    "    mov 32(%r11), %r8\n"
    "    mov 40(%r11), %r9\n"
    "    syscall\n"
    "    ret\n"
    "dispatch_restorer:\n"
    "    mov $15, %rax\n"
    "    syscall\n"
    "    nop\n" // the kernel compares the address after the instruction
    "dispatch_exempt_end:\n"
    ".popsection\n");

extern char dispatch_exempt[], dispatch_exempt_end[];
extern long dispatch_call(long nr, const long *args);
extern void dispatch_restorer(void);

static void handle(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    long nr = registers[REG_RAX];
    long args[6] = {registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
                    registers[REG_R10], registers[REG_R8],  registers[REG_R9]};
    registers[REG_RAX] = nr == 1000 ? 42 : dispatch_call(nr, args);
}

__attribute__((constructor)) static void start(void) {
    struct kernel_action action = {
        .handler = handle,
        .flags = SA_SIGINFO | SA_RESTORER | SA_NODEFER,
        .restorer = dispatch_restorer,
    };
    long set_action[6] = {SIGSYS, (long)&action, 0, 8};
    long dispatch[6] = {PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, (long)dispatch_exempt,
                        dispatch_exempt_end - dispatch_exempt, (long)&selector};
    if (dispatch_call(__NR_rt_sigaction, set_action) == 0 &&
        dispatch_call(__NR_prctl, dispatch) == 0)
        selector = 1;
}
