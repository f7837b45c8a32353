// expect: A patch that goes through a stub, a private stack and a hook has a hundred ways to lose a bit of
// the program's state. Every general register (upper halves too), the status flags with DF and ID, FS and GS
// base, all vector and mask registers the processor has, MXCSR with a non-default rounding mode and sticky flags,
// the x87 control word with two live stack values and 128 bytes of red zone get a known pattern; then a call is
// made, and all of it must be found again, except rax (the result), rcx (the address after the program's own
// instruction) and r11 (RFLAGS). This is repeated for a call that succeeds, one that does not exist, one that
// writes, one that fails, one with garbage in the upper half of rax and one through libc's syscall(); for sites
// that each admit only one kind of patch (a hole of padding near, relocatable instructions after, relocatable
// instructions before, nothing at all); and for stack pointers that are 0, 8 and 1 modulo 16. Prints one `ok`
// line for each site and call.
// musl: yes
// userlands: yes
#include "kept_registers.h"
#include <cpuid.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/utsname.h>

enum { ARCH_SET_GS = 0x1001, ARCH_GET_FS = 0x1003, ARCH_GET_GS = 0x1004 }; // asm/prctl.h, which musl-gcc lacks
enum { RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP, R8, R9, R10, R11, R12, R13, R14, R15 };
static const char *const gpr_names[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
                                        "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

struct image {
    uint64_t gpr[16];
    uint64_t flags;
    uint32_t mxcsr;
    uint32_t x87_control;
    uint64_t mask[8];
    uint64_t fs_base, gs_base;
    uint8_t unused[32];
    uint8_t vector[32][64];
    uint8_t x87[112]; // as fnsave leaves it: 28 bytes of environment, then the stack
} __attribute__((aligned(64)));

// The assembly below knows these offsets.
_Static_assert(offsetof(struct image, flags) == 128, "");
_Static_assert(offsetof(struct image, mxcsr) == 136, "");
_Static_assert(offsetof(struct image, x87_control) == 140, "");
_Static_assert(offsetof(struct image, mask) == 144, "");
_Static_assert(offsetof(struct image, vector) == 256, "");
_Static_assert(offsetof(struct image, x87) == 2304, "");

struct image want, got; // what is loaded before the site, what is found after it
int vectors;            // 0: 16 xmm, 1: 16 ymm, 2: 32 zmm and 8 masks
void *site;             // where the next call of cross_site goes
void *libc_syscall;
void cross_site(void);

struct site {
    const char *name;
    void *entry, *after;
};
extern struct site sites[], sites_end[];
extern char site_none[], site_libc[];

// cross_site: loads `want`, jumps to `site`, which jumps to site_back, where everything is stored in `got`.
// Only moves stand between the site and the stores, so flags are the site's; the C stack is left and found
// again through saved_rsp, so nothing of ours is near the stack pointer under test.
__asm__(R"(
    .hidden want, got, vectors, site, libc_syscall
    .macro vector_moves load
        cmpl $1, vectors(%rip)
        jb 1f
        je 2f
        .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
            .if \load
                vmovdqu64 want+256+64*\n(%rip), %zmm\n
            .else
                vmovdqu64 %zmm\n, got+256+64*\n(%rip)
            .endif
        .endr
        .irp n,0,1,2,3,4,5,6,7
            .if \load
                kmovq want+144+8*\n(%rip), %k\n
            .else
                kmovq %k\n, got+144+8*\n(%rip)
            .endif
        .endr
        jmp 3f
    2:  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
            .if \load
                vmovdqu want+256+64*\n(%rip), %ymm\n
            .else
                vmovdqu %ymm\n, got+256+64*\n(%rip)
            .endif
        .endr
        jmp 3f
    1:  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
            .if \load
                movdqu want+256+64*\n(%rip), %xmm\n
            .else
                movdqu %xmm\n, got+256+64*\n(%rip)
            .endif
        .endr
    3:
    .endm

    .text
    .globl cross_site
    .type cross_site, @function
cross_site:
    .cfi_startproc
    push_kept
    mov %rsp, saved_rsp(%rip)
    vector_moves 1
    ldmxcsr want+136(%rip)
    fninit
    fldcw want+140(%rip)
    fldpi                   # two live values, the second one inexact: a sticky bit in the status word
    fld1
    fldpi
    fdivrp
    pushq want+128(%rip)
    popfq
    mov want+0(%rip), %rax
    mov want+8(%rip), %rbx
    mov want+16(%rip), %rcx
    mov want+24(%rip), %rdx
    mov want+32(%rip), %rsi
    mov want+40(%rip), %rdi
    mov want+48(%rip), %rbp
    mov want+56(%rip), %rsp
    mov want+64(%rip), %r8
    mov want+72(%rip), %r9
    mov want+80(%rip), %r10
    mov want+88(%rip), %r11
    mov want+96(%rip), %r12
    mov want+104(%rip), %r13
    mov want+112(%rip), %r14
    mov want+120(%rip), %r15
    jmp *site(%rip)
site_back:
    mov %rax, got+0(%rip)
    mov %rbx, got+8(%rip)
    mov %rcx, got+16(%rip)
    mov %rdx, got+24(%rip)
    mov %rsi, got+32(%rip)
    mov %rdi, got+40(%rip)
    mov %rbp, got+48(%rip)
    mov %rsp, got+56(%rip)
    mov %r8, got+64(%rip)
    mov %r9, got+72(%rip)
    mov %r10, got+80(%rip)
    mov %r11, got+88(%rip)
    mov %r12, got+96(%rip)
    mov %r13, got+104(%rip)
    mov %r14, got+112(%rip)
    mov %r15, got+120(%rip)
    mov saved_rsp(%rip), %rsp
    pushfq
    popq got+128(%rip)
    pushq $0x202
    popfq
    vector_moves 0
    stmxcsr got+136(%rip)
    fnsave got+2304(%rip)
    ldmxcsr default_mxcsr(%rip)
    pop_kept
    ret
    .cfi_endproc
    .size cross_site, .-cross_site

    .local saved_rsp
    .comm saved_rsp, 8, 8
    .local scratch
    .comm scratch, 8, 8
    .section .rodata
default_mxcsr: .long 0x1f80
    .text
)");

// The sites. Live code that changes nothing (`mov %r8, %r8`) stands for 150 bytes on either side, so that no
// dead padding is in reach of a short jump but where it is wanted. jrcxz makes the instruction it names a branch
// target; it is never taken, since rcx holds an address after the call and a pattern before it.
__asm__(R"(
    .macro live_code
        .rept 50
        mov %r8, %r8
        .endr
    .endm
    .macro begin_site name
        .section .rodata
    1:  .asciz "\name"
        .section .data.rel.ro, "aw"
        .quad 1b, site_\name, after_\name
        .text
        .type site_\name, @function
    site_\name:
        .cfi_startproc
        live_code
    .endm
    .macro end_site name
        live_code
        jmp site_back
        .cfi_endproc
        .size site_\name, .-site_\name
    .endm

    .section .data.rel.ro, "aw"
    .balign 8
    .globl sites
sites:
    .text
    .type site_none, @function
    .globl site_none
site_none:                       # no call: what the harness itself makes of the state
    .cfi_startproc
    jmp site_back
    .cfi_endproc
    .size site_none, .-site_none

    begin_site follow            # seven bytes of relocatable instruction after the call, RIP-relative
    jrcxz 1f
1:  syscall
after_follow:
    mov %rax, scratch(%rip)
    end_site follow

    begin_site follow_short      # exactly the five bytes that a jump needs
    jrcxz 1f
1:  syscall
after_follow_short:
    mov %r9, %r9
    jrcxz .Lpast_follow_short
.Lpast_follow_short:
    end_site follow_short

    begin_site precede           # the address after the call is a branch target: only what is before can move
    mov %rax, scratch(%rip)
    syscall
after_precede:
    mov %r9, %r9
    jrcxz after_precede
    end_site precede

    begin_site precede_short
    jrcxz 1f
1:  mov %r9, %r9
    syscall
after_precede_short:
    mov %r9, %r9
    jrcxz after_precede_short
    end_site precede_short

    begin_site trap              # the call and the address after it are branch targets: nothing can move
    jrcxz 1f
1:  syscall
after_trap:
    mov %r9, %r9
    jrcxz after_trap
    jrcxz 1b
    end_site trap

    begin_site hole              # as `trap`, with dead padding in reach
    jrcxz 1f
1:  syscall
after_hole:
    mov %r9, %r9
    jrcxz after_hole
    jrcxz 1b
    jmp site_back
    .cfi_endproc
    .size site_hole, .-site_hole
    .nops 32
    .section .data.rel.ro, "aw"
    .globl sites_end
sites_end:
    .text

    .type site_libc, @function
    .globl site_libc
site_libc:                       # steps over the red zone as a caller would have to
    .cfi_startproc
    lea -256(%rsp), %rsp
    call *libc_syscall(%rip)
    lea 256(%rsp), %rsp
    jmp site_back
    .cfi_endproc
    .size site_libc, .-site_libc
)");

struct call {
    const char *name;
    uint64_t rax;
    long args[6]; // meaningful when has_args
    int has_args;
    long ret;
};

static uint8_t test_stack[65536] __attribute__((aligned(4096)));
enum { RED_ZONE = 128, ABOVE = 64 };

static uint8_t stack_pattern(int i) { return (uint8_t)(0x5a ^ (i * 7)); }

static void load_pattern(uint64_t flags, int misalignment, const struct call *call) {
    for (int i = 0; i < 16; i++)
        want.gpr[i] = 0xa5c3960f00000000ull * (i + 3) ^ (0x123456789abcdefull + 0x0101010101010101ull * i);
    want.gpr[RSP] = (uint64_t)(test_stack + sizeof test_stack - 4096 + misalignment);
    want.gpr[RAX] = call->rax;
    static const int order[] = {RDI, RSI, RDX, R10, R8, R9};
    for (int i = 0; call->has_args && i < 6; i++)
        want.gpr[order[i]] = (uint64_t)call->args[i];
    want.flags = flags;
    want.mxcsr = 0xffbf;       // round toward zero, flush to zero, all masked, all six sticky flags
    want.x87_control = 0x077f; // round down, extended precision, all masked
    for (int i = 0; i < 8; i++)
        want.mask[i] = 0x8040201008040201ull * (i + 1) ^ 0xf00dull << 40;
    for (int i = 0; i < 32; i++)
        for (int j = 0; j < 64; j++)
            want.vector[i][j] = (uint8_t)(i * 64 + j * 3 + 1);
    for (int i = -RED_ZONE; i < ABOVE; i++)
        ((uint8_t *)want.gpr[RSP])[i] = stack_pattern(i);
}

static void read_bases(struct image *image) {
    raw2(SYS_arch_prctl, ARCH_GET_FS, &image->fs_base);
    raw2(SYS_arch_prctl, ARCH_GET_GS, &image->gs_base);
}

static void compare(const struct image *reference, const char *site_name, const char *call_name, uint32_t skip) {
    for (int i = 0; i < 16; i++)
        CHECK(skip >> i & 1 || got.gpr[i] == want.gpr[i], "%s, %s: %s is %016lx, was %016lx", site_name, call_name,
              gpr_names[i], got.gpr[i], want.gpr[i]);
    CHECK(got.mxcsr == want.mxcsr, "%s, %s: MXCSR is %x, was %x", site_name, call_name, got.mxcsr, want.mxcsr);
    static const int widths[] = {16, 32, 64};
    for (int i = 0; i < (vectors == 2 ? 32 : 16); i++)
        for (int j = 0; j < widths[vectors]; j++)
            CHECK(got.vector[i][j] == want.vector[i][j], "%s, %s: vector %d byte %d is %02x, was %02x", site_name,
                  call_name, i, j, got.vector[i][j], want.vector[i][j]);
    for (int i = 0; vectors == 2 && i < 8; i++)
        CHECK(got.mask[i] == want.mask[i], "%s, %s: k%d is %016lx, was %016lx", site_name, call_name, i, got.mask[i],
              want.mask[i]);
    // Control, status and tag word are 16 bits in each of the first three words; the stack follows at 28.
    for (int i = 0; i < 108; i++) {
        int compared = i >= 28 || (i < 12 && i % 4 < 2);
        CHECK(!compared || got.x87[i] == reference->x87[i], "%s, %s: x87 state byte %d is %02x, was %02x", site_name,
              call_name, i, got.x87[i], reference->x87[i]);
    }
    CHECK(got.fs_base == reference->fs_base, "%s, %s: FS base", site_name, call_name);
    CHECK(got.gs_base == reference->gs_base, "%s, %s: GS base", site_name, call_name);
}

static void check(const struct site *s, const struct call *call, uint64_t flags, int misalignment) {
    load_pattern(flags, misalignment, call);
    site = site_none;
    cross_site();
    read_bases(&got);
    struct image reference = got;
    CHECK((reference.flags & 0xcff) == (flags & 0xcff), "flags %lx were not loaded: %lx", flags, reference.flags);

    memset(&got, 0, sizeof got);
    site = s->entry;
    cross_site();
    read_bases(&got);
    compare(&reference, s->name, call->name, 1u << RAX | 1u << RCX | 1u << R11);
    CHECK((long)got.gpr[RAX] == call->ret, "%s, %s: rax is %lx, expected %lx", s->name, call->name, got.gpr[RAX],
          call->ret);
    CHECK(got.gpr[RCX] == (uint64_t)s->after, "%s, %s: rcx is %lx, the address after the call %p", s->name, call->name,
          got.gpr[RCX], s->after);
    CHECK(got.flags == reference.flags, "%s, %s: RFLAGS are %lx, were %lx", s->name, call->name, got.flags,
          reference.flags);
    CHECK(got.gpr[R11] == reference.flags, "%s, %s: r11 is %lx, RFLAGS were %lx", s->name, call->name, got.gpr[R11],
          reference.flags);
    for (int i = -RED_ZONE; i < ABOVE; i++)
        CHECK(((uint8_t *)want.gpr[RSP])[i] == stack_pattern(i), "%s, %s: byte %d from rsp changed", s->name,
              call->name, i);
}

// libc's own instructions around its site move the argument registers and compare the result, so only what
// those leave alone is checked.
static void check_libc(void) {
    struct call call = {"libc syscall()", 0, {SYS_getpid, 1, 2, 3, 4, 5}, 1, getpid()};
    load_pattern(0x202, 0, &call);
    site = site_none;
    cross_site();
    read_bases(&got);
    struct image reference = got;
    site = site_libc;
    cross_site();
    read_bases(&got);
    uint32_t skip = 1u << RAX | 1u << RCX | 1u << R11 | 1u << RDI | 1u << RSI | 1u << RDX | 1u << R10 | 1u << R8 | 1u << R9;
    compare(&reference, "libc", call.name, skip);
    CHECK((int)got.gpr[RAX] == call.ret, "result %lx, expected %lx", got.gpr[RAX], call.ret);
#ifdef __GLIBC__ // whose syscall() returns right after its site
    Dl_info info;
    CHECK(dladdr((void *)got.gpr[RCX], &info) && info.dli_sname && !strcmp(info.dli_sname, "syscall"),
          "rcx %lx is not in syscall()", got.gpr[RCX]);
#endif
    ok("libc: %s keeps callee-saved and vector state", call.name);
}

static void detect_vectors(void) {
    unsigned a, b, c, d;
    __cpuid(1, a, b, c, d);
    if (!(c & bit_OSXSAVE))
        return;
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    __cpuid_count(7, 0, a, b, c, d);
    if ((low & 6) == 6)
        vectors = 1;
    if ((low & 0xe6) == 0xe6 && (b & bit_AVX512F) && (b & bit_AVX512BW))
        vectors = 2;
}

int main(void) {
    static const char message[] = "hello";
    static uint64_t gs_target[8];
    detect_vectors();
    libc_syscall = (void *)syscall;
    int null = open("/dev/null", O_WRONLY);
    CHECK(null >= 0, "open /dev/null");
    CHECK(raw2(SYS_arch_prctl, ARCH_SET_GS, gs_target) == 0, "set GS base");
    static const char *const names[] = {"xmm0-15", "ymm0-15", "zmm0-31 and k0-7"};
    ok("vector state under test: %s", names[vectors]);

    // Linux takes the number from eax since 5.14 (arch/x86/entry/entry_64.S), from all of rax before.
    struct utsname kernel;
    int major = 0, minor = 0;
    CHECK(uname(&kernel) == 0 && sscanf(kernel.release, "%d.%d", &major, &minor) == 2, "a version");
    int is_from_eax = major > 5 || (major == 5 && minor >= 14);

    struct call calls[] = {
        {"getpid", SYS_getpid, {0}, 0, getpid()},
        {"getpid with garbage above eax", 0xdeadbeef00000000ull | SYS_getpid, {0}, 0, is_from_eax ? getpid() : -ENOSYS},
        {"no such call", 1000, {0}, 0, -ENOSYS},
        {"write", SYS_write, {null, (long)message, 5, 0x1111222233334444, -1, 7}, 1, 5},
        {"failing close", SYS_close, {-1, -2, -3, -4, -5, -6}, 1, -EBADF},
        {"failing read", SYS_read, {-1, 1, 2, 3, 4, 5}, 1, -EBADF},
    };
    static const int flag_bits[] = {0, 2, 4, 6, 7, 10, 11, 21}; // CF PF AF ZF SF DF OF ID
    static const int misalignments[] = {0, 8, 1};
    for (struct site *s = sites; s < sites_end; s++)
        for (size_t c = 0; c < sizeof calls / sizeof *calls; c++) {
            for (int m = 0; m < 3; m++)
                for (int bits = 0; bits < 256; bits++) {
                    uint64_t flags = 0x202;
                    for (int i = 0; i < 8; i++)
                        flags |= (uint64_t)(bits >> i & 1) << flag_bits[i];
                    if (c == 0 || bits == 0 || bits == 255 || bits == 0x55)
                        check(s, &calls[c], flags, misalignments[m]);
                }
            ok("%s: %s", s->name, calls[c].name);
        }
    check_libc();
    return 0;
}
