// For libraries that have the kernel turn each call of a program into SIGSYS: the handler answers call 1000 with 42 and
// makes all others itself.
#pragma once
#define _GNU_SOURCE
#include <asm/unistd_64.h>
#include <signal.h>
#include <ucontext.h>

#define SA_RESTORER 0x04000000

struct kernel_action {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    unsigned long mask;
};

// Calls from this section are to be let through, sigreturn among them.
__asm__(
    ".pushsection .text.exempt, \"ax\"\n"
    ".balign 256\n"
    ".hidden exempt, exempt_end, exempt_call, exempt_restorer\n"
    "exempt:\n"
    "exempt_call:\n" // (nr, args[6])
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
    "exempt_restorer:\n"
    "    mov $15, %rax\n"
    "    syscall\n"
    "    nop\n" // the kernel looks at the address after the instruction
    "exempt_end:\n"
    ".popsection\n");

extern char exempt[], exempt_end[];
extern long exempt_call(long nr, const long *args);
extern void exempt_restorer(void);

static void handle(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    long nr = registers[REG_RAX];
    long args[6] = {registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
                    registers[REG_R10], registers[REG_R8],  registers[REG_R9]};
    registers[REG_RAX] = nr == 1000 ? 42 : exempt_call(nr, args);
}

// Returns 0 when SIGSYS is handled.
static long handle_calls(void) {
    struct kernel_action action = {
        .handler = handle,
        .flags = SA_SIGINFO | SA_RESTORER | SA_NODEFER,
        .restorer = exempt_restorer,
    };
    long args[6] = {SIGSYS, (long)&action, 0, 8};
    return exempt_call(__NR_rt_sigaction, args);
}
