// The memory functions that compiled Rust code calls by name.
//
// They are hidden, so they neither bind to the program's libc nor are bound
// by it, and they use general registers only, so they may be called where
// vector registers are not saved. libc's own, in a library that has libc, would be
// called while libc's text is written to, and is not executable. None is on the path of a call nobody
// observes, but the planner's many short copies are on the path of start-up.

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

// Up to this many bytes a loop of words is faster than a string instruction,
// which takes dozens of cycles to start.
.set INTERCEPTOR_MEM_SHORT, 768

// void *memcpy(rdi = to, rsi = from, rdx = n). Clobbers rcx, rdx, rdi, rsi, r8,
// r9. The last word is loaded before the first is stored and all of a few
// bytes are, so memmove to a lower address may use it.
INTERCEPTOR_MEM memcpy
    mov     rax, rdi
    cmp     rdx, 8
    jb      2f
    cmp     rdx, INTERCEPTOR_MEM_SHORT
    ja      5f
    mov     r8, qword ptr [rsi + rdx - 8]
    lea     r9, [rdi + rdx - 8]
1:  mov     rcx, qword ptr [rsi]
    add     rsi, 8
    mov     qword ptr [rdi], rcx
    add     rdi, 8
    cmp     rdi, r9
    jb      1b
    mov     qword ptr [r9], r8
    ret
2:  cmp     edx, 4
    jb      3f
    mov     ecx, dword ptr [rsi]
    mov     r8d, dword ptr [rsi + rdx - 4]
    mov     dword ptr [rdi], ecx
    mov     dword ptr [rdi + rdx - 4], r8d
    ret
3:  test    edx, edx
    jz      4f
    movzx   ecx, byte ptr [rsi]
    movzx   r8d, byte ptr [rsi + rdx - 1]
    mov     r9d, edx
    shr     r9d
    movzx   esi, byte ptr [rsi + r9]
    mov     byte ptr [rdi], cl
    mov     byte ptr [rdi + r9], sil
    mov     byte ptr [rdi + rdx - 1], r8b
4:  ret
5:  mov     rcx, rdx
    rep     movsb
    ret
INTERCEPTOR_MEM_END memcpy

// void *memmove(rdi = to, rsi = from, rdx = n).
INTERCEPTOR_MEM memmove
    mov     rax, rdi
    sub     rax, rsi
    cmp     rax, rdx
    jae     memcpy                  // to is not inside [from, from + n)
    cmp     rdx, 8
    jb      memcpy
    mov     rax, rdi
    mov     r8, qword ptr [rsi]
1:  mov     rcx, qword ptr [rsi + rdx - 8]
    mov     qword ptr [rdi + rdx - 8], rcx
    sub     rdx, 8
    cmp     rdx, 8
    ja      1b
    mov     qword ptr [rdi], r8
    ret
INTERCEPTOR_MEM_END memmove

// void *memset(rdi = to, esi = byte, rdx = n).
INTERCEPTOR_MEM memset
    mov     r8, rdi
    movzx   esi, sil
    movabs  rax, 0x0101010101010101
    imul    rax, rsi
    cmp     rdx, 8
    jb      2f
    cmp     rdx, INTERCEPTOR_MEM_SHORT
    ja      4f
    lea     r9, [rdi + rdx - 8]
1:  mov     qword ptr [rdi], rax
    add     rdi, 8
    cmp     rdi, r9
    jb      1b
    mov     qword ptr [r9], rax
    mov     rax, r8
    ret
2:  test    edx, edx
    jz      3f
    mov     byte ptr [rdi + rdx - 1], al
    dec     edx
    jmp     2b
3:  mov     rax, r8
    ret
4:  mov     rcx, rdx
    rep     stosb
    mov     rax, r8
    ret
INTERCEPTOR_MEM_END memset

// int memcmp(rdi = a, rsi = b, rdx = n).
INTERCEPTOR_MEM memcmp
    xor     ecx, ecx
    sub     rdx, 8
    jb      2f
1:  mov     rax, qword ptr [rdi + rcx]
    mov     r8, qword ptr [rsi + rcx]
    cmp     rax, r8
    jne     4f
    add     rcx, 8
    cmp     rcx, rdx
    jbe     1b
2:  add     rdx, 8
3:  cmp     rcx, rdx
    je      5f
    movzx   eax, byte ptr [rdi + rcx]
    movzx   r8d, byte ptr [rsi + rcx]
    inc     rcx
    sub     eax, r8d
    jz      3b
    ret
4:  bswap   rax
    bswap   r8
    cmp     rax, r8
    sbb     eax, eax
    or      eax, 1
    ret
5:  xor     eax, eax
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
