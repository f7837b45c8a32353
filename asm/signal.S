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

    .popsection
