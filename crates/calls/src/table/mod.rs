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

use crate::call::Call;
use crate::class::Classes;
use crate::kind::Kind;
use crate::pack::{Text, short};

/// A call as its line declares it.
struct Declared {
    nr: u16,
    name: &'static str,
    classes: Classes,
    result: Kind,
    kinds: &'static [Kind],
    /// Their names, each followed by a space.
    parameters: &'static str,
}

macro_rules! calls {
    ($(
        $nr:literal $name:ident($($parameter:ident: $kind:ident),*)
        -> $result:ident $(in $($class:ident)|+)?;
    )*) => {
        pub(super) const CALLS: &[$crate::table::Declared] = &[$(
            $crate::table::Declared {
                nr: $nr,
                name: stringify!($name),
                classes: $crate::class::Classes::NONE
                    $($(.union($crate::table::class!($class)))+)?,
                result: $crate::kind::Kind::$result,
                kinds: &[$($crate::kind::Kind::$kind),*],
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

/// All that is declared.
const DECLARED: &[&[Declared]] = &[
    files::CALLS,
    descriptors::CALLS,
    memory::CALLS,
    network::CALLS,
    processes::CALLS,
    waiting::CALLS,
    system::CALLS,
];

struct Sizes {
    names: usize,
    parameters: usize,
}

struct Packed {
    calls: [Option<Call>; SLOTS],
    names: Text<{ SIZES.names }>,
    parameters: Text<{ SIZES.parameters }>,
}

const SIZES: Sizes = sizes(DECLARED);
const PACKED: Packed = packed(DECLARED);

/// Every call, at the slot of its number.
pub(crate) static TABLE: [Option<Call>; SLOTS] = PACKED.calls;

/// Numbers that no call has: from 424 on all architectures number new ones alike.
const GAP: core::ops::Range<usize> = 340..424;
/// The first number that no call has yet, and some more.
const SLOTS: usize = 480 - (GAP.end - GAP.start);

/// Where in the table a number's call is, if it has one.
#[inline]
pub(crate) const fn slot(nr: usize) -> Option<usize> {
    if nr < GAP.start {
        Some(nr)
    } else if nr < GAP.end {
        None
    } else {
        Some(nr - (GAP.end - GAP.start))
    }
}
static ALL_NAMES: Text<{ SIZES.names }> = PACKED.names;
static ALL_PARAMETERS: Text<{ SIZES.parameters }> = PACKED.parameters;
// Of statics, not of `PACKED`, all of which would be in the library then.
/// The calls' names.
pub(crate) const NAMES: &str = ALL_NAMES.as_str();
/// The names of their parameters.
pub(crate) const PARAMETERS: &str = ALL_PARAMETERS.as_str();

const fn sizes(mut parts: &[&[Declared]]) -> Sizes {
    let mut sizes = Sizes { names: 0, parameters: 0 };
    while let [part, more_parts @ ..] = parts {
        let mut calls = *part;
        while let [call, more_calls @ ..] = calls {
            sizes.names += call.name.len() + 1;
            sizes.parameters += call.parameters.len();
            calls = more_calls;
        }
        parts = more_parts;
    }
    sizes
}

#[allow(clippy::indexing_slicing, clippy::panic, reason = "evaluated by the compiler only")]
const fn packed(mut parts: &[&[Declared]]) -> Packed {
    let mut table = [const { None }; SLOTS];
    let (mut names, mut parameters) = (Text::new(), Text::new());
    while let [part, more_parts @ ..] = parts {
        let mut calls = *part;
        while let [call, more_calls @ ..] = calls {
            let Some(slot) = slot(call.nr as usize) else { panic!("a number without a slot") };
            assert!(table[slot].is_none(), "a number is declared twice");
            table[slot] = Some(Call {
                nr: call.nr,
                classes: call.classes,
                result: call.result,
                kinds: padded(call.kinds),
                count: short(call.kinds.len()),
                name: names.put_terminated(call.name),
                parameters: parameters.put(call.parameters),
            });
            calls = more_calls;
        }
        parts = more_parts;
    }
    Packed { calls: table, names, parameters }
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
