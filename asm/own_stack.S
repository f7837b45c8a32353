// A function on a stack of ours.
//
// Start-up plans there: the program's stack may be a small one.

    .pushsection .text.interceptor_own_stack, "ax"

// In:  rdi = end of the stack, a multiple of 16, rsi = function, rdx = its argument.
// Clobbers: what a C function may.
    .balign 16
    .hidden interceptor_call_on_stack
    .globl  interceptor_call_on_stack
    .type   interceptor_call_on_stack, @function
interceptor_call_on_stack:
    .cfi_startproc
    push    rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    mov     rbp, rsp
    .cfi_def_cfa_register rbp
    mov     rsp, rdi
    mov     rdi, rdx
    call    rsi
    mov     rsp, rbp
    .cfi_def_cfa_register rsp
    pop     rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    ret
    .cfi_endproc
    .size   interceptor_call_on_stack, . - interceptor_call_on_stack

    .popsection
