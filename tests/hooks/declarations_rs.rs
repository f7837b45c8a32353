//! Uses every symbol of `interceptor.h` from Rust, as a library that is compiled against
//! `libinterceptor.so` without the crate would. What each does has tests of its own.

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_ulong, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

type Hook =
    extern "C" fn(c_long, c_long, c_long, c_long, c_long, c_long, c_long, *mut c_int) -> c_long;
type Monitor = extern "C" fn(*mut c_void) -> *mut c_void;

#[repr(C)]
struct Call {
    nr: c_long,
    args: [c_long; 6],
    result: c_long,
    word: c_ulong,
    return_address: c_ulong,
    stack_pointer: c_ulong,
}

/// `struct interceptor_hook`, up to the functions that this one has.
#[repr(C)]
struct Description {
    size: usize,
    name: *const c_char,
    calls: *const c_char,
    priority: c_int,
    data: *mut c_void,
    enter: Option<extern "C" fn(*mut Call, *mut c_void) -> c_int>,
    exit: Option<extern "C" fn(*mut Call, *mut c_void)>,
}

#[repr(C)]
struct Group {
    cnt_thread: usize,
    nr_tgrp: usize,
    nr_thread: usize,
}

#[repr(C)]
struct ThreadGroup {
    tgid: i32,
    nr_local_thread: usize,
    monitor: c_ulong,
}

unsafe extern "C" {
    static mut interceptor_syscall_hook: Option<Hook>;
    static mut interceptor_signal_hook:
        Option<extern "C" fn(c_int, *mut c_void, *mut c_void, *mut c_int)>;
    static mut interceptor_clone_hook_child: Option<extern "C" fn(c_int) -> *mut c_void>;
    static mut interceptor_clone_hook_parent: Option<extern "C" fn(c_int)>;
    static mut interceptor_remote_hook: Option<extern "C" fn(*const c_void)>;
    static mut interceptor_monitor_attr: *mut c_void;
    static mut interceptor_monitor_fn: Option<Monitor>;
    static interceptor_pgstat: *const Group;
    static interceptor_tgstat: ThreadGroup;

    fn interceptor_allowed() -> c_int;
    fn interceptor_attach_monitor(
        attributes: *const c_void,
        function: Monitor,
        argument: *mut c_void,
    ) -> c_ulong;
    fn interceptor_check_version(version: c_uint, name: *const c_char) -> c_int;
    fn interceptor_coverage(index: c_uint, coverage: *mut [u64; 16]) -> c_int;
    fn interceptor_destruct_monitor(result: *mut *mut c_void) -> c_ulong;
    fn interceptor_errno_description(error: c_int) -> *const c_char;
    fn interceptor_errno_name(error: c_int) -> *const c_char;
    fn interceptor_errno_number(name: *const c_char) -> c_int;
    fn interceptor_format_call(call: *const Call, line: *mut c_char, size: usize) -> usize;
    fn interceptor_group_sync();
    fn interceptor_hook_is_vector_free(is_vector_free: c_int);
    fn interceptor_hook_is_libc_free(is_libc_free: c_int);
    fn interceptor_hook_is_interruptible(is_interruptible: c_int);
    fn interceptor_in_hook() -> c_int;
    fn interceptor_query_counts(nr: c_long, counts: *mut [c_ulong; 5]) -> c_int;
    fn interceptor_query_losses(losses: *mut [c_ulong; 5]) -> c_int;
    fn interceptor_read(to: *mut c_void, from: c_long, size: usize) -> c_int;
    fn interceptor_read_string(to: *mut c_char, from: c_long, size: usize) -> isize;
    fn interceptor_register(hook: *const Description) -> c_int;
    fn interceptor_remote_wait(effect: *mut [u64; 9], timeout_ms: c_int) -> c_int;
    fn interceptor_signal_name(signal: c_int) -> *const c_char;
    fn interceptor_signal_subscribe(signals: c_uint) -> c_int;
    fn interceptor_subscribe(nr: c_long) -> c_int;
    fn interceptor_subscribe_calls(hook: c_int, calls: *const c_char) -> c_int;
    fn interceptor_subscribe_time() -> c_int;
    fn interceptor_synchronize(timeout_ms: c_int) -> c_int;
    fn interceptor_syscall(nr: c_long, ...) -> c_long;
    fn interceptor_syscall_is_in(nr: c_long, calls: *const c_char) -> c_int;
    fn interceptor_syscall_name(nr: c_long) -> *const c_char;
    fn interceptor_syscall_number(name: *const c_char) -> c_long;
    fn interceptor_thread_word(hook: c_int) -> *mut *mut c_void;
    fn interceptor_unregister(hook: c_int, timeout_ms: c_int) -> c_int;
    fn interceptor_unsubscribe(nr: c_long) -> c_int;
    fn interceptor_version() -> c_uint;
    fn interceptor_write(to: c_long, from: *const c_void, size: usize) -> c_int;

    // libc's.
    fn syscall(nr: c_long, ...) -> c_long;
    fn raise(signal: c_int) -> c_int;
}

