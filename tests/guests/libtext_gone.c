// Library of the guest `text_gone`: sites around which there is no room for a jump, in two pages of their own.
__asm__(R"(
    .text
    .macro no_room
    .rept 40
        lea 1(%rdx), %rdx
    .endr
    .endm
    .macro call name site
    .balign 4096
    .globl \name, \site
    .type \name, @function
\name:                                  // the number, how often
    .cfi_startproc
    no_room
    mov %edi, %eax
\site:
    syscall
1:  dec %esi
    js 2f
    cmp $1, %esi
    je 1b
    mov %edi, %eax
    jmp \site
2:  no_room
    ret
    .cfi_endproc
    .size \name, .-\name
    .endm
    call gone_call, gone_site
    call later_call, later_site
    .balign 4096
)");
