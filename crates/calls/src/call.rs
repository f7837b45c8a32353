//! One system call's declaration, and how to find it.

use core::ffi::CStr;

use crate::class::Classes;
use crate::kind::Kind;
use crate::pack::Place;
use crate::table::{NAMES, PARAMETERS, TABLE, slot};

/// How many numbers the table spans; every Linux system call has a smaller one.
pub const NUMBERS: usize = 512;

/// A system call as the table declares it.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Its number.
    pub nr: u16,
    /// What it is about.
    pub classes: Classes,
    /// What it returns.
    pub result: Kind,
    pub(crate) kinds: [Kind; 6],
    pub(crate) count: u8,
    /// In [`NAMES`].
    pub(crate) name: Place,
    /// In [`PARAMETERS`]: their names, each followed by a space.
    pub(crate) parameters: Place,
}

impl Call {
    /// Its name, as in the kernel's headers.
    pub fn name(&self) -> &'static str {
        self.name.of(NAMES)
    }

    /// The same for C.
    pub fn c_name(&self) -> &'static CStr {
        self.name.terminated(NAMES)
    }

    /// What each argument means, in order.
    pub fn kinds(&self) -> &[Kind] {
        self.kinds.get(..usize::from(self.count)).unwrap_or(&[])
    }

    /// Name and meaning of each argument, in order.
    pub fn parameters(&self) -> impl Iterator<Item = (&'static str, Kind)> + '_ {
        let parameters = self.parameters.of(PARAMETERS);
        parameters.split_ascii_whitespace().zip(self.kinds().iter().copied())
    }
}

/// The call with this number. Numbers with the x32 bit, and negative ones, have
/// none.
#[inline]
pub fn lookup(nr: u64) -> Option<&'static Call> {
    TABLE.get(slot(usize::try_from(nr).ok()?)?)?.as_ref()
}

/// The call with this name.
pub fn by_name(name: &str) -> Option<&'static Call> {
    all().find(|call| call.name() == name)
}

/// All calls, by number.
pub fn all() -> impl Iterator<Item = &'static Call> {
    TABLE.iter().flatten()
}

/// Whether the call never comes back, succeed or fail: `exit`, `exit_group`
/// and, as its own result goes, `rt_sigreturn`.
#[inline]
pub fn never_returns(nr: u64) -> bool {
    lookup(nr).is_some_and(|call| matches!(call.result, Kind::Never))
}

/// Whether the call, if it succeeds, does not come back to its caller:
/// `execve` and `execveat`.
#[inline]
pub fn leaves_process(nr: u64) -> bool {
    lookup(nr).is_some_and(|call| matches!(call.result, Kind::NewImage))
}
