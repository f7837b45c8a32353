// expect: A 5-byte jump over a 2-byte instruction moves neighbours, and whoever jumps to a moved neighbour lands
// in the middle of the jump. Each shape below surrounds its site with another way to get there: backward jumps to
// the call or to the instruction before it, jump tables (relative and absolute) into a would-be window, a
// conditional jump over the call, an address taken by lea, a shared tail; or with neighbours that change meaning
// when moved: call (the return address must stay the program's), jrcxz, loop, jcc, RIP- and FS-relative operands,
// ret, prefixes. Each exists with unwind data, with a symbol only, and with neither. The calls are umask(2), whose
// result tells whether the one before happened, so a call skipped, doubled or misdirected shows. One `ok` line a
// shape.
// musl: yes
#include "guest.h"
#include <sys/stat.h>

struct outcome {
    unsigned long mask, sum;
};
struct shape {
    const char *name;
    struct outcome (*run)(void);
    struct outcome expected; // the last mask set, the sum of what the calls returned
};
extern struct shape shapes[], shapes_end[];

#ifndef BY_ADDRESS // how labels are named
#define BY_ADDRESS "0"
#endif

// In a shape, edi is the mask to set, counted up by most of them, and esi the sum of results.
__asm__(".set BY_ADDRESS, " BY_ADDRESS R"(
    .set UMASK, 95
    .macro keep label
        .if BY_ADDRESS
        movq $\label, slot(%rip)
        .else
        lea \label(%rip), %r10
        mov %r10, slot(%rip)
        .endif
    .endm
    .macro load_distance table
        .if BY_ADDRESS
        xor %r8d, %r8d
        movslq \table(,%r8,4), %r10
        .else
        lea \table(%rip), %r10
        movslq (%r10), %r10
        .endif
    .endm
    .macro add_label label
        .if BY_ADDRESS
        add $\label, %r10
        .else
        lea \label(%rip), %r11
        add %r11, %r10
        .endif
    .endm
    .text
    .type jump_to_kept, @function
jump_to_kept:
    .cfi_startproc
    jmp *slot(%rip)
    .cfi_endproc
    .size jump_to_kept, .-jump_to_kept
    .section .data.rel.ro, "aw"
    .balign 8
    .globl shapes
shapes:
    .text

    .macro instance name, kind, mask, sum
        .section .rodata
    1:  .asciz "\name, \kind"
        .section .data.rel.ro, "aw"
        .ifc \kind,bare
        .quad 1b, .Lshape_\name, \mask, \sum
        .else
        .quad 1b, shape_\name\()_\kind, \mask, \sum
        .endif
        .text
        .ifc \kind,bare
    .Lshape_\name:
        .else
        .type shape_\name\()_\kind, @function
    shape_\name\()_\kind:
        .endif
        .ifc \kind,unwind_data
        .cfi_startproc
        .endif
        xor %edi, %edi
        xor %esi, %esi
        body_\name
    100: mov %edi, %eax
        mov %esi, %edx
        ret
    101: mov $-1, %esi               # something differed
        jmp 100b
        .ifc \kind,unwind_data
        .cfi_endproc
        .endif
        .ifc \kind,bare
        .else
        .size shape_\name\()_\kind, .-shape_\name\()_\kind
        .endif
    .endm
    .macro shape name, mask, sum
        instance \name, unwind_data, \mask, \sum
        instance \name, symbol_only, \mask, \sum
        instance \name, bare, \mask, \sum
    .endm

    .macro body_loop_to_call
        mov $5, %r9d
        inc %edi
        mov $UMASK, %eax
    1:  syscall
        add %eax, %esi
        inc %edi
        dec %r9d
        mov $UMASK, %eax
        jnz 1b
        dec %edi
    .endm
    shape loop_to_call, 5, 10

    .macro body_loop_to_number
        mov $1, %edi
    1:  mov $UMASK, %eax
        syscall
        add %eax, %esi
        inc %edi
        cmp $6, %edi
        jne 1b
        dec %edi
    .endm
    shape loop_to_number, 5, 10

    .macro body_jump_over_call
        mov $6, %r9d
    1:  xor %eax, %eax
        test $1, %r9b
        jz 2f
        inc %edi
        mov $UMASK, %eax
        syscall
    2:  add %eax, %esi
        dec %r9d
        jnz 1b
    .endm
    shape jump_over_call, 3, 3

    # Entries before, at and after the call, taken in turn. `step` says whether the entry still meets the call.
    .macro window_entries
    10: inc %edi
    11: mov $UMASK, %eax
    12: syscall
    13: add %eax, %esi
    14: inc %r9d
        cmp $5, %r9d
        jne 1b
    .endm
    .macro prepare_entry
        lea step(%rip), %r10
        movzbl (%r10,%r9), %eax
        add %eax, %edi
        imul $UMASK, %eax, %eax
    .endm
    .section .rodata
step: .byte 0, 1, 1, 0, 0
    .text

    .macro body_relative_table
        xor %r9d, %r9d
    1:  prepare_entry
        lea 20f(%rip), %r10
        movslq (%r10,%r9,4), %r8
        add %r10, %r8
        jmp *%r8
        window_entries
        .section .rodata
        .balign 4
    20: .long 10b-20b, 11b-20b, 12b-20b, 13b-20b, 14b-20b
        .text
    .endm
    shape relative_table, 3, 3

    .macro body_absolute_table
        xor %r9d, %r9d
    1:  prepare_entry
        lea 20f(%rip), %r10
        jmp *(%r10,%r9,8)
        window_entries
        .section .data.rel.ro, "aw"
        .subsection 1
        .balign 8
    20: .quad 10b, 11b, 12b, 13b, 14b
        .text
    .endm
    shape absolute_table, 3, 3

    .macro body_address_taken
        mov $3, %r9d
        lea 2f(%rip), %r10
    1:  inc %edi
        mov $UMASK, %eax
        syscall
    2:  add %eax, %esi
        xor %eax, %eax
        dec %r9d
        js 3f
        jz 1b
        jmp *%r10
    3:
    .endm
    shape address_taken, 2, 1

    .macro body_label_kept               # as __builtin_setjmp: another function jumps there
        mov $3, %r9d
        keep 2f
    1:  inc %edi
        mov $UMASK, %eax
        syscall
    2:  add %eax, %esi
        xor %eax, %eax
        dec %r9d
        js 3f
        jz 1b
        jmp jump_to_kept
    3:
    .endm
    shape label_kept, 2, 1

    .macro body_label_in_data            # as a coroutine whose first place is a constant
        mov $3, %r9d
        keep 3f
    1:  inc %edi
        mov $UMASK, %eax
        syscall
    2:  add %eax, %esi
        xor %eax, %eax
        dec %r9d
        js 3f
        jz 1b
        jmp *20f(%rip)
        .section .data.rel.ro, "aw"
        .subsection 1
        .balign 8
    20: .quad 2b
        .text
    3:
    .endm
    shape label_in_data, 2, 1

    .macro body_label_by_distance        # as an interpreter whose table has distances of labels
        mov $3, %r9d
    1:  inc %edi
        mov $UMASK, %eax
        syscall
    2:  add %eax, %esi
        xor %eax, %eax
        dec %r9d
        js 3f
        jz 1b
        load_distance 20f
        add_label 1b
        jmp *%r10
        .section .rodata
        .balign 4
    20: .long 2b-1b
        .text
    3:
    .endm
    shape label_by_distance, 2, 1

    .macro body_shared_tail
        mov $4, %r9d
    1:  inc %edi
        test $1, %r9b
        jz 2f
        mov $UMASK, %eax
        jmp 3f
    2:  mov $UMASK+1, %eax
        dec %eax
    3:  syscall
        add %eax, %esi
        dec %r9d
        jnz 1b
    .endm
    shape shared_tail, 4, 6

    .macro body_back_to_back             # each result is the number of the next call
        mov $UMASK, %edi
        mov $UMASK, %eax
        syscall
        add %eax, %esi
        mov $UMASK, %eax
        syscall
        syscall
        syscall
        syscall
        add %eax, %esi
    .endm
    shape back_to_back, 95, 95

    .macro body_call_after
        inc %edi
        mov $UMASK, %eax
        syscall
        call 2f
    1:  jmp 100f
    2:  lea 1b(%rip), %r9
        cmp %r9, (%rsp)
        jne 3f
        add %eax, %esi
        ret
    3:  mov $-1, %esi
        ret
    .endm
    shape call_after, 1, 0

    .macro body_call_before              # the return address is the site
        inc %edi
        mov $UMASK, %eax
        call 2f
    1:  syscall
        jmp 100f
    2:  lea 1b(%rip), %r9
        cmp %r9, (%rsp)
        jne 3f
        ret
    3:  mov $-1, %esi
        ret
    .endm
    shape call_before, 1, 0

    .macro body_jrcxz_after
        inc %edi
        mov $UMASK, %eax
        syscall
        jrcxz 101f
        add %eax, %esi
    .endm
    shape jrcxz_after, 1, 0

    .macro body_loop_after               # loop counts down rcx, which is the address after the call
        inc %edi
        mov $UMASK, %eax
        syscall
    1:  loop 2f
        jmp 101f
    2:  lea 1b(%rip), %r9
        dec %r9
        cmp %r9, %rcx
        jne 101f
        add %eax, %esi
    .endm
    shape loop_after, 1, 0

    .macro body_flags_over_call          # what is compared before the call decides after it
        inc %edi
        cmp %edi, %edi
        mov $UMASK, %eax
        syscall
        jne 101f
        stc
        mov $UMASK, %eax
        syscall
        jnc 101f
        add %eax, %esi
    .endm
    shape flags_over_call, 1, 1

    .macro body_rip_relative
        inc %edi
        mov umask_number(%rip), %eax
        syscall
        mov %eax, slot(%rip)
        inc %edi
        mov umask_number(%rip), %eax
        syscall
        cmpl $0, slot(%rip)
        jne 101f
        movl $0x12345678, slot(%rip)
        add %eax, %esi
        inc %edi
        mov umask_number(%rip), %eax
        syscall
        lea slot(%rip), %r9
        cmpl $0x12345678, (%r9)
        jne 101f
        add %eax, %esi
    .endm
    shape rip_relative, 3, 3
    .section .rodata
    .balign 4
umask_number: .long UMASK
    .local slot
    .comm slot, 8, 8
    .text

    .macro body_fs_relative
        mov %fs:0, %r10
        inc %edi
        mov $UMASK, %eax
        syscall
        mov %fs:0, %r9
        add %eax, %esi
        cmp %r9, %r10
        jne 101f
    .endm
    shape fs_relative, 1, 0

    .macro body_indirect_jump_after
        lea 1f(%rip), %r9
        mov %r9, slot(%rip)
        inc %edi
        mov $UMASK, %eax
        syscall
        jmp *slot(%rip)
        jmp 101f
    1:  add %eax, %esi
    .endm
    shape indirect_jump_after, 1, 0

    .macro body_wide_immediate_after
        inc %edi
        mov $UMASK, %eax
        syscall
        movabs $0x050f050f050f050f, %r9
        movabs $0x050f050f050f050e, %r10
        inc %r10
        cmp %r9, %r10
        jne 101f
        add %eax, %esi
    .endm
    shape wide_immediate_after, 1, 0

    .macro body_stack_around             # as glibc's cancellation point, whose neighbours are rsp-relative
        lea -256(%rsp), %rsp
        movq $UMASK, 0x10(%rsp)
        mov $0x7ee1, %r9d
        inc %edi
        mov %r9, 8(%rsp)
        mov 0x10(%rsp), %rax
        syscall
        mov %rax, 24(%rsp)
        mov 8(%rsp), %r10
        add 24(%rsp), %esi
        lea 256(%rsp), %rsp
        cmp %r9, %r10
        jne 101f
    .endm
    shape stack_around, 1, 0

    .macro body_push_pop_around
        lea -128(%rsp), %rsp
        inc %edi
        mov $UMASK, %eax
        push %rax
        pop %rax
        syscall
        push %rax
        pop %r9
        lea 128(%rsp), %rsp
        add %r9d, %esi
    .endm
    shape push_pop_around, 1, 0

    .macro body_ret_after                # two leaves without a byte between them
        call 1f
        add %eax, %esi
        call 2f
        add %eax, %esi
        jmp 100f
    1:  inc %edi
        mov $UMASK, %eax
        syscall
        ret
    2:  inc %edi
        mov $UMASK, %eax
        syscall
        ret
    .endm
    shape ret_after, 2, 1

    .macro body_rex_prefix
        inc %edi
        mov $UMASK, %eax
        .byte 0x48
        syscall
        add %eax, %esi
        inc %edi
        mov $UMASK, %eax
        .byte 0x48
        syscall
        add %eax, %esi
    .endm
    shape rex_prefix, 2, 1

    .macro body_jump_past_prefix         # enters the prefixed instruction after its prefix
        mov $4, %r9d
    1:  inc %edi
        mov $UMASK, %eax
        test $1, %r9b
        jz 2f+1
    2:  .byte 0x48
        syscall
        add %eax, %esi
        dec %r9d
        jnz 1b
    .endm
    shape jump_past_prefix, 4, 6

    .macro body_vector_around            # 0f 6c is where an incomplete opcode table loses its place
        movd %edi, %xmm0
        inc %edi
        mov $UMASK, %eax
        punpcklqdq %xmm0, %xmm0
        syscall
        punpckhqdq %xmm0, %xmm0
        movd %xmm0, %r9d
        inc %r9d
        cmp %r9d, %edi
        jne 101f
        add %eax, %esi
    .endm
    shape vector_around, 1, 0

    .macro body_endbr_after
        inc %edi
        mov $UMASK, %eax
        syscall
        endbr64
        add %eax, %esi
    .endm
    shape endbr_after, 1, 0

    .section .data.rel.ro, "aw"
    .subsection 0
    .globl shapes_end
shapes_end:
    .subsection 0
    .text
)");

int main(void) {
    for (int round = 0; round < 3; round++)
        for (struct shape *shape = shapes; shape < shapes_end; shape++) {
            umask(0);
            struct outcome outcome = shape->run();
            unsigned mask = umask(0);
            CHECK(outcome.sum == shape->expected.sum, "%s: results add up to %ld, expected %ld", shape->name,
                  (long)outcome.sum, (long)shape->expected.sum);
            CHECK(outcome.mask == shape->expected.mask, "%s: last mask %lu, expected %lu", shape->name, outcome.mask,
                  shape->expected.mask);
            CHECK(mask == shape->expected.mask, "%s: kernel's mask %u, expected %lu", shape->name, mask,
                  shape->expected.mask);
            if (round == 2)
                ok("%s", shape->name);
        }
    return 0;
}
