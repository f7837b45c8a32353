// expect: Where a site lies in its cache line and page decides whether a patch tears or faults: mprotect of one
// page is not enough for an instruction that straddles two, and a store across a cache line is seen in halves.
// Sites lie at every offset around the end of a cache line and of a page, the last instruction of a function with
// the next one starting at once; each once with dead padding in reach and once with live code all around. Every
// call is umask(2) and its result tells whether the one before happened. One `ok` line a site.
// musl: yes
#include "guest.h"
#include <sys/stat.h>

struct site {
    const char *name;
    long (*call)(unsigned mask); // umask
};
extern struct site sites[], sites_end[];

__asm__(R"(
    .section .data.rel.ro, "aw"
    .balign 8
    .globl sites
sites:
    .text

    # A function whose `0f 05` begins `offset` bytes after a boundary of `align`, after `live` one-byte
    # instructions (cld, which changes nothing here), and which the next function follows without a gap.
    .macro site_at align, offset, live
        .section .rodata
    1:  .asciz "\offset of \align, \live bytes of live code around"
        .section .data.rel.ro, "aw"
        .quad 1b, site_\align\()_\offset\()_\live, 1f, site_\align\()_\offset\()_\live\()_next
        .section .rodata
    1:  .asciz "the function following"
        .text
        .balign \align, 0xcc
        .fill \offset + 2 * \align - 5 - \live, 1, 0xcc
        .type site_\align\()_\offset\()_\live, @function
    site_\align\()_\offset\()_\live:
        .cfi_startproc
        .fill \live, 1, 0xfc
        mov $95, %eax
        syscall
        ret
        .cfi_endproc
        .size site_\align\()_\offset\()_\live, .-site_\align\()_\offset\()_\live
        .type site_\align\()_\offset\()_\live\()_next, @function
    site_\align\()_\offset\()_\live\()_next:
        .cfi_startproc
        .fill \live, 1, 0xfc
        mov $95, %eax
        syscall
        ret
        .cfi_endproc
        .size site_\align\()_\offset\()_\live\()_next, .-site_\align\()_\offset\()_\live\()_next
        .fill 16, 1, 0xcc
    .endm
    .irp offset,59,60,61,62,63,64
        site_at 64, \offset, 0
    .endr
    .irp offset,4090,4091,4092,4093,4094,4095,4096
        site_at 4096, \offset, 0
        site_at 4096, \offset, 150
    .endr
    .irp offset,252,253,254,255,256
        site_at 256, \offset, 150
    .endr

    .section .data.rel.ro, "aw"
    .globl sites_end
sites_end:
    .text
)");

int main(void) {
    unsigned previous = 0;
    umask(0);
    for (unsigned round = 1; round <= 20; round++)
        for (struct site *site = sites; site < sites_end; site++) {
            unsigned mask = (previous + round) & 0777;
            long ret = site->call(mask);
            CHECK(ret == previous, "%s: result %ld, expected %u", site->name, ret, previous);
            previous = mask;
        }
    for (struct site *site = sites; site < sites_end; site += 2)
        ok("%s", site->name);
    return 0;
}
