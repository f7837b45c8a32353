//! Finds bytes that may be system call instructions, at memory speed.

use crate::pairs::{self, Width};

/// The instruction that a candidate looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteKind {
    /// `0f 05`, `syscall`.
    Syscall,
    /// `cd 80`, `int 0x80`.
    Int80,
    /// `0f 34`, `sysenter`.
    Sysenter,
}

/// Length in bytes of each of the three instructions.
pub const SITE_LEN: u64 = 2;

/// The offset and kind of every candidate in `text`, in order.
pub fn candidates(text: &[u8], width: Width) -> impl Iterator<Item = (usize, SiteKind)> + '_ {
    pairs::sites(text, width).filter_map(|at| {
        let kind = match text.get(at..at + 2)? {
            [0x0f, 0x05] => SiteKind::Syscall,
            [0xcd, 0x80] => SiteKind::Int80,
            _ => SiteKind::Sysenter,
        };
        Some((at, kind))
    })
}

/// Whether `text` has a candidate at all.
pub fn has_candidates(text: &[u8], width: Width) -> bool {
    pairs::sites(text, width).next().is_some()
}
