// expect: After a program has installed a seccomp filter, every call it did not make itself kills it: an
// interceptor may not write, map, open or signal for its own purposes. A child allows itself write, read, exit,
// exit_group, rt_sigreturn and futex only, all else kills the process, then makes a thousand writes and reads and
// exits with its status; another one with the same filter is killed by a call outside it, so the filter is real. A
// third child traps getpid: the SIGSYS handler sees the number, the address after the program's instruction and an
// unchanged context, and supplies the result. A fourth one has handlers with SA_NODEFER, as browsers have them, which are
// trapped, and fault, themselves: nobody may block their signals, which then would end the process.
// musl: yes
#include "guest.h"
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <ucontext.h>

// linux/seccomp.h and linux/filter.h, which musl-gcc lacks.
struct instruction {
    uint16_t code;
    uint8_t jump_true, jump_false;
    uint32_t k;
};
struct program {
    unsigned short length;
    const struct instruction *instructions;
};
enum { LOAD = 0x20, JUMP_EQUAL = 0x15, RETURN = 0x06, NUMBER = 0, ARCH = 4, X86_64 = 0xc000003e };
#define KILL 0x80000000u
#define TRAP 0x00030000u
#define ALLOW 0x7fff0000u

// Of what is to be done the kernel looks at the lower half only.
static void install(const struct instruction *instructions, size_t count) {
    struct program program = {(unsigned short)count, instructions};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no new privileges");
    CHECK(raw3(SYS_prctl, PR_SET_SECCOMP | 0x5a5aL << 32, 2 /* SECCOMP_MODE_FILTER */, &program) == 0, "filter");
}

static void allow_few(void) {
    static const struct instruction few[] = {
        {LOAD, 0, 0, ARCH},          {JUMP_EQUAL, 1, 0, X86_64},        {RETURN, 0, 0, KILL},
        {LOAD, 0, 0, NUMBER},        {JUMP_EQUAL, 6, 0, SYS_read},      {JUMP_EQUAL, 5, 0, SYS_write},
        {JUMP_EQUAL, 4, 0, SYS_exit}, {JUMP_EQUAL, 3, 0, SYS_exit_group}, {JUMP_EQUAL, 2, 0, SYS_rt_sigreturn},
        {JUMP_EQUAL, 1, 0, SYS_futex}, {RETURN, 0, 0, KILL},             {RETURN, 0, 0, ALLOW},
    };
    install(few, sizeof few / sizeof *few);
}

static volatile int trapped, trapped_number;
static void *volatile call_address;

static void on_sigsys(int sig, siginfo_t *info, void *context) {
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    CHECK(info->si_signo == sig && info->si_code == 1 /* SYS_SECCOMP */, "code %d", info->si_code);
    CHECK(regs[REG_R12] == 0x1212121212121212 && regs[REG_RDI] == 0x7777, "context of the trapped call");
    trapped++;
    trapped_number = info->si_syscall;
    call_address = info->si_call_addr;
    regs[REG_RAX] = 4711;
}

// long trapped_getpid(void): getpid with known registers, at a known address.
__asm__(R"(
    .text
    .type trapped_getpid, @function
trapped_getpid:
    .cfi_startproc
    push %r12
    movabs $0x1212121212121212, %r12
    mov $0x7777, %edi
    mov $39, %eax
    syscall
after_trapped_getpid:
    pop %r12
    ret
    .cfi_endproc
    .size trapped_getpid, .-trapped_getpid
)");
long trapped_getpid(void);
extern char after_trapped_getpid[];

static volatile int depth, deepest;

static void enter_handler(void) {
    if (++depth > deepest)
        deepest = depth;
}

// Makes a call of others that are trapped, too.
static void on_sigsys_in_itself(int sig, siginfo_t *info, void *context) {
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    CHECK(info->si_signo == sig, "signal %d", sig);
    enter_handler();
    switch (info->si_syscall) {
    case SYS_getppid: regs[REG_RAX] = raw0(SYS_getuid) + 1; break;
    case SYS_getuid: regs[REG_RAX] = raw0(SYS_getgid) + 1; break;
    default: regs[REG_RAX] = 100;
    }
    depth--;
}

