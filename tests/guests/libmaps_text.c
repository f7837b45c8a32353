// flags: -nostdlib
// What maps_text loads: three pages of text, of which the middle one has a site.
__asm__(R"(
    .text
    .balign 4096
    .skip 4096, 0xcc
    .globl maps_text_pid
    .type maps_text_pid, @function
maps_text_pid:
    .cfi_startproc
    mov $39, %eax
    syscall
    ret
    .cfi_endproc
    .size maps_text_pid, .-maps_text_pid
    .balign 4096
    .skip 4096, 0xcc
)");
