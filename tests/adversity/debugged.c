// Makes a call, three times, in a function with labels for breakpoints; prints what the calls return. For a debugger.
#include <stdio.h>

// sched_yield.
long make_call(void);
__asm__(R"(
    .text
    .fill 16, 1, 0xcc
    .type make_call, @function
make_call:
    .cfi_startproc
    mov $24, %eax
make_call_site:
    syscall
make_call_after:
    nop
    nop
    nop
    nop
    ret
    .cfi_endproc
    .size make_call, .-make_call
    .fill 16, 1, 0xcc
    # Padding is what lies between functions.
    .type neighbour, @function
neighbour:
    .cfi_startproc
    ret
    .cfi_endproc
    .size neighbour, .-neighbour
)");

int main(void) {
    for (int i = 0; i < 3; i++)
        printf("%ld\n", make_call());
    return 0;
}