/// Address of `interceptor_tstat`, which is thread-local.
fn tstat() -> *const (i32, usize) {
    let offset: usize;
    let base: usize;
    // SAFETY: reads the thread pointer and the variable's offset from it.
    unsafe {
        std::arch::asm!(
            "mov {}, fs:[0]",
            "mov {}, qword ptr [rip + interceptor_tstat@GOTTPOFF]",
            out(reg) base, out(reg) offset, options(nostack, readonly)
        );
    }
    base.wrapping_add(offset) as *const (i32, usize)
}

const UMASK: c_long = 95;
const GETPPID: c_long = 110;
const SIGURG: c_int = 23;

static EVENTS: AtomicI32 = AtomicI32::new(0);

extern "C" fn on_call(
    nr: c_long,
    a0: c_long,
    _: c_long,
    _: c_long,
    _: c_long,
    _: c_long,
    _: c_long,
    forward: *mut c_int,
) -> c_long {
    EVENTS.fetch_add(1, SeqCst);
    let mut word = 0u64;
    // SAFETY: what the header says.
    unsafe {
        assert_eq!(interceptor_in_hook(), 1);
        assert_eq!(interceptor_read((&raw mut word).cast(), 8, 8), -1);
        assert_eq!(interceptor_write(8, (&raw const word).cast(), 8), -1);
        assert_eq!(interceptor_read_string((&raw mut word).cast(), 8, 8), -1);
        if nr == UMASK {
            return interceptor_syscall(UMASK, a0);
        }
        *forward = 1;
    }
    0
}

extern "C" fn on_signal(signal: c_int, _: *mut c_void, _: *mut c_void, forward: *mut c_int) {
    // Others come by cancellation.
    EVENTS.fetch_add(if signal == SIGURG { 10 } else { 0 }, SeqCst);
    // SAFETY: the runtime's.
    unsafe { *forward = 1 };
}

extern "C" fn on_birth(_: c_int) -> *mut c_void {
    EVENTS.fetch_add(100, SeqCst);
    null_mut()
}

extern "C" fn on_child(_: c_int) {
    EVENTS.fetch_add(1000, SeqCst);
}

extern "C" fn on_effect(_: *const c_void) {}

extern "C" fn watch(_: *mut c_void) -> *mut c_void {
    let mut effect = [0; 9];
    // SAFETY: what the header says.
    assert_eq!(unsafe { interceptor_remote_wait(&mut effect, 0) }, 0);
    std::thread::sleep(std::time::Duration::from_secs(60));
    null_mut()
}

extern "C" fn enter(call: *mut Call, _: *mut c_void) -> c_int {
    // SAFETY: the runtime's.
    let call = unsafe { &mut *call };
    call.word = (call.return_address != 0 && call.stack_pointer != 0) as c_ulong;
    1
}

extern "C" fn exit(call: *mut Call, _: *mut c_void) {
    let mut line = [0; 64];
    // SAFETY: the runtime's.
    unsafe {
        assert!(interceptor_format_call(call, line.as_mut_ptr(), line.len()) > 10);
        assert_eq!(((*call).nr, (*call).args[0]), (GETPPID, 11));
        (*call).result = 40 + (*call).word as c_long;
    }
}

