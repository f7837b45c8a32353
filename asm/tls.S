// Per-thread storage in the initial-exec TLS model.
//
// One zeroed block per thread, laid out by `tls::Tls`. ld.so gives a preloaded
// library a fixed offset from fs; `interceptor_tls_offset` returns it, and the
// thunks (thunk.S) carry it as an immediate displacement.

    .pushsection .tbss.interceptor, "awT", @nobits
    .balign 64
    .hidden interceptor_tls
    .globl  interceptor_tls
    .type   interceptor_tls, @object
    .size   interceptor_tls, {tls_size}
interceptor_tls:
    .zero   {tls_identity}
    .globl  interceptor_tstat               // of the C API
    .type   interceptor_tstat, @object
    .size   interceptor_tstat, 16
interceptor_tstat:
    .zero   {tls_size} - {tls_identity}
    .popsection

    .pushsection .text.interceptor_tls, "ax"

// In:  nothing.  Out: rax = offset of the block from the thread pointer.
// Clobbers: nothing else.
    .balign 16
    .hidden interceptor_tls_offset
    .globl  interceptor_tls_offset
    .type   interceptor_tls_offset, @function
interceptor_tls_offset:
    .cfi_startproc
    mov     rax, qword ptr [rip + interceptor_tls@GOTTPOFF]
    ret
    .cfi_endproc
    .size   interceptor_tls_offset, . - interceptor_tls_offset

    .popsection
