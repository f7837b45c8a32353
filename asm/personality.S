// core was compiled to unwind, and names this in tables that nobody reads. Where link
// time optimisation drops those, nothing refers to it.

    .pushsection .text.interceptor_personality, "ax"
    .balign 8
    .hidden rust_eh_personality
    .globl  rust_eh_personality
    .type   rust_eh_personality, @function
rust_eh_personality:
    .cfi_startproc
    ud2
    .cfi_endproc
    .size   rust_eh_personality, . - rust_eh_personality
    .popsection
