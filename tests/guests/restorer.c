// flags: -funwind-tables
// expect: Unwinders and debuggers know a signal frame without unwind data by the bytes of its return trampoline
// (`mov $15, %rax; syscall`), and a program may bring its own; patching that site makes backtraces end in the
// handler, and rt_sigreturn finds its frame by rsp, so nothing may lie in between. A handler with a restorer of the
// guest's own, without unwind data, returns a thousand times with all registers restored; a backtrace taken in it
// passes through to main.
// userlands: yes
#include "guest.h"
#include <signal.h>
#include <unwind.h>

struct kernel_sigaction {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

void own_restorer(void);
__asm__(R"(
    .text
    .balign 16
    nop
    .type own_restorer, @function
own_restorer:
    mov $15, %rax
    syscall
    .size own_restorer, .-own_restorer
)");

static volatile int handled, in_main;
static uintptr_t main_start;

static _Unwind_Reason_Code look(struct _Unwind_Context *context, void *unused) {
    (void)unused;
    uintptr_t function = _Unwind_GetRegionStart(context);
    in_main |= function == main_start;
    return _URC_NO_REASON;
}

static void handle(int sig) {
    (void)sig;
    handled++;
    raw0(SYS_getppid);
    if (handled == 500)
        _Unwind_Backtrace(look, NULL);
}

__attribute__((noinline, used)) int main(void) {
    main_start = (uintptr_t)main;
    struct kernel_sigaction action = {handle, 0x04000000 /* SA_RESTORER */, own_restorer, 0};
    CHECK(raw4(SYS_rt_sigaction, SIGUSR1, &action, 0, 8) == 0, "rt_sigaction");
    long pid = getpid(), tid = raw0(SYS_gettid);
    for (int i = 0; i < 1000; i++) {
        CHECK(raw3(SYS_tgkill, pid, tid, SIGUSR1) == 0, "tgkill");
        CHECK(handled == i + 1, "handled %d times", handled);
    }
    ok("a thousand returns through an own restorer");
    CHECK(in_main, "the backtrace did not reach main");
    ok("backtrace through the signal frame");
    return 0;
}
