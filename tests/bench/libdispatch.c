// flags: -nostdlib -fno-stack-protector
// The kernel's own way, as a reference: Syscall User Dispatch turns each call
// into SIGSYS.
#include "by_signal.h"

#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_ON 1

static volatile char selector; // 0 lets calls through, 1 dispatches them

__attribute__((constructor)) static void start(void) {
    long dispatch[6] = {PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, (long)exempt, exempt_end - exempt,
                        (long)&selector};
    if (handle_calls() == 0 && exempt_call(__NR_prctl, dispatch) == 0)
        selector = 1;
}
