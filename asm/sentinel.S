// A system call that nobody makes.
//
// Whoever patches all code of the process before our constructor runs, patches
// this: another copy of the runtime, inside a hook library in Rust, say. Then the
// copy stands back, since each of two would take the other's stubs for the
// program's code.

    .pushsection .text.interceptor_sentinel, "ax"

    .balign 16
    .hidden interceptor_sentinel
    .globl  interceptor_sentinel
    .type   interceptor_sentinel, @function
// Never called. Starts with the instruction that is looked at, and leaves room
// for every way to patch it.
interceptor_sentinel:
    .cfi_startproc
    syscall
    nop     dword ptr [rax]
    ret
    .cfi_endproc
    .size   interceptor_sentinel, . - interceptor_sentinel
    .balign 16, 0xcc

    .popsection
