// Per-thread storage in the initial-exec TLS model.
//
// One zeroed block per thread, laid out by `tls::Tls`. ld.so gives a preloaded
// library a fixed offset from fs; Rust reads it from the global offset table, and
// the thunks (thunk.S) carry it as an immediate displacement.

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
