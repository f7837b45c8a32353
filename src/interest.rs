//! Who is interested in which system call number.
//!
//! A table with one byte for each value of `ax`. A stub that reads 0 executes
//! the call at once; anything else leads to the entry. Bits are added and
//! removed at any time, by any thread, and take effect with the next call.
//!
//! Numbers that do not fit the table, x32 numbers among them, share entries
//! with small ones; `dispatch` looks at the whole number.

use core::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

use syscalls::Sysno;

/// The runtime itself must act on this call.
pub(crate) const LIFECYCLE: u8 = 1;
/// A hook subscribed to it.
pub(crate) const HOOK: u8 = 2;
/// It is traced.
pub(crate) const TRACE: u8 = 4;
/// It is counted.
pub(crate) const STAT: u8 = 8;
/// The kernel would catch it (`net`).
pub(crate) const NET: u8 = 16;

/// Numbers that can be subscribed to one by one.
pub const NUMBERS: usize = 512;

/// One byte for each value of a 16-bit register.
#[unsafe(link_section = ".bss.tables")]
static TABLE: [AtomicU8; 1 << 16] = [const { AtomicU8::new(0) }; 1 << 16];

/// Address of the table, for stubs.
pub(crate) fn table() -> u64 {
    TABLE.as_ptr() as u64
}

/// Who is interested in a call with `nr` in rax.
#[inline(always)]
pub(crate) fn of(nr: u64) -> u8 {
    let eax = nr as u32;
    if eax < NUMBERS as u32 { TABLE[eax as usize].load(Relaxed) } else { of_unknown() }
}

/// Who is interested in numbers that no system call has: the one that is
/// interested in everything.
#[inline(always)]
pub(crate) fn of_unknown() -> u8 {
    TABLE[u16::MAX as usize].load(Relaxed)
}

/// The call that never returns, which who sees it must be told of. If nobody does, none
/// of ours stands between a handler and what it returns to.
const NEVER_RETURNS: usize = Sysno::rt_sigreturn as usize;

/// Subscribes to one number.
pub(crate) fn add(nr: usize, who: u8) {
    if is_closed() {
        return;
    }
    if let Some(entry) = TABLE.get(nr).filter(|_| nr < NUMBERS) {
        let also = if nr == NEVER_RETURNS { LIFECYCLE } else { 0 };
        entry.fetch_or(who | also, Relaxed);
    }
}

/// Ends a subscription to one number.
#[cfg(feature = "capi")]
pub(crate) fn remove(nr: usize, who: u8) {
    if let Some(entry) = TABLE.get(nr).filter(|_| nr < NUMBERS) {
        entry.fetch_and(!who, Relaxed);
    }
}

/// Whether anybody is interested in anything.
pub(crate) fn is_any() -> bool {
    TABLE.iter().any(|entry| entry.load(Relaxed) != 0)
}

/// Ends all subscriptions, the runtime's own among them. Later ones have no
/// effect.
pub(crate) fn clear() {
    IS_CLOSED.store(true, Relaxed);
    remove_all(u8::MAX);
}

/// Whether [`clear`] was called.
pub(crate) fn is_closed() -> bool {
    IS_CLOSED.load(Relaxed)
}

static IS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Subscribes to every number, also those that no system call has.
pub(crate) fn add_all(who: u8) {
    if is_closed() {
        return;
    }
    for entry in &TABLE {
        entry.fetch_or(who, Relaxed);
    }
    add(NEVER_RETURNS, who);
}

/// Subscribes to the numbers that cannot be subscribed to one by one.
#[cfg(feature = "capi")]
pub(crate) fn add_others(who: u8) {
    if is_closed() {
        return;
    }
    for entry in TABLE.iter().skip(NUMBERS) {
        entry.fetch_or(who, Relaxed);
    }
}

/// Ends that.
#[cfg(feature = "capi")]
pub(crate) fn remove_others(who: u8) {
    for entry in TABLE.iter().skip(NUMBERS) {
        if entry.load(Relaxed) & who != 0 {
            entry.fetch_and(!who, Relaxed);
        }
    }
}

/// Ends all subscriptions of one party.
pub(crate) fn remove_all(who: u8) {
    for entry in &TABLE {
        if entry.load(Relaxed) & who != 0 {
            entry.fetch_and(!who, Relaxed);
        }
    }
}
