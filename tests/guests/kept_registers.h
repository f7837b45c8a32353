// The registers that a function keeps for its caller, for functions in assembly: put away and taken back; and filled
// with a pattern around a system call, which keeps them, too.
#pragma once
#include "guest.h"
#include <signal.h>

// `load_pattern` also fills the lowest part of xmm3; `compare_pattern` jumps when something has changed, and uses r11.
__asm__(R"(
    .macro push_kept
        push %rbx
        push %rbp
        push %r12
        push %r13
        push %r14
        push %r15
    .endm
    .macro pop_kept
        pop %r15
        pop %r14
        pop %r13
        pop %r12
        pop %rbp
        pop %rbx
    .endm
    .macro load_pattern
        mov $0x1b1b1b1b, %ebx
        mov $0x1d1d1d1d, %ebp
        mov $0x12121212, %r12d
        mov $0x13131313, %r13d
        mov $0x14141414, %r14d
        mov $0x15151515, %r15d
        movd %r12d, %xmm3
    .endm
    .macro compare_pattern changed
        cmp $0x1b1b1b1b, %rbx
        jne \changed
        cmp $0x1d1d1d1d, %rbp
        jne \changed
        cmp $0x12121212, %r12
        jne \changed
        cmp $0x13131313, %r13
        jne \changed
        cmp $0x14141414, %r14
        jne \changed
        cmp $0x15151515, %r15
        jne \changed
        movd %xmm3, %r11d
        cmp $0x12121212, %r11d
        jne \changed
    .endm
)");

// Whether a handler is shown registers with that pattern.
static inline int has_pattern(const greg_t *regs) {
    return regs[REG_RBX] == 0x1b1b1b1b && regs[REG_RBP] == 0x1d1d1d1d && regs[REG_R12] == 0x12121212 &&
           regs[REG_R13] == 0x13131313 && regs[REG_R14] == 0x14141414 && regs[REG_R15] == 0x15151515;
}

static inline int has_pattern_in_xmm3(const ucontext_t *context) {
    return context->uc_mcontext.fpregs->_xmm[3].element[0] == 0x12121212;
}
