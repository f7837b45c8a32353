// flags: -nostdlib
// Forwards every call, after it has clobbered whatever a function in C may:
// general and vector registers, flags. Needs no libc, so that programs of any
// libc can load it.

#include "interceptor.h"

static int has_avx;

static void find_avx(void) {
    unsigned a = 1, b, c = 0, d;
    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    // OSXSAVE and AVX.
    has_avx = (c & (1u << 27)) && (c & (1u << 28));
}

static long forward_all(long nr, long a0, long a1, long a2, long a3, long a4,
                        long a5, int *forward) {
    (void)nr, (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    __asm__ volatile(
        "pcmpeqd %%xmm0, %%xmm0\n\t"
        "movdqa %%xmm0, %%xmm1\n\t"
        "movdqa %%xmm0, %%xmm2\n\t"
        "movdqa %%xmm0, %%xmm3\n\t"
        "movdqa %%xmm0, %%xmm4\n\t"
        "movdqa %%xmm0, %%xmm5\n\t"
        "movdqa %%xmm0, %%xmm6\n\t"
        "movdqa %%xmm0, %%xmm7\n\t"
        "movdqa %%xmm0, %%xmm8\n\t"
        "movdqa %%xmm0, %%xmm9\n\t"
        "movdqa %%xmm0, %%xmm10\n\t"
        "movdqa %%xmm0, %%xmm11\n\t"
        "movdqa %%xmm0, %%xmm12\n\t"
        "movdqa %%xmm0, %%xmm13\n\t"
        "movdqa %%xmm0, %%xmm14\n\t"
        "movdqa %%xmm0, %%xmm15\n\t"
        :
        :
        : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
          "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
          "xmm15");
    if (has_avx)
        __asm__ volatile("vzeroupper");
    // 1 / 3 is inexact: a sticky flag of MXCSR.
    __asm__ volatile(
        "mov $1, %%ecx\n\t"
        "cvtsi2sd %%ecx, %%xmm0\n\t"
        "mov $3, %%ecx\n\t"
        "cvtsi2sd %%ecx, %%xmm1\n\t"
        "divsd %%xmm1, %%xmm0\n\t"
        "mov $-1, %%rax\n\t"
        "mov %%rax, %%rcx\n\t"
        "mov %%rax, %%rdx\n\t"
        "mov %%rax, %%rsi\n\t"
        "mov %%rax, %%r9\n\t"
        "mov %%rax, %%r10\n\t"
        "mov %%rax, %%r11\n\t"
        "add %%rax, %%rax\n\t"
        :
        :
        : "rax", "rcx", "rdx", "rsi", "r9", "r10", "r11", "xmm0", "xmm1", "cc");
    *forward = 1;
    return 0;
}

__attribute__((constructor)) static void start(void) {
    find_avx();
    interceptor_hook_is_libc_free(1);
    interceptor_syscall_hook = forward_all;
}
