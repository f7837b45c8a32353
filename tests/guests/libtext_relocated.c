// flags: -nostdlib -Wl,-z,notext
// Library of the guest `text_relocated`: the dynamic linker writes addresses into its text, just before and behind sites.
__asm__(R"(
    .text
    .globl number_behind
    .type number_behind, @function
number_behind:
    .cfi_startproc
    mov $39, %eax
    syscall
    movabs $relocated_number, %rdx
    mov (%rdx), %eax
    ret
    .cfi_endproc
    .size number_behind, .-number_behind
    .globl number_before
    .type number_before, @function
number_before:
    .cfi_startproc
    mov $39, %eax
    movabs $relocated_number, %rdx
    syscall
    mov (%rdx), %eax
    ret
    .cfi_endproc
    .size number_before, .-number_before
)");

int relocated_number = 4711;
