// expect: Some programs patch or read their own text. The guest makes the pages of its own functions writable,
// changes a constant in one and what a call site in another does, makes them read-only again and finds the change
// in effect; pages hold sites of both the changed and unchanged kind, so an interceptor that copies, restores or
// forgets text by page shows. It also reads the bytes of a function without a site and finds them as assembled
// (bytes of a site itself are not compared).
// musl: yes
#include "guest.h"
#include <sys/mman.h>

long patched_constant(void), patched_site(void), kept_site(void);
extern unsigned char text_start[], text_end[], constant_bytes[], patched_site_code[];

__asm__(R"(
    .text
    .balign 4096
text_start:
    .type patched_constant, @function
patched_constant:
    .cfi_startproc
constant_bytes:
    mov $0x11111111, %eax
    ret
    .cfi_endproc
    .size patched_constant, .-patched_constant
    .balign 64
    .type patched_site, @function
patched_site:
    .cfi_startproc
patched_site_code:
    mov $39, %eax
    syscall
    nop
    nop
    nop
    ret
    .cfi_endproc
    .size patched_site, .-patched_site
    .balign 64
    .type kept_site, @function
kept_site:
    .cfi_startproc
    mov $39, %eax
    syscall
    ret
    .cfi_endproc
    .size kept_site, .-kept_site
    .balign 4096
text_end:
)");

int main(void) {
    static const unsigned char as_assembled[] = {0xb8, 0x11, 0x11, 0x11, 0x11, 0xc3};
    size_t size = (size_t)(text_end - text_start);
    CHECK(memcmp(constant_bytes, as_assembled, sizeof as_assembled) == 0, "own code reads differently");
    ok("reads its own code");
    CHECK(patched_constant() == 0x11111111 && patched_site() == getpid() && kept_site() == getpid(), "before");

    for (int round = 0; round < 10; round++) {
        CHECK(mprotect(text_start, size, PROT_READ | PROT_WRITE) == 0, "mprotect RW");
        constant_bytes[1] = (unsigned char)round;
        CHECK(mprotect(text_start, size, PROT_READ | PROT_EXEC) == 0, "mprotect RX");
        CHECK(patched_constant() == 0x11111100 + round, "constant is %lx", patched_constant());
        CHECK(patched_site() == getpid(), "call in the function that is not changed yet");
        CHECK(kept_site() == getpid(), "call in a neighbouring function");
    }
    ok("changes a constant in its own code");

    // mov $39, %eax; syscall  →  mov $0x22222222, %eax; nop; nop; and back.
    static const unsigned char no_call[] = {0xb8, 0x22, 0x22, 0x22, 0x22, 0x90, 0x90, 0x90, 0x90, 0x90, 0xc3};
    static const unsigned char call[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0x90, 0x90, 0x90, 0xc3};
    for (int round = 0; round < 10; round++) {
        CHECK(mprotect(text_start, size, PROT_READ | PROT_WRITE) == 0, "mprotect RW");
        memcpy(patched_site_code, no_call, sizeof no_call);
        CHECK(mprotect(text_start, size, PROT_READ | PROT_EXEC) == 0, "mprotect RX");
        CHECK(patched_site() == 0x22222222, "replaced call returns %lx", patched_site());
        CHECK(kept_site() == getpid(), "call in a neighbouring function");
        CHECK(mprotect(text_start, size, PROT_READ | PROT_WRITE) == 0, "mprotect RW");
        memcpy(patched_site_code, call, sizeof call);
        CHECK(mprotect(text_start, size, PROT_READ | PROT_EXEC) == 0, "mprotect RX");
        CHECK(patched_site() == getpid(), "restored call");
    }
    ok("replaces a call in its own code and restores it");
    return 0;
}
