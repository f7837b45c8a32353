// expect: Linux 6.11 and later answer number 335 (uretprobe), and 6.18 also 336 (uprobe), with SIGILL when they are
// called from anywhere but the kernel's own trampoline; older kernels say ENOSYS. An interceptor that plants ud2 and
// owns SIGILL may take this one for its own trap. The program's handler must get it, with the program's own
// instruction as the address interrupted, and leave with siglongjmp; prints which way each number went.
// musl: yes
#include "guest.h"
#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

static sigjmp_buf back;
static volatile uintptr_t interrupted_at;

static void on_sigill(int sig, siginfo_t *info, void *context) {
    (void)info;
    interrupted_at = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    siglongjmp(back, sig);
}

// long call_number(long nr), with its site at a known place.
__asm__(R"(
    .text
    .type call_number, @function
call_number:
    .cfi_startproc
    mov %rdi, %rax
site_of_call_number:
    syscall
after_call_number:
    ret
    .cfi_endproc
    .size call_number, .-call_number
)");
long call_number(long nr);
extern char after_call_number[];

int main(void) {
    struct sigaction action = {.sa_sigaction = on_sigill, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, NULL);
    for (volatile long nr = 335; nr <= 336; nr++)
        for (volatile int round = 0; round < 3; round++) {
            int sig = sigsetjmp(back, 1);
            if (sig) {
                CHECK(interrupted_at == (uintptr_t)after_call_number, "SIGILL %ld bytes past the call",
                      (long)(interrupted_at - (uintptr_t)after_call_number));
                ok("%ld raises signal %d right after the call", nr, sig);
            } else {
                long ret = call_number(nr);
                ok("%ld returns %ld", nr, ret);
            }
        }
    CHECK(raw0(SYS_getpid) == getpid(), "calls after SIGILL");
    ok("calls after it");
    return 0;
}
