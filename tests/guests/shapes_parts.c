// expect: Compilers put the unlikely part of a function elsewhere. A `switch` there leads back to the likely part by
// a table, right behind a call or right before one, and nothing in the likely part tells. Also a table that the one
// part knows and the other one jumps by. The calls are umask(2), whose result tells whether the one before happened.
// One `ok` line each.
// musl: yes
#include "guest.h"
#include <sys/stat.h>

// Sets the masks from `first` on; begins with that number, and adds results up.
long by_switch(long first);
long by_known_table(long first);

__asm__(R"(
    .set UMASK, 95
    .macro set_masks name
        mov %rsi, %rdi
    \name\()_0:
        mov $UMASK, %eax
        syscall
    \name\()_1:
        add %eax, %r8d
        inc %edi
    \name\()_2:
        mov $UMASK, %eax
        syscall
    \name\()_3:
        add %eax, %r8d
        mov %r8, %rax
        ret
    .endm
    .macro table name
        .section .rodata
        .balign 4
    \name\()_table:
        .long \name\()_0 - \name\()_table, \name\()_1 - \name\()_table
        .long \name\()_2 - \name\()_table, \name\()_3 - \name\()_table
    .endm
    .macro function name
        .type \name, @function
    \name:
        .cfi_startproc
    .endm
    .macro end name
        .cfi_endproc
        .size \name, .-\name
    .endm

    .text
    function by_switch
    xor %r8d, %r8d
    xor %esi, %esi
    test %rdi, %rdi
    jnz by_switch.cold
    set_masks by_switch
    end by_switch

    .section .text.unlikely, "ax"
    function by_switch.cold
    lea by_switch_table(%rip), %rcx
    mov %rdi, %r9
    xor %edi, %edi
    xor %eax, %eax
    movslq (%rcx,%r9,4), %r9
    add %rcx, %r9
    jmp *%r9
    end by_switch.cold
    table by_switch

    .text
    function by_known_table
    xor %r8d, %r8d
    xor %esi, %esi
    test %rdi, %rdi
    jnz by_known_table.cold
    lea decoy(%rip), %rcx
    set_masks by_known_table
by_known_table_jump:
    xor %eax, %eax
    xor %edi, %edi
    movslq (%rcx,%r9,4), %r9
    add %rcx, %r9
    jmp *%r9
    end by_known_table

    .section .text.unlikely, "ax"
    .byte 0x90
    function by_known_table.cold
    mov %rdi, %r9
    lea by_known_table_table(%rip), %rcx
    jmp by_known_table_jump
    end by_known_table.cold
    table by_known_table
decoy: .asciz "this is no table"
    .text
)");

static void check(const char *name, long run(long)) {
    for (int round = 0; round < 100; round++) {
        static const long expected[] = {7, 7, 7, 0}, last[] = {1, 1, 0, 7};
        for (long first = 0; first < 4; first++) {
            umask(7);
            long sum = run(first);
            long mask = umask(0);
            CHECK(sum == expected[first] && mask == last[first], "%s, from %ld: sum %ld, mask %ld", name, first, sum, mask);
        }
    }
    ok("%s", name);
}

int main(void) {
    check("a switch in the unlikely part", by_switch);
    check("a table of the unlikely part", by_known_table);
    return 0;
}
