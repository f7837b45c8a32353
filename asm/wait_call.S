// A call that a hook makes in the program's place, and that may wait.
//
// A signal that comes before it, or that would restart it, waits until the hook is
// done (`signal::defer`); so the call must not be made, or restarted, before. The
// signal's handler finds the processor between `begin` and `end` then, where the
// kernel has put it back, too, and makes it go on at `off`.

    .pushsection .text.interceptor_wait_call, "ax"

// In:  rdi = number, rsi = six arguments, rdx = `Aside::waits`.
// Out: rax = the kernel's result, or {wait_off} if the call was not made.
// Clobbers: what a C function may.
    .balign 16
    .hidden interceptor_wait_call
    .globl  interceptor_wait_call
    .type   interceptor_wait_call, @function
interceptor_wait_call:
    .cfi_startproc
    push    rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    mov     rbx, rdx
    mov     rax, rdi
    mov     r11, rsi
    mov     rdi, qword ptr [r11]
    mov     rsi, qword ptr [r11 + 8]
    mov     rdx, qword ptr [r11 + 16]
    mov     r10, qword ptr [r11 + 24]
    mov     r8, qword ptr [r11 + 32]
    mov     r9, qword ptr [r11 + 40]
    .hidden interceptor_wait_begin
    .globl  interceptor_wait_begin
interceptor_wait_begin:
    cmp     dword ptr [rbx], 0
    jne     interceptor_wait_off
    syscall
    .hidden interceptor_wait_end
    .globl  interceptor_wait_end
interceptor_wait_end:
    pop     rbx
    .cfi_remember_state
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    ret
    .cfi_restore_state
    .hidden interceptor_wait_off
    .globl  interceptor_wait_off
interceptor_wait_off:
    mov     rax, {wait_off}
    jmp     interceptor_wait_end
    .cfi_endproc
    .size   interceptor_wait_call, . - interceptor_wait_call

    .popsection