fn text(string: *const c_char) -> &'static str {
    // SAFETY: the runtime's.
    unsafe { CStr::from_ptr(string) }.to_str().expect("a name")
}

extern "C" fn start() {
    // SAFETY: what the header says.
    unsafe {
        let version = interceptor_version();
        assert_eq!(interceptor_check_version(version, c"declarations".as_ptr()), 1);
        assert_eq!((interceptor_allowed(), interceptor_in_hook()), (1, 0));
        interceptor_hook_is_vector_free(0);
        interceptor_hook_is_libc_free(0);
        interceptor_hook_is_interruptible(0);
        assert_eq!(interceptor_unsubscribe(-1) + interceptor_subscribe(UMASK), 0);
        assert_eq!(interceptor_subscribe_calls(0, c"umask".as_ptr()), 0);
        assert!(matches!(interceptor_subscribe_time(), 0 | -1));
        interceptor_syscall_hook = Some(on_call);
        let mask = syscall(UMASK, 0o22);
        syscall(UMASK, mask);
        assert_eq!(EVENTS.swap(0, SeqCst), 2);

        let mut description = std::mem::zeroed::<Description>();
        description.size = size_of::<Description>();
        (description.name, description.calls) = (c"declarations".as_ptr(), c"getppid".as_ptr());
        description.enter = Some(enter);
        description.exit = Some(exit);
        let handle = interceptor_register(&description);
        assert!((*interceptor_thread_word(handle)).is_null());
        assert_eq!(syscall(GETPPID, 11), 41);

        interceptor_signal_hook = Some(on_signal);
        assert_eq!(interceptor_signal_subscribe(7), 0);
        raise(SIGURG);
        assert_eq!(EVENTS.swap(0, SeqCst), 10);

        interceptor_clone_hook_child = Some(on_birth);
        interceptor_clone_hook_parent = Some(on_child);
        interceptor_remote_hook = Some(on_effect);
        interceptor_monitor_attr = null_mut();
        interceptor_monitor_fn = Some(watch);
        let monitor = interceptor_attach_monitor(null_mut(), watch, null_mut());
        assert_eq!((monitor, 2), (interceptor_tgstat.monitor, interceptor_tgstat.nr_local_thread));
        assert_eq!(((*interceptor_pgstat).cnt_thread, (*interceptor_pgstat).nr_thread), (2, 2));
        assert_eq!(
            ((*interceptor_pgstat).nr_tgrp, tstat().read()),
            (1, (interceptor_tgstat.tgid, 1))
        );
        assert_eq!(interceptor_destruct_monitor(&mut null_mut()), monitor);
        interceptor_group_sync();
        assert_eq!(EVENTS.swap(0, SeqCst), 1100);
        assert_eq!(interceptor_unregister(handle, 100_000) + interceptor_synchronize(100_000), 0);
        interceptor_monitor_fn = None;
        (interceptor_clone_hook_child, interceptor_clone_hook_parent) = (None, None);
        (interceptor_syscall_hook, interceptor_signal_hook) = (None, None);
        interceptor_remote_hook = None;

        assert_eq!(text(interceptor_syscall_name(0)), "read");
        assert_eq!(interceptor_syscall_number(c"write".as_ptr()), 1);
        assert_eq!(interceptor_syscall_is_in(0, c"%desc".as_ptr()), 1);
        assert_eq!(text(interceptor_errno_name(2)), "ENOENT");
        assert_eq!(text(interceptor_errno_description(2)), "No such file or directory");
        assert_eq!(interceptor_errno_number(c"ENOENT".as_ptr()), 2);
        assert_eq!(text(interceptor_signal_name(2)), "SIGINT");
        assert_eq!(interceptor_coverage(0, &mut [0; 16]), 0);
        let mut counts = [0; 5];
        assert_eq!((interceptor_query_counts(UMASK, &mut counts), counts[0]), (0, 2));
        assert_eq!((interceptor_query_losses(&mut counts), counts), (0, [0; 5]));
    }
    println!("ok");
}

#[used]
#[unsafe(link_section = ".init_array")]
static START: extern "C" fn() = start;
