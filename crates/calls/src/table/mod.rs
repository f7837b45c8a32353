//! The table of all system calls of x86-64 Linux, up to 7.1.
//!
//! One line declares a call, as the synopsis of its manual page would:
//!
//! ```text
//! 257 openat(dirfd: DirFd, path: Path, flags: OpenFlags, mode: CreateMode) -> Fd in file|desc;
//! ```
//!
//! The words after the colons are [`Kind`]s. A new call needs a line, and perhaps
//! a kind; nothing else.

mod descriptors;
mod files;
mod memory;
mod network;
mod processes;
mod system;
mod waiting;

use crate::call::{Call, NUMBERS};
use crate::kind::Kind;

macro_rules! calls {
    ($(
        $nr:literal $name:ident($($parameter:ident: $kind:ident),*)
        -> $result:ident $(in $($class:ident)|+)?;
    )*) => {
        pub(super) const CALLS: &[$crate::call::Call] = &[$(
            $crate::call::Call {
                nr: $nr,
                name: stringify!($name),
                classes: $crate::class::Classes::NONE
                    $($(.union($crate::table::class!($class)))+)?,
                result: $crate::kind::Kind::$result,
                kinds: $crate::table::padded(&[$($crate::kind::Kind::$kind),*]),
                count: <[&str]>::len(&[$(stringify!($parameter)),*]) as u8,
                parameters: concat!($(stringify!($parameter), " "),*),
            },
        )*];
    };
}

macro_rules! class {
    (file) => {
        $crate::class::Classes::FILE
    };
    (desc) => {
        $crate::class::Classes::DESC
    };
    (network) => {
        $crate::class::Classes::NETWORK
    };
    (process) => {
        $crate::class::Classes::PROCESS
    };
    (signal) => {
        $crate::class::Classes::SIGNAL
    };
    (ipc) => {
        $crate::class::Classes::IPC
    };
    (memory) => {
        $crate::class::Classes::MEMORY
    };
    (creds) => {
        $crate::class::Classes::CREDS
    };
    (clock) => {
        $crate::class::Classes::CLOCK
    };
    (pure) => {
        $crate::class::Classes::PURE
    };
    (stat) => {
        $crate::class::Classes::STAT
    };
    (lstat) => {
        $crate::class::Classes::LSTAT
    };
    (fstat) => {
        $crate::class::Classes::FSTAT
    };
    (statfs) => {
        $crate::class::Classes::STATFS
    };
    (fstatfs) => {
        $crate::class::Classes::FSTATFS
    };
    (ustat) => {
        $crate::class::Classes::USTAT
    };
}

use {calls, class};

/// Every call at the index of its number.
pub(crate) static TABLE: [Option<Call>; NUMBERS] = merged(&[
    files::CALLS,
    descriptors::CALLS,
    memory::CALLS,
    network::CALLS,
    processes::CALLS,
    waiting::CALLS,
    system::CALLS,
]);

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler only")]
const fn merged(mut parts: &[&[Call]]) -> [Option<Call>; NUMBERS] {
    let mut table = [const { None }; NUMBERS];
    while let [part, more_parts @ ..] = parts {
        let mut rest = *part;
        while let [call, more @ ..] = rest {
            assert!(table[call.nr as usize].is_none(), "a number is declared twice");
            table[call.nr as usize] = Some(*call);
            rest = more;
        }
        parts = more_parts;
    }
    table
}

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler only")]
const fn padded(kinds: &[Kind]) -> [Kind; 6] {
    let mut padded = [Kind::Hex; 6];
    let mut index = 0;
    while index < kinds.len() {
        padded[index] = kinds[index];
        index += 1;
    }
    padded
}
