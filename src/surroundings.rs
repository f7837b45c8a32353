//! What else is in the process at start-up, and what it needs of us.
//!
//! Tools that execute the program themselves, threads that are older than we are,
//! sanitizers that count libraries. Called by `startup`; nothing here runs later.
//!
//! Forbidden here: system calls, and anything that such a tool would report.

use core::arch::asm;
use core::ffi::{CStr, c_char, c_void};

use crate::sys;

/// Whether valgrind executes the program. It makes the program's calls itself, and
/// what it translates is the text as it was before.
pub(crate) fn is_under_valgrind() -> bool {
    /// `VG_USERREQ__RUNNING_ON_VALGRIND` (`valgrind.h`).
    const RUNNING_ON_VALGRIND: u64 = 0x1001;
    let request = [RUNNING_ON_VALGRIND, 0, 0, 0, 0, 0];
    let depth: u64;
    // SAFETY: valgrind's documented request, for everybody else five instructions
    // that change nothing: 128 bits of rotation, and an exchange with itself.
    unsafe {
        asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") &raw const request,
            inout("rdx") 0u64 => depth,
            options(nostack),
        );
    }
    depth != 0
}

/// Whether constructors have made threads that ran before ours: with glibc up
/// to 2.33, whose libpthread is initialised before all others in our place.
pub(crate) fn has_other_threads() -> bool {
    if sys::is_libc_musl() {
        return false;
    }
    let multiple_threads: u32;
    // SAFETY: a word of glibc's `tcbhead_t` (`sysdeps/x86_64/nptl/tls.h`), which
    // pthread_create sets in the thread that calls it, in all versions.
    unsafe {
        asm!("mov {:e}, fs:[0x18]", out(reg) multiple_threads,
            options(nostack, preserves_flags, readonly));
    }
    multiple_threads != 0
}

/// The beginning of glibc's `struct link_map` (`link.h`).
#[repr(C)]
struct LinkMap {
    base: u64,
    name: *const c_char,
    dynamic: *const c_void,
    next: *mut LinkMap,
}

/// The beginning of `struct r_debug` (`link.h`).
#[repr(C)]
struct Debug {
    version: i32,
    first: *mut LinkMap,
}

unsafe extern "C" {
    /// Address of the dynamic linker's `_r_debug`, null without one (`asm/weak.S`).
    fn interceptor_libc_debug() -> *const Debug;
    /// Our own dynamic section.
    #[link_name = "_DYNAMIC"]
    static OWN_DYNAMIC: c_void;
}

/// The sanitizer whose runtime ends the program unless it is the first library:
/// GCC's and LLVM's names.
const WANT_TO_BE_FIRST: [&[u8]; 2] = [b"libasan.so", b"libclang_rt.asan"];

/// Lets the address sanitizer's runtime find itself first in the list of
/// libraries, as it is without us. It skips entries without a name, so those of ours
/// lose it: up to this library, since what the user preloads comes behind.
pub(crate) fn let_sanitizer_be_first() {
    // SAFETY: a leaf of ours without effects; null or the linker's structure.
    let Some(debug) = (unsafe { interceptor_libc_debug().as_ref() }) else {
        return;
    };
    if !objects(debug.first).any(|object| wants_to_be_first(object)) {
        return;
    }
    for object in objects(debug.first).skip(1) {
        // SAFETY: the linker is in our constructor's call, and nobody else runs.
        unsafe {
            (*object).name = c"".as_ptr();
            if (*object).dynamic == &raw const OWN_DYNAMIC {
                break;
            }
        }
    }
}

fn objects(mut next: *mut LinkMap) -> impl Iterator<Item = *mut LinkMap> {
    core::iter::from_fn(move || {
        let object = next;
        // SAFETY: null or an entry of the linker's list, which it does not change
        // while it calls our constructor.
        next = unsafe { object.as_ref()? }.next;
        Some(object)
    })
}

fn wants_to_be_first(object: *const LinkMap) -> bool {
    // SAFETY: as in `objects`; a name is null or ends with a zero.
    let name = unsafe {
        let name = (*object).name;
        if name.is_null() {
            return false;
        }
        CStr::from_ptr(name).to_bytes()
    };
    WANT_TO_BE_FIRST.iter().any(|part| name.windows(part.len()).any(|window| window == *part))
}
