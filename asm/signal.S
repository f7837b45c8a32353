// Signal delivery.

    .pushsection .text.interceptor_signal, "ax"

// Where a handler of ours returns to: rt_sigreturn. The bytes are those that
// debuggers and unwinders know a signal frame by.
    .balign 16
    .byte   0x90                    // unwinders look one byte before the restorer
    .hidden interceptor_restorer
    .globl  interceptor_restorer
    .type   interceptor_restorer, @function
interceptor_restorer:
    .byte   0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00        // mov rax, 15
    syscall
    .size   interceptor_restorer, . - interceptor_restorer

// What the kernel calls: one handler for each version of a signal's action
// (src/signal/table.rs), 8 bytes apart.
//
// In:  rdi = signal, rsi = siginfo_t *, rdx = ucontext_t *. Functions otherwise.
    .balign 16
    .hidden interceptor_signal_entries
    .globl  interceptor_signal_entries
    .type   interceptor_signal_entries, @function
interceptor_signal_entries:
    .cfi_startproc
    .set    version, 0
    .rept   8
    .balign 8
    mov     ecx, version
    jmp     interceptor_on_signal
    .set    version, version + 1
    .endr
    .size   interceptor_signal_entries, . - interceptor_signal_entries

// The ABI has it that the stack is aligned; QEMU 7's emulation of it is not,
// and nobody needs to depend on it.
//
// In:  as above, ecx = version.
    .balign 8
    .type   interceptor_on_signal, @function
interceptor_on_signal:
    push    rbp
    .cfi_def_cfa_offset 16
    .cfi_offset rbp, -16
    mov     rbp, rsp
    .cfi_def_cfa_register rbp
    and     rsp, -16
    call    interceptor_deliver
    leave
    .cfi_def_cfa rsp, 8
    ret
    .cfi_endproc
    .size   interceptor_on_signal, . - interceptor_on_signal

    .popsection
