/*
 * x86linux/cpuid.h - what the processor can do.
 */
#ifndef X86LINUX_CPUID_H
#define X86LINUX_CPUID_H

#include <stdint.h>

/* What a leaf says. */
struct x86linux_cpuid {
    uint32_t eax, ebx, ecx, edx;
};

/*
 * Asks the processor. All zero for a leaf that it does not have, where the instruction
 * itself would answer with another leaf's. Under a hypervisor this costs microseconds.
 */
static inline struct x86linux_cpuid x86linux_cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct x86linux_cpuid out = {leaf & 0xffff0000u, 0, 0, 0};
    __asm__ volatile("cpuid" : "+a"(out.eax), "=b"(out.ebx), "+c"(out.ecx), "=d"(out.edx));
    if (out.eax < leaf || (out.eax & 0xffff0000u) != (leaf & 0xffff0000u)) {
        struct x86linux_cpuid none = {0, 0, 0, 0};
        return none;
    }
    out.eax = leaf;
    out.ecx = subleaf;
    __asm__ volatile("cpuid" : "+a"(out.eax), "=b"(out.ebx), "+c"(out.ecx), "=d"(out.edx));
    return out;
}

/* UMONITOR, UMWAIT and TPAUSE (leaf 7, ecx bit 5). */
static inline int x86linux_cpu_has_waitpkg(void)
{
    return x86linux_cpuid(7, 0).ecx >> 5 & 1;
}

/* RDTSCP (leaf 80000001h, edx bit 27). */
static inline int x86linux_cpu_has_rdtscp(void)
{
    return x86linux_cpuid(0x80000001u, 0).edx >> 27 & 1;
}

/* The time stamp counter runs at one rate, always (leaf 80000007h, edx bit 8). */
static inline int x86linux_cpu_has_invariant_tsc(void)
{
    return x86linux_cpuid(0x80000007u, 0).edx >> 8 & 1;
}

/* It is a virtual machine's (leaf 1, ecx bit 31). */
static inline int x86linux_cpu_is_virtual(void)
{
    return x86linux_cpuid(1, 0).ecx >> 31 & 1;
}

/* Writes the vendor, 12 characters and a NUL. */
static inline void x86linux_cpu_vendor(char vendor[13])
{
    const struct x86linux_cpuid id = x86linux_cpuid(0, 0);
    const uint32_t words[3] = {id.ebx, id.edx, id.ecx};
    for (int i = 0; i < 12; i++)
        vendor[i] = (char)(words[i / 4] >> i % 4 * 8);
    vendor[12] = 0;
}

/*
 * CPUID by the names of libx86linuxextra. *eax is the leaf, *ecx the subleaf; all become what
 * the processor says, which may be another leaf's. ebx and edx may be NULL.
 */
static inline void x86_cpuidex(uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx)
{
    uint32_t b, d;
    __asm__ volatile("cpuid" : "+a"(*eax), "=b"(b), "+c"(*ecx), "=d"(d));
    if (ebx)
        *ebx = b;
    if (edx)
        *edx = d;
}

/* The same for leaves without a subleaf; ecx may be NULL, too. */
static inline void x86_cpuid(uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx)
{
    uint32_t c = 0;
    x86_cpuidex(eax, ebx, &c, edx);
    if (ecx)
        *ecx = c;
}

#endif
