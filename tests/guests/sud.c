// expect: A program may use Syscall User Dispatch itself (Wine does): with its selector set, each of its calls
// outside the allowed range raises SIGSYS instead. Either that works as natively (the handler sees the number and
// the address after the program's instruction, and its result is the program's), or prctl refuses as a kernel
// without it would; having two owners, where the program's calls go unnoticed or its selector is ignored, is wrong.
// Prints which. Bad arguments are refused by EINVAL and EFAULT either way.
#include "guest.h"
#include <signal.h>
#include <sys/prctl.h>
#include <ucontext.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif
enum { OFF, ON, ALLOW = 0, BLOCK = 1 };

static volatile char selector;
static volatile int dispatched, number;
static void *volatile call_address;

static void on_sigsys(int sig, siginfo_t *info, void *context) {
    (void)sig;
    selector = ALLOW;
    dispatched++;
    number = info->si_syscall;
    call_address = info->si_call_addr;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = 4711;
}

__asm__(R"(
    .text
    .type dispatched_call, @function
dispatched_call:
    .cfi_startproc
    mov %rdi, %rax
    syscall
after_dispatched_call:
    ret
    .cfi_endproc
    .size dispatched_call, .-dispatched_call
)");
long dispatched_call(long nr);
extern char after_dispatched_call[];

int main(void) {
    struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &action, NULL);
    CHECK(prctl(PR_SET_SYSCALL_USER_DISPATCH, 7, 0, 0, 0) == -1 && errno == EINVAL, "unknown mode");
    CHECK(prctl(PR_SET_SYSCALL_USER_DISPATCH, OFF, 1, 0, 0) == -1 && errno == EINVAL, "off with a range");
    ok("bad arguments are refused");

    // The range allowed lies elsewhere, so every site of the program is dispatched while the selector says so.
    if (prctl(PR_SET_SYSCALL_USER_DISPATCH, ON, 4096, 1, &selector) != 0) {
        CHECK(errno == EINVAL, "refused in a way no kernel does");
        ok("dispatch is refused as by a kernel without it");
        return 0;
    }
    for (int i = 1; i <= 100; i++) {
        selector = BLOCK;
        long ret = dispatched_call(1000 + i);
        CHECK(selector == ALLOW && dispatched == i, "call %d was dispatched %d times", i, dispatched);
        CHECK(number == 1000 + i, "number %d", number);
        CHECK(call_address == after_dispatched_call, "%ld bytes after the call",
              (long)((char *)call_address - after_dispatched_call));
        CHECK(ret == 4711, "result %ld", ret);
        CHECK(raw0(SYS_getpid) == getpid() && dispatched == i, "allowed call was dispatched");
    }
    CHECK(prctl(PR_SET_SYSCALL_USER_DISPATCH, OFF, 0, 0, 0) == 0, "off");
    selector = BLOCK;
    CHECK(dispatched_call(1000) == -ENOSYS && dispatched == 100, "dispatched although off");
    ok("dispatch works as natively");
    return 0;
}
