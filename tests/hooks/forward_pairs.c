// Two registered hooks that see each call on its way in and on its way out, forward it
// and change nothing; questions for the time are calls, too. What one keeps for the way out is
// its own.
#include "interceptor.h"

static int enter(struct interceptor_call *call, void *data) {
    call->word = (unsigned long)data ^ (unsigned long)call->nr;
    return INTERCEPTOR_FORWARD_AND_EXIT;
}

static void leave(struct interceptor_call *call, void *data) {
    // A word that is not the call's own would be a result that is not, either.
    if (call->word != ((unsigned long)data ^ (unsigned long)call->nr))
        call->result = -1;
}

__attribute__((constructor)) static void start(void) {
    interceptor_hook_is_libc_free(1);
    // Where the kernel does not let its vDSO be changed, that is as without.
    (void)interceptor_subscribe_time();
    for (long number = 1; number <= 2; number++) {
        const struct interceptor_hook hook = {
            .size = sizeof hook, .data = (void *)(number << 32), .enter = enter, .exit = leave};
        if (interceptor_register(&hook) < 0)
            __builtin_trap();
    }
}
