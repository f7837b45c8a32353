//! Classes of system calls, with the names that `strace` gives them.

use core::ops::BitOr;

/// A set of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Classes(u16);

impl Classes {
    /// In no class.
    pub const NONE: Classes = Classes(0);
    /// Takes a file name.
    pub const FILE: Classes = Classes(1);
    /// Takes or makes a file descriptor.
    pub const DESC: Classes = Classes(1 << 1);
    /// About sockets.
    pub const NETWORK: Classes = Classes(1 << 2);
    /// Makes, waits for, signals or ends processes.
    pub const PROCESS: Classes = Classes(1 << 3);
    /// About signals.
    pub const SIGNAL: Classes = Classes(1 << 4);
    /// System V inter-process communication.
    pub const IPC: Classes = Classes(1 << 5);
    /// About memory mappings.
    pub const MEMORY: Classes = Classes(1 << 6);
    /// Reads or changes user and group identities and capabilities.
    pub const CREDS: Classes = Classes(1 << 7);
    /// Reads or changes system clocks.
    pub const CLOCK: Classes = Classes(1 << 8);
    /// Has no arguments and cannot fail.
    pub const PURE: Classes = Classes(1 << 9);
    /// `stat` by name.
    pub const STAT: Classes = Classes(1 << 10);
    /// `lstat`.
    pub const LSTAT: Classes = Classes(1 << 11);
    /// `fstat`, `newfstatat`, `statx`.
    pub const FSTAT: Classes = Classes(1 << 12);
    /// `statfs`.
    pub const STATFS: Classes = Classes(1 << 13);
    /// `fstatfs`.
    pub const FSTATFS: Classes = Classes(1 << 14);
    /// `ustat`, which belongs to `%%statfs` only.
    pub const USTAT: Classes = Classes(1 << 15);

    /// All words for classes, without the leading `%`, and what they stand for.
    pub fn words() -> impl Iterator<Item = (&'static str, Classes)> {
        NAMES.split(' ').zip(NAMED)
    }

    /// The class that a word after `%` names: `file`, `network`, … and `%stat`
    /// (written `%%stat`) for all that read a file's status.
    pub fn named(word: &str) -> Option<Classes> {
        Classes::words().find(|(name, _)| *name == word).map(|(_, classes)| classes)
    }

    /// Whether the two have a class in common.
    pub const fn intersects(self, other: Classes) -> bool {
        self.0 & other.0 != 0
    }

    /// All classes of both.
    pub const fn union(self, other: Classes) -> Classes {
        Classes(self.0 | other.0)
    }
}

/// Words for classes. One text, and not references (`pack` says why).
const NAMES: &str = "file desc network process signal ipc memory creds clock pure net \
                     stat lstat fstat statfs fstatfs %stat %statfs";

/// What the words stand for.
const NAMED: [Classes; 18] = [
    Classes::FILE,
    Classes::DESC,
    Classes::NETWORK,
    Classes::PROCESS,
    Classes::SIGNAL,
    Classes::IPC,
    Classes::MEMORY,
    Classes::CREDS,
    Classes::CLOCK,
    Classes::PURE,
    Classes::NETWORK,
    Classes::STAT,
    Classes::LSTAT,
    Classes::FSTAT,
    Classes::STATFS,
    Classes::FSTATFS,
    Classes(0b111 << 10),
    Classes(0b111 << 13),
];

impl BitOr for Classes {
    type Output = Classes;

    fn bitor(self, other: Classes) -> Classes {
        self.union(other)
    }
}
