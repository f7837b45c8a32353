//! The hook of all benchmarks, over the library `syscall-intercept`: call 1000
//! is answered with 42, all others are forwarded. Built by `cargo xtask bench`
//! in a project of its own.

extern "C" fn hook(
    nr: isize,
    _: isize,
    _: isize,
    _: isize,
    _: isize,
    _: isize,
    _: isize,
    result: &mut isize,
) -> syscall_intercept::InterceptResult {
    if nr == 1000 {
        *result = 42;
        return syscall_intercept::InterceptResult::Hook;
    }
    syscall_intercept::InterceptResult::Forward
}

extern "C" fn start() {
    // SAFETY: the hook forwards what it does not know.
    unsafe { syscall_intercept::set_hook_fn(hook) };
}

#[used]
#[unsafe(link_section = ".init_array")]
static START: extern "C" fn() = start;
