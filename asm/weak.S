// What we take from libc when there is one.
//
// Weak references, read through the GOT, are null when nobody defines the
// symbol; Rust has no stable way to say so.

    .weak   __environ
    .weak   __errno_location
    .weak   __libc_start_main
    .weak   _r_debug
    .weak   gnu_get_libc_version
    .weak   pthread_create
    .weak   pthread_cancel
    .weak   pthread_join
    .weak   pthread_setcancelstate
    .weak   __register_atfork
    .weak   __x86_get_cpuid_feature_leaf

    .pushsection .text.interceptor_weak, "ax"

.macro INTERCEPTOR_WEAK name, symbol
    .balign 16
    .hidden \name
    .globl  \name
    .type   \name, @function
// In: nothing. Out: rax = address of the symbol, or 0.
\name:
    .cfi_startproc
    mov     rax, qword ptr [rip + \symbol@GOTPCREL]
    ret
    .cfi_endproc
    .size   \name, . - \name
.endm

INTERCEPTOR_WEAK interceptor_libc_environ, __environ
INTERCEPTOR_WEAK interceptor_libc_errno_location, __errno_location
INTERCEPTOR_WEAK interceptor_libc_start, __libc_start_main
INTERCEPTOR_WEAK interceptor_libc_debug, _r_debug
INTERCEPTOR_WEAK interceptor_libc_is_gnu, gnu_get_libc_version
INTERCEPTOR_WEAK interceptor_libc_pthread_create, pthread_create
INTERCEPTOR_WEAK interceptor_libc_pthread_cancel, pthread_cancel
INTERCEPTOR_WEAK interceptor_libc_pthread_join, pthread_join
INTERCEPTOR_WEAK interceptor_libc_pthread_setcancelstate, pthread_setcancelstate
INTERCEPTOR_WEAK interceptor_libc_register_atfork, __register_atfork
INTERCEPTOR_WEAK interceptor_libc_cpuid, __x86_get_cpuid_feature_leaf

    .popsection
