//! Death words on robust lists.
//!
//! The kernel walks a thread's robust list when the thread ends, whatever ends
//! it, and marks each futex word on it that holds the thread's id
//! (robust_list(7), `exit_robust_list`). A list belongs to libc, as a rule, so
//! the node of a death word is appended to libc's list: libc inserts and removes
//! at the front, and does with its neighbours what it does with a mutex. A
//! thread without a list gets one of ours.

use syscalls::{Sysno, syscall};

use super::slots::Slot;
use crate::{sys, tls};

/// Nodes that the kernel looks at.
const LONGEST: usize = 2048;
/// A bit of a link that says that the futex is a PI futex.
const PI: u64 = 1;

/// `struct robust_list_head`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Head {
    next: u64,
    futex_offset: i64,
    pending: u64,
}

/// Size of a head, which set_robust_list wants to be told.
pub(crate) const HEAD_LEN: u64 = size_of::<Head>() as u64;

/// Makes a list with nothing but the death word the calling thread's. `head` has
/// to stay where it is until the thread is gone. Returns the node.
pub(crate) fn own_list(head: &mut Head, slot: Slot) -> Option<u64> {
    const OFFSET: i64 = -32;
    if sys::is_confined() {
        return None;
    }
    let node = slot.node(OFFSET)?;
    let address = &raw mut *head as u64;
    // SAFETY: in the slot, which is this thread's.
    unsafe { (node as *mut u64).write_unaligned(address) };
    *head = Head { next: node, futex_offset: OFFSET, pending: 0 };
    // SAFETY: the head is valid; the caller's.
    unsafe { syscall!(Sysno::set_robust_list, address, HEAD_LEN) }.ok()?;
    slot.watch(true);
    Some(node)
}

/// The list that the kernel knows of the calling thread; 0 for none.
pub(crate) fn registered_list() -> u64 {
    /// Of `robust_head` in glibc's `struct pthread`, which begins at the thread pointer.
    const GLIBCS: u64 = 0x2e0;
    if sys::is_confined() {
        return 0;
    }
    // No program makes the call below, so a filter may end who does: libc's list, while empty,
    // is known by its looks.
    let glibcs = tls::thread_pointer() + GLIBCS;
    if !sys::is_guest_copied() && sys::read_guest_words(glibcs) == Some([glibcs, -32i64 as u64]) {
        return glibcs;
    }
    let (mut head, mut len) = (0u64, 0u64);
    // SAFETY: the kernel writes two words.
    let _ = unsafe { syscall!(Sysno::get_robust_list, 0, &raw mut head, &raw mut len) };
    head
}

/// Empties a list made by [`own_list`].
pub(crate) fn clear(head: &mut Head) {
    head.next = &raw mut *head as u64;
}

/// Whether memory of the program may be touched directly.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Trust {
    /// The address may be anything.
    None = 0,
    /// It is libc's own.
    Libc = 1,
}

impl Trust {
    fn read(self, address: u64) -> Option<u64> {
        if self == Self::Libc {
            // SAFETY: libc's list is well-formed.
            return Some(unsafe { (address as *const u64).read_unaligned() });
        }
        sys::read_guest_words(address).map(|[word]| word)
    }

    fn write(self, address: u64, value: u64) -> Option<()> {
        if self == Self::Libc {
            // SAFETY: as above.
            unsafe { (address as *mut u64).write_unaligned(value) };
            return Some(());
        }
        (sys::write_guest(address, &[value]) == 8).then_some(())
    }
}

/// Appends the death word to the list that the calling thread has registered at
/// `head`. Returns the node, or `None` if it cannot be done.
pub(crate) fn splice(head: u64, slot: Slot, trust: Trust) -> Option<u64> {
    let futex_offset = trust.read(head + 8)? as i64;
    let node = slot.node(futex_offset)?;
    // SAFETY: in the slot, which is this thread's.
    unsafe { append(head, node, trust)? };
    slot.watch(true);
    Some(node)
}

/// Appends a node to the list at `head`.
///
/// # Safety
///
/// The node is the caller's.
unsafe fn append(head: u64, node: u64, trust: Trust) -> Option<()> {
    let last = last_before(head, head, trust)?;
    // SAFETY: the caller's.
    unsafe { (node as *mut u64).write_unaligned(head) };
    trust.write(last, node)
}

/// Appends a node to libc's list at `head`, if futex words lie `futex_offset` from nodes there.
///
/// # Safety
///
/// There is such a list, and the node is the caller's.
pub(crate) unsafe fn append_to_libcs(head: u64, node: u64, futex_offset: i64) {
    if Trust::Libc.read(head + 8) == Some(futex_offset as u64) {
        // SAFETY: the caller's.
        let _ = unsafe { append(head, node, Trust::Libc) };
    }
}

/// Takes the death word off the list at `head`.
pub(crate) fn unsplice(head: u64, node: u64, trust: Trust) {
    let Some(before) = last_before(head, node, trust) else {
        return;
    };
    // SAFETY: in the slot, which is this thread's.
    let next = unsafe { (node as *const u64).read_unaligned() };
    let _ = trust.write(before, next);
}

/// The node, or head, whose successor is `wanted`.
fn last_before(head: u64, wanted: u64, trust: Trust) -> Option<u64> {
    let mut at = head;
    for _ in 0..LONGEST {
        let next = trust.read(at)? & !PI;
        if next == wanted {
            return Some(at);
        }
        if next == head {
            return None;
        }
        at = next;
    }
    None
}
