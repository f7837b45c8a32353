// The memory functions that compiled Rust code calls by name.
//
// They are hidden, so they neither bind to the program's libc nor are bound
// by it, and they use general registers only, so they may be called where
// vector registers are not saved. None is on the path of a call nobody
// observes, and the copies of ours are short, so they stay simple.

    .pushsection .text.interceptor_mem, "ax"

.macro INTERCEPTOR_MEM name
    .balign 16
    .hidden \name
    .globl  \name
    .type   \name, @function
\name:
    .cfi_startproc
.endm

.macro INTERCEPTOR_MEM_END name
    .cfi_endproc
    .size   \name, . - \name
.endm

// void *memcpy(rdi = to, rsi = from, rdx = n). Clobbers rcx, rdi, rsi, r8.
INTERCEPTOR_MEM memcpy
    mov     rax, rdi
    mov     rcx, rdx
    cmp     rdx, 256
    jae     3f
    shr     rcx, 3
    jz      2f
1:  mov     r8, qword ptr [rsi]
    mov     qword ptr [rdi], r8
    add     rsi, 8
    add     rdi, 8
    dec     rcx
    jnz     1b
2:  mov     ecx, edx
    and     ecx, 7
3:  rep     movsb
    ret
INTERCEPTOR_MEM_END memcpy

// void *memmove(rdi = to, rsi = from, rdx = n).
INTERCEPTOR_MEM memmove
    mov     rax, rdi
    sub     rax, rsi
    cmp     rax, rdx
    jae     memcpy                  // to is not inside [from, from + n)
    mov     rax, rdi
    mov     rcx, rdx
    lea     rsi, [rsi + rdx - 1]
    lea     rdi, [rdi + rdx - 1]
    std
    rep     movsb
    cld
    ret
INTERCEPTOR_MEM_END memmove

// void *memset(rdi = to, esi = byte, rdx = n).
INTERCEPTOR_MEM memset
    mov     r8, rdi
    mov     rcx, rdx
    movzx   eax, sil
    rep     stosb
    mov     rax, r8
    ret
INTERCEPTOR_MEM_END memset

// int memcmp(rdi = a, rsi = b, rdx = n).
INTERCEPTOR_MEM memcmp
    xor     ecx, ecx
1:  cmp     rcx, rdx
    je      2f
    movzx   eax, byte ptr [rdi + rcx]
    movzx   r8d, byte ptr [rsi + rcx]
    inc     rcx
    sub     eax, r8d
    jz      1b
    ret
2:  xor     eax, eax
    ret
INTERCEPTOR_MEM_END memcmp

// int bcmp(a, b, n): equality only.
INTERCEPTOR_MEM bcmp
    jmp     memcmp
INTERCEPTOR_MEM_END bcmp

// size_t strlen(rdi = s).
INTERCEPTOR_MEM strlen
    xor     eax, eax
1:  cmp     byte ptr [rdi + rax], 0
    je      2f
    inc     rax
    jmp     1b
2:  ret
INTERCEPTOR_MEM_END strlen

    .popsection