static void fault(void) { __asm__ volatile("movl $1, 16" ::: "memory"); }

static void on_fault_in_itself(int sig, siginfo_t *info, void *context) {
    CHECK(info->si_signo == sig && info->si_addr == (void *)16, "address %p", info->si_addr);
    enter_handler();
    if (depth < 3)
        fault();
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 11; // over the instruction
    depth--;
}

static void install_not_deferred(int sig, void (*handler)(int, siginfo_t *, void *)) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER};
    CHECK(sigaction(sig, &action, NULL) == 0, "sigaction");
}

static void in_themselves(void) {
    static const struct instruction trap_three[] = {
        {LOAD, 0, 0, NUMBER},         {JUMP_EQUAL, 4, 0, SYS_getppid},        {JUMP_EQUAL, 3, 0, SYS_getuid},
        {JUMP_EQUAL, 2, 0, SYS_getgid}, {JUMP_EQUAL, 2, 0, SYS_rt_sigprocmask}, {RETURN, 0, 0, ALLOW},
        {RETURN, 0, 0, TRAP},         {RETURN, 0, 0, KILL}};
    install_not_deferred(SIGSYS, on_sigsys_in_itself);
    install(trap_three, sizeof trap_three / sizeof *trap_three);
    install_not_deferred(SIGSEGV, on_fault_in_itself);
    for (int i = 0; i < 100; i++) {
        deepest = 0;
        CHECK(raw0(SYS_getppid) == 102 && deepest == 3, "trapped %d deep", deepest);
        deepest = 0;
        fault();
        CHECK(deepest == 3, "faulted %d deep", deepest);
    }
    struct sigaction is;
    static const int sigs[] = {SIGSYS, SIGSEGV}, flags = SA_SIGINFO | SA_NODEFER, restorer = 0x04000000; // libc's
    for (size_t i = 0; i < 2; i++)
        CHECK(sigaction(sigs[i], NULL, &is) == 0 && is.sa_flags == (flags | restorer), "flags %x", is.sa_flags);
}

static int status_of(pid_t child) {
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child, "waitpid");
    return status;
}

int main(void) {
    int ends[2];
    CHECK(pipe(ends) == 0, "pipe");

    pid_t child = fork();
    if (child == 0) {
        allow_few();
        for (int i = 0; i < 1000; i++) {
            char byte = 0;
            if (write(ends[1], &(char){(char)i}, 1) != 1 || read(ends[0], &byte, 1) != 1 || byte != (char)i)
                raw1(SYS_exit_group, 1);
            if (raw3(SYS_write, -1, "x", 1) != -EBADF)
                raw1(SYS_exit_group, 2);
        }
        _exit(42);
    }
    int status = status_of(child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42, "child with a filter: status %#x", status);
    ok("a thousand allowed calls and an exit");

    child = fork();
    if (child == 0) {
        allow_few();
        raw0(SYS_getppid);
        _exit(1);
    }
    status = status_of(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "child that broke its filter: status %#x", status);
    ok("a call outside the filter kills");

    child = fork();
    if (child == 0) {
        static const struct instruction trap_getpid[] = {
            {LOAD, 0, 0, NUMBER}, {JUMP_EQUAL, 0, 1, SYS_getpid}, {RETURN, 0, 0, TRAP}, {RETURN, 0, 0, ALLOW}};
        struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
        sigaction(SIGSYS, &action, NULL);
        install(trap_getpid, 4);
        for (int i = 1; i <= 100; i++) {
            long ret = trapped_getpid();
            CHECK(ret == 4711 && trapped == i, "result %ld, trapped %d times", ret, trapped);
            CHECK(trapped_number == SYS_getpid, "number %d", trapped_number);
            CHECK(call_address == after_trapped_getpid, "%ld bytes after the call",
                  (long)((char *)call_address - after_trapped_getpid));
        }
        _exit(43);
    }
    status = status_of(child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 43, "child with a trap: status %#x", status);
    ok("a trapped call reaches the handler");

    child = fork();
    if (child == 0) {
        in_themselves();
        _exit(44);
    }
    status = status_of(child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 44, "child with handlers that interrupt themselves: %#x", status);
    ok("handlers are trapped, and fault, themselves");
    return 0;
}
