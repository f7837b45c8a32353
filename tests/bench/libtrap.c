// flags: -nostdlib -fno-stack-protector
// The other way of the kernel's own, as a reference: a seccomp filter turns each
// call into SIGSYS. The handler answers call 1000 with 42 and makes all others
// itself.
#define _GNU_SOURCE
#include <asm/unistd_64.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <ucontext.h>

#define PR_SET_SECCOMP 22
#define PR_SET_NO_NEW_PRIVS 38
#define SA_RESTORER 0x04000000

struct kernel_action {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    unsigned long mask;
};

// The filter lets calls from this section through, sigreturn among them.
__asm__(
    ".pushsection .text.trap_exempt, \"ax\"\n"
    ".balign 256\n"
    ".hidden trap_exempt, trap_exempt_end, trap_call, trap_restorer\n"
    "trap_exempt:\n"
    "trap_call:\n" // (nr, args[6])
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
    "trap_restorer:\n"
    "    mov $15, %rax\n"
    "    syscall\n"
    "    nop\n" // the filter sees the address after the instruction
    "trap_exempt_end:\n"
    ".popsection\n");

extern char trap_exempt[], trap_exempt_end[];
extern long trap_call(long nr, const long *args);
extern void trap_restorer(void);

static void handle(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    long nr = registers[REG_RAX];
    long args[6] = {registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
                    registers[REG_R10], registers[REG_R8],  registers[REG_R9]};
    registers[REG_RAX] = nr == 1000 ? 42 : trap_call(nr, args);
}

__attribute__((constructor)) static void start(void) {
    struct kernel_action action = {
        .handler = handle,
        .flags = SA_SIGINFO | SA_RESTORER | SA_NODEFER,
        .restorer = trap_restorer,
    };
    unsigned long first = (unsigned long)trap_exempt, end = (unsigned long)trap_exempt_end;
    unsigned place = offsetof(struct seccomp_data, instruction_pointer);
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, place + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, first >> 32, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, place),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (unsigned)first, 0, 1),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (unsigned)end, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    long set_action[6] = {SIGSYS, (long)&action, 0, 8};
    long no_new_privileges[6] = {PR_SET_NO_NEW_PRIVS, 1};
    long confine[6] = {PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (long)&program};
    if (trap_call(__NR_rt_sigaction, set_action) == 0 &&
        trap_call(__NR_prctl, no_new_privileges) == 0)
        trap_call(__NR_prctl, confine);
}
