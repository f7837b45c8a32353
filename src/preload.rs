//! The macro that makes a preloadable library out of a hook.

/// Makes the crate, a `cdylib`, a library to preload: `preload!(TYPE = VALUE)`.
///
/// `VALUE` initialises a static of type `TYPE`, which implements
/// [`Hook`](crate::Hook). The entry calls its functions directly. At most one
/// per library.
///
/// ```ignore
/// struct Deny;
/// impl interceptor::Hook for Deny { /* … */ }
/// interceptor::preload!(Deny = Deny);
/// ```
///
/// # A library without `std`
///
/// It enables the feature `freestanding`, and is linked as `examples/build.rs` says. It
/// needs no libc, and its constructor runs before all others.
///
/// # A library with `std`
///
/// It leaves the feature out, and its hook sets [`Hook::USES_LIBC`](crate::Hook::USES_LIBC).
/// A system call may come from anywhere: from inside malloc, from under the lock of
/// stdout, from a signal handler, or from a thread whose storage is not complete. There
/// a hook with `std` is undefined, or waits for ever, when it
///
/// - allocates (`String`, `Vec`, `Box`, `format!`), because the call may be malloc's own;
/// - prints by `println!`, or locks what the program locks, too;
/// - uses `thread_local!`, which may allocate and registers destructors;
/// - starts threads, or waits for one;
/// - panics.
///
/// Safe are atomics, `core`, [`Line`](crate::Line), and whatever only makes system calls with
/// memory that is there. `started` is called where all of `std` may be used: in the
/// constructor. So may be a thread that it starts, and no hook (`examples/monitor_std`).
/// Those functions may also do more that are called for calls which the program makes
/// with nothing locked, such as `openat` in a program that is known.
#[macro_export]
macro_rules! preload {
    ($type:ty = $value:expr) => {
        static INTERCEPTOR_HOOK: $type = $value;

        #[unsafe(no_mangle)]
        extern "C" fn interceptor_route_enter(frame: &mut $crate::private::SyscallFrame) -> u64 {
            $crate::private::route_enter(&INTERCEPTOR_HOOK, frame)
        }

        #[unsafe(no_mangle)]
        extern "C" fn interceptor_route_exit(frame: &mut $crate::private::SyscallFrame) -> u64 {
            $crate::private::route_exit(&INTERCEPTOR_HOOK, frame)
        }

        #[unsafe(no_mangle)]
        extern "C" fn interceptor_hook_enter(frame: &mut $crate::private::SyscallFrame) -> u64 {
            $crate::private::run_enter(&INTERCEPTOR_HOOK, frame)
        }

        #[unsafe(no_mangle)]
        extern "C" fn interceptor_hook_exit(frame: &mut $crate::private::SyscallFrame) -> u64 {
            $crate::private::run_exit(&INTERCEPTOR_HOOK, frame)
        }

        extern "C" fn interceptor_constructor(
            _argc: i32,
            argv: *const *const core::ffi::c_char,
            envp: *const *const core::ffi::c_char,
        ) {
            $crate::private::start(&INTERCEPTOR_HOOK, argv, envp);
        }

        #[used]
        #[unsafe(link_section = ".init_array")]
        static INTERCEPTOR_START: extern "C" fn(
            i32,
            *const *const core::ffi::c_char,
            *const *const core::ffi::c_char,
        ) = interceptor_constructor;
    };
}

/// Nothing of ours unwinds, and there is nobody to tell.
#[cfg(feature = "freestanding")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: ends the process by SIGILL, which names the place.
    unsafe { core::arch::asm!("ud2", options(noreturn)) }
}
