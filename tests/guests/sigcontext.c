// expect: A handler is shown the program, not the interceptor: RIP in its context is the site (the call is made
// again) or the address after it (the call is done), rsp and all registers are the program's, rax the number or the
// result, and what the handler changes takes effect. A signal interrupts a blocking read, first with SA_RESTART, then
// without, then with a handler that changes rax, a register and RIP. Then a 1 kHz timer interrupts a loop of calls
// 300 times: RIP must lie in that loop, with its pattern in the other registers, or else in the program or libc. In the end read in libc is
// interrupted, and RIP lies in libc.
// userlands: yes
#include "kept_registers.h"
#include "proc.h"
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <ucontext.h>

// long call_with_pattern(nr, a, b, c, stop): makes the call with known registers, again and again while stop is
// given and 0; returns rax, or the complement of rbx's pattern if a register was changed.
__asm__(R"(
    .text
    .type call_with_pattern, @function
call_with_pattern:
    .cfi_startproc
    push_kept
    mov %rdi, %r10
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    load_pattern
    lea saved_rsp(%rip), %r9
    mov %rsp, (%r9)
pattern_start:
1:  mov %r10, %rax
pattern_site:
    syscall
pattern_after:
    test %r8, %r8
    jz 2f
    cmpl $0, (%r8)
    je 1b
pattern_end:
2:  mov %rbx, rbx_after(%rip)
    pop_kept
    ret
pattern_elsewhere:
    mov $4242, %eax
    jmp 2b
    .cfi_endproc
    .size call_with_pattern, .-call_with_pattern
    .local rbx_after
    .comm rbx_after, 8, 8
    .globl rbx_after
)");
long call_with_pattern(long nr, long a, long b, long c, volatile int *stop);
extern char pattern_start[], pattern_site[], pattern_after[], pattern_end[], pattern_elsewhere[];
long saved_rsp;
extern long rbx_after;

enum step { RESTART, INTERRUPT, CHANGE_RAX, CHANGE_RBX, CHANGE_RIP, STORM, LIBC } step;
static int ends[2];
static volatile int handled, in_loop, stop;
static char buffer[16];

static void check_pattern(const greg_t *regs) {
    CHECK(has_pattern(regs), "a register's pattern is wrong in step %d", step);
    CHECK(regs[REG_RSP] == saved_rsp, "rsp is %llx, the program's %lx", regs[REG_RSP], saved_rsp);
}

static void handle(int sig, siginfo_t *info, void *context) {
    (void)sig, (void)info;
    ucontext_t *interrupted = context;
    greg_t *regs = interrupted->uc_mcontext.gregs;
    char *rip = (char *)regs[REG_RIP];
    int saved = errno;
    handled++;
    if (step == LIBC) {
        Dl_info where, libc;
        CHECK(dladdr(rip, &where) && dladdr((void *)read, &libc) && !strcmp(where.dli_fname, libc.dli_fname),
              "RIP %p is not in libc", rip);
        CHECK(write(ends[1], "x", 1) == 1, "write");
        errno = saved;
        return;
    }
    if (step == STORM) {
        if (rip >= pattern_start && rip < pattern_end) {
            check_pattern(regs);
            stop = ++in_loop >= 300;
        } else { // rarely, on the way into the loop and out of it
            Dl_info where, libc, own;
            CHECK(dladdr(rip, &where) && dladdr((void *)read, &libc) && dladdr(pattern_site, &own), "RIP %p", rip);
            CHECK(!strcmp(where.dli_fname, libc.dli_fname) || !strcmp(where.dli_fname, own.dli_fname),
                  "RIP %p lies in %s, %ld bytes from the loop", rip, where.dli_fname, (long)(rip - pattern_start));
        }
        return;
    }
    CHECK(rip == (step == RESTART ? pattern_site : pattern_after), "step %d: RIP is %ld bytes from the call", step,
          (long)(rip - pattern_site));
    CHECK(regs[REG_RAX] == (step == RESTART ? SYS_read : -EINTR), "rax is %lld", regs[REG_RAX]);
    CHECK(regs[REG_RDI] == ends[0] && regs[REG_RSI] == (long)buffer && regs[REG_RDX] == 16, "arguments");
    CHECK(regs[REG_RCX] == (long)pattern_after, "rcx is %llx", regs[REG_RCX]);
    CHECK((regs[REG_R11] & 0xcd5) == (regs[REG_EFL] & 0xcd5), "r11 is %llx, flags %llx", regs[REG_R11], regs[REG_EFL]);
    CHECK(has_pattern_in_xmm3(interrupted), "xmm3");
    check_pattern(regs);
    switch (step) {
    case RESTART: CHECK(write(ends[1], "abc", 3) == 3, "write"); break;
    case CHANGE_RAX: regs[REG_RAX] = 4711; break;
    case CHANGE_RBX: regs[REG_RBX] = 4712; break;
    case CHANGE_RIP: regs[REG_RIP] = (greg_t)pattern_elsewhere; break;
    default: break;
    }
}

static pthread_t main_thread;

// Interrupts the main thread once it sleeps in read, which /proc tells.
static void *interrupt(void *unused) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", getpid(), getpid());
    while (state_in(path) != 'S')
        usleep(200);
    pthread_kill(main_thread, SIGUSR1);
    return unused;
}

static long blocking_read(enum step now) {
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | (now == RESTART ? SA_RESTART : 0)};
    sigaction(SIGUSR1, &action, NULL);
    step = now;
    handled = 0;
    pthread_t thread;
    pthread_create(&thread, NULL, interrupt, NULL);
    long ret = now == LIBC ? read(ends[0], buffer, 16) : call_with_pattern(SYS_read, ends[0], (long)buffer, 16, NULL);
    int saved = errno;
    pthread_join(thread, NULL);
    CHECK(handled == 1, "step %d: handled %d times", now, handled);
    errno = saved;
    return ret;
}

int main(void) {
    CHECK(pipe(ends) == 0, "pipe");
    main_thread = pthread_self();
    for (int round = 0; round < 5; round++) {
        CHECK(blocking_read(RESTART) == 3, "restarted read");
        CHECK(blocking_read(INTERRUPT) == -EINTR, "interrupted read");
        CHECK(blocking_read(CHANGE_RAX) == 4711, "result changed by the handler");
        CHECK(blocking_read(CHANGE_RBX) == -EINTR && rbx_after == 4712, "register changed by the handler");
        CHECK(blocking_read(CHANGE_RIP) == 4242, "program counter changed by the handler");
        CHECK(blocking_read(LIBC) == -1 && errno == EINTR, "read in libc");
        CHECK(read(ends[0], buffer, 16) == 1, "drain");
    }
    ok("context of a blocking read");
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    step = STORM;
    static const long calls[] = {SYS_getppid, 1000, SYS_close, SYS_sched_yield};
    for (int i = 0; i < 4; i++) {
        in_loop = stop = 0;
        struct itimerval period = {{0, 1000}, {0, 1000}}, none = {{0, 0}, {0, 0}};
        setitimer(ITIMER_REAL, &period, NULL);
        call_with_pattern(calls[i], -1, 0, 0, &stop);
        setitimer(ITIMER_REAL, &none, NULL);
    }
    ok("context of a loop of calls, interrupted anywhere");
    return 0;
}
