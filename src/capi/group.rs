//! Threads and processes in the C API.

use core::ffi::{c_int, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use crate::hook::Thread;
use crate::members;
use crate::thread::keeping_errno;

type ChildHook = unsafe extern "C" fn(c_int) -> *mut c_void;
type ParentHook = unsafe extern "C" fn(c_int);

/// Called in a new thread or process; null when there is none.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the name is the C API's")]
pub static interceptor_clone_hook_child: AtomicPtr<()> = AtomicPtr::new(null_mut());

/// Called in the parent of one; null when there is none.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the name is the C API's")]
pub static interceptor_clone_hook_parent: AtomicPtr<()> = AtomicPtr::new(null_mut());

/// What the child hook of this process has returned.
static CHILD_ARGUMENT: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

/// Whether a hook for births is assigned.
#[inline(always)]
pub(super) fn observes() -> bool {
    !interceptor_clone_hook_child.load(Relaxed).is_null()
        || !interceptor_clone_hook_parent.load(Relaxed).is_null()
}

/// A thread or a process is born, and this is it.
pub(super) fn child_starts(thread: &Thread, parent_tgid: u32) {
    let hook = interceptor_clone_hook_child.load(Relaxed);
    if hook.is_null() {
        return;
    }
    // SAFETY: the header says that only a function of this type may be assigned.
    let hook = unsafe { core::mem::transmute::<*mut (), ChildHook>(hook) };
    // SAFETY: the hook author's contract, in the header.
    let argument = keeping_errno(|| unsafe { hook(parent_tgid as c_int) });
    if thread.tid == thread.tgid {
        CHILD_ARGUMENT.store(argument, Relaxed);
    }
}

/// What the child hook has returned for this process.
pub(super) fn child_argument() -> *mut c_void {
    CHILD_ARGUMENT.load(Relaxed)
}

/// The same in the parent.
pub(super) fn child_born(child_tid: u32) {
    let hook = interceptor_clone_hook_parent.load(Relaxed);
    if !hook.is_null() {
        // SAFETY: as above.
        let hook = unsafe { core::mem::transmute::<*mut (), ParentHook>(hook) };
        // SAFETY: as above.
        keeping_errno(|| unsafe { hook(child_tid as c_int) });
    }
}

/// Counts all deaths that happened before the call. Afterwards
/// `interceptor_pgstat` and `interceptor_tgstat` are right.
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_group_sync() {
    members::sync();
}
