//! What the objects that are mapped at start-up want of the C API, by the names that they
//! import: what nobody asks for need not be kept.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

static COUNTS_ARE_IMPORTED: AtomicBool = AtomicBool::new(false);
static HOOK_IS_IMPORTED: AtomicBool = AtomicBool::new(false);
static GROUP_IS_IMPORTED: AtomicBool = AtomicBool::new(false);
static REMOTE_IS_IMPORTED: AtomicBool = AtomicBool::new(false);
static SIGNAL_IS_IMPORTED: AtomicBool = AtomicBool::new(false);
static TIME_IS_IMPORTED: AtomicBool = AtomicBool::new(false);

/// Notes what an object wants that imports a name of the C API.
pub(super) fn note(name: &[u8]) {
    // It is a hook library.
    if name == b"syscall_hook" {
        HOOK_IS_IMPORTED.store(true, Relaxed);
    }
    // It wants to know what was counted, which is kept in the group's memory.
    let wants_counts = is_one_of(name, b"query_counts query_losses");
    if wants_counts {
        COUNTS_ARE_IMPORTED.store(true, Relaxed);
    }
    // It wants to know of threads and processes.
    let of_group = b"pgstat tgstat tstat group_sync clone_hook_child clone_hook_parent \
        monitor_fn attach_monitor destruct_monitor";
    if wants_counts || is_one_of(name, of_group) {
        GROUP_IS_IMPORTED.store(true, Relaxed);
    }
    // It wants to know what others do to it.
    if is_one_of(name, b"remote_hook remote_wait") {
        REMOTE_IS_IMPORTED.store(true, Relaxed);
    }
    // It wants to see signals.
    if name == b"signal_hook" {
        SIGNAL_IS_IMPORTED.store(true, Relaxed);
    }
    // It wants to see questions for the time.
    if name == b"subscribe_time" {
        TIME_IS_IMPORTED.store(true, Relaxed);
    }
}

/// Whether a name is in a list. Patterns of a `match` would be compared by code of their own.
#[inline(never)]
fn is_one_of(name: &[u8], list: &[u8]) -> bool {
    list.split(|byte| *byte == b' ').any(|one| one == name)
}

/// Whether an object mapped at start-up assigns the C hook.
#[cfg(feature = "capi")]
pub(crate) fn hook_is_imported() -> bool {
    HOOK_IS_IMPORTED.load(Relaxed)
}

/// Whether one refers to what the C API says of effects on others.
#[cfg(feature = "capi")]
#[inline(always)]
pub(crate) fn remote_is_imported() -> bool {
    REMOTE_IS_IMPORTED.load(Relaxed)
}

/// A registered hook wants to be told of them, too.
#[cfg(feature = "capi")]
pub(crate) fn watch_remote() {
    REMOTE_IS_IMPORTED.store(true, Relaxed);
}

/// Whether one refers to counts of calls.
#[cfg(feature = "capi")]
pub(crate) fn counts_are_imported() -> bool {
    COUNTS_ARE_IMPORTED.load(Relaxed)
}

/// Whether one assigns the signal hook.
#[cfg(feature = "capi")]
pub(crate) fn signal_is_imported() -> bool {
    SIGNAL_IS_IMPORTED.load(Relaxed)
}

/// Whether one wants the vDSO's functions to be calls.
#[cfg(feature = "capi")]
pub(crate) fn time_is_imported() -> bool {
    TIME_IS_IMPORTED.load(Relaxed)
}

/// Whether one refers to what the C API says of threads and processes.
#[cfg(feature = "capi")]
pub(crate) fn group_is_imported() -> bool {
    GROUP_IS_IMPORTED.load(Relaxed)
}
