// Library of the guest `text_gone`: a site around which there is no room for a jump.
__asm__(R"(
    .text
    .macro no_room
    .rept 40
        lea 1(%rdx), %rdx
    .endr
    .endm
    .globl gone_call, gone_site
    .type gone_call, @function
gone_call:                              // the number, how often
    .cfi_startproc
    no_room
    mov %edi, %eax
gone_site:
    syscall
1:  dec %esi
    js 2f
    cmp $1, %esi
    je 1b
    mov %edi, %eax
    jmp gone_site
2:  no_room
    ret
    .cfi_endproc
    .size gone_call, .-gone_call
)");
