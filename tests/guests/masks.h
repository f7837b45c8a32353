// The mask of the calling thread, as the kernel has it: 64 signals.
#pragma once
#include "guest.h"
#include <signal.h>
#include <ucontext.h>

static inline uint64_t mask_now(void) {
    uint64_t mask = 0;
    raw4(SYS_rt_sigprocmask, SIG_BLOCK, 0, &mask, 8);
    return mask;
}

static inline void set_mask(uint64_t mask) {
    CHECK(raw4(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8) == 0, "rt_sigprocmask");
}

// The one in a context, where it is twice.
static inline uint64_t mask_in(const ucontext_t *context) {
    uint64_t mask;
    memcpy(&mask, &context->uc_sigmask, 8);
    CHECK((uint64_t)context->uc_mcontext.gregs[REG_OLDMASK] == mask, "two masks in one context: %llx, %lx", context->uc_mcontext.gregs[REG_OLDMASK], mask);
    return mask;
}
