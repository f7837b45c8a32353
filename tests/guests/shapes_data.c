// expect: The bytes 0f 05 also occur where no call is: in constant tables between and inside functions (node keeps
// such data in its text), in immediates, displacements and jump distances. Patching them corrupts the program.
// Functions compute with such immediates and displacements, a checksum is taken over data embedded in the text,
// and one function jumps into an immediate that is a call when entered there. All values must be as assembled.
// musl: yes
#include "guest.h"

long immediate32(void), immediate64(void), displacement(long), distance(void), over_data(void);
long inside_immediate(long nr, long *immediate);
long inside_real(void);
extern const unsigned char data_in_function[], data_in_function_end[], data_between[], data_between_end[];

__asm__(R"(
    .text
    .macro function name
        .type \name, @function
    \name:
        .cfi_startproc
    .endm
    .macro end_function name
        .cfi_endproc
        .size \name, .-\name
    .endm

    function immediate32
        mov $0x050f050f, %eax
        xor $0x0f050f05, %eax
        ret
    end_function immediate32

    function immediate64
        movabs $0x0f050f05c3050f90, %rax
        ret
    end_function immediate64

    function displacement
        lea 0x050f(%rdi), %rax
        lea 0x000f0500(%rax,%rdi), %rax
        ret
    end_function displacement

    function distance               # jmp rel32 whose distance is 0x50f
        mov $1, %eax
        .byte 0xe9, 0x0f, 0x05, 0, 0
    1:  .fill 0x50f, 1, 0xcc
        add $2, %eax
        ret
    end_function distance

    function over_data              # data inside a function with unwind data
        mov $39, %eax
        syscall
        jmp 1f
data_in_function:
        .byte 0x0f, 0x05, 0xc3, 0x0f, 0x05, 0x90, 0x48, 0x0f, 0x05, 0xb8, 0x27, 0, 0, 0, 0x0f, 0x05, 0xc3, 0x0f
        .byte 0x05, 0x0f, 0x05, 0x0f, 0x05, 0x0f, 0x05, 0x0f, 0x05, 0x0f, 0x05, 0x0f
data_in_function_end:
    1:  ret
    end_function over_data

data_between:                       # looks like glibc's getpid, but is nobody's code
        .balign 16
        .byte 0xb8, 0x27, 0, 0, 0, 0x0f, 0x05, 0xc3, 0xf3, 0x0f, 0x1e, 0xfa, 0xb8, 0x3c, 0, 0, 0, 0x0f, 0x05, 0xf4
        .asciz "syscall is \017\005"
        .quad 0x050f, 0x050f0000, 0x050f000000000000
data_between_end:

    # Stores the immediate of an instruction that holds `syscall; ret`, then enters it there.
    function inside_immediate
        mov %rdi, %rax
        call 2f
        jmp 1f
        .balign 8
    1:  .byte 0x49, 0xba            # movabs $…, %r10
    2:  .byte 0x0f, 0x05, 0xc3, 0x90, 0x90, 0x90, 0x90, 0x90
        mov %r10, (%rsi)
        ret
    end_function inside_immediate
)");

static unsigned sum_of(const volatile unsigned char *from, const volatile unsigned char *to) {
    unsigned sum = 1;
    for (; from < to; from++)
        sum = sum * 31 + *from;
    return sum;
}

int main(void) {
    for (int round = 0; round < 3; round++) {
        CHECK(immediate32() == (0x050f050f ^ 0x0f050f05), "%lx", immediate32());
        CHECK(immediate64() == 0x0f050f05c3050f90, "%lx", immediate64());
        CHECK(displacement(3) == 3 + 0x050f + 0xf0500 + 3, "%lx", displacement(3));
        CHECK(distance() == 3, "%ld", distance());
        CHECK(over_data() == getpid(), "%ld", over_data());
        long immediate = 0, ret = inside_immediate(SYS_getpid, &immediate);
        CHECK(immediate == (long)0x9090909090c3050f, "%lx", immediate);
        CHECK(ret == getpid(), "%ld", ret);
    }
    ok("immediates, displacements and distances with 0f 05");
    ok("call inside an immediate");
    ok("checksum of data in a function %08x", sum_of(data_in_function, data_in_function_end));
    ok("checksum of data between functions %08x", sum_of(data_between, data_between_end));
    return 0;
}
