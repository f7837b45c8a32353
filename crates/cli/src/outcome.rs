//! How a program ended, and ending in the same way.

use std::ffi::c_int;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It returned this status.
    Exited(c_int),
    /// This signal killed it. A number, since real-time signals have no name.
    Killed(c_int),
}

impl Outcome {
    /// Decodes a status of `waitpid`; `None` if the program has only stopped.
    pub fn from_wait_status(status: c_int) -> Option<Outcome> {
        if libc::WIFEXITED(status) {
            Some(Outcome::Exited(libc::WEXITSTATUS(status)))
        } else if libc::WIFSIGNALED(status) {
            Some(Outcome::Killed(libc::WTERMSIG(status)))
        } else {
            None
        }
    }

    /// Ends this process by the same signal, or returns the same status.
    pub fn become_ours(self) -> c_int {
        match self {
            Outcome::Exited(status) => status,
            Outcome::Killed(signal) => {
                die_by(signal);
                // Only if the signal could not be raised: as shells report it.
                128 + signal
            }
        }
    }
}

fn die_by(signal: c_int) {
    // The program has dumped its core if it was to; ours would overwrite it.
    let _ = nix::sys::prctl::set_dumpable(false);
    // SAFETY: plain system calls on this process; the set is initialised by
    // sigemptyset before it is read.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
        libc::raise(signal);
    }
}
