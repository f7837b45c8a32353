//! The same as `declarations.c`, in Rust: all that the library exports.

use std::ffi::{c_int, c_long};
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

type Hook = extern "C" fn(
    c_long,
    c_long,
    c_long,
    c_long,
    c_long,
    c_long,
    c_long,
    *mut c_long,
) -> c_int;

unsafe extern "C" {
    static mut intercept_hook_point: Option<Hook>;
    static mut intercept_hook_point_clone_child: Option<extern "C" fn()>;
    static mut intercept_hook_point_clone_parent: Option<extern "C" fn(c_long)>;

    fn syscall_no_intercept(nr: c_long, ...) -> c_long;
    fn syscall_hook_in_process_allowed() -> c_int;

    // libc's.
    fn getppid() -> c_int;
}

const CLOSE: c_long = 3;
const GETPID: c_long = 39;
const GETPPID: c_long = 110;
const EBADF: c_long = 9;

static SEEN: AtomicI32 = AtomicI32::new(0);
static CHILDREN: AtomicI32 = AtomicI32::new(0);
static PARENTS: AtomicI32 = AtomicI32::new(0);

extern "C" fn hook(
    nr: c_long,
    _: c_long,
    _: c_long,
    _: c_long,
    _: c_long,
    _: c_long,
    _: c_long,
    result: *mut c_long,
) -> c_int {
    if nr != GETPPID {
        return 1;
    }
    SEEN.fetch_add(1, SeqCst);
    // SAFETY: the library's.
    unsafe { *result = 4711 };
    0
}

extern "C" fn child() {
    CHILDREN.fetch_add(1, SeqCst);
}

extern "C" fn parent(pid: c_long) {
    PARENTS.fetch_add((pid > 0).into(), SeqCst);
}

fn main() {
    // SAFETY: what the header says.
    unsafe {
        intercept_hook_point = Some(hook);
        intercept_hook_point_clone_child = Some(child);
        intercept_hook_point_clone_parent = Some(parent);
        let answer = getppid();
        std::thread::spawn(|| {}).join().expect("a thread");
        intercept_hook_point = None;
        let is_error = syscall_no_intercept(CLOSE, -1 as c_long) == -EBADF;
        let no_error = c_int::from(syscall_no_intercept(GETPID) < 0);
        println!(
            "{} {answer} {} {} {} {} {no_error}",
            syscall_hook_in_process_allowed(),
            SEEN.load(SeqCst),
            CHILDREN.load(SeqCst),
            PARENTS.load(SeqCst),
            c_int::from(is_error),
        );
    }
}
