//! Counting what a tree does that runs already.

use std::io;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};

use super::table;
use crate::clock::Moment;
use crate::failure::{Failure, cause};
use crate::observe::{self, Output};
use crate::outcome::Outcome;
use crate::running::{self, members::Members};
use crate::tree_segment::calls_between;

/// How often we look whether the tree has ended.
const LOOK: Duration = Duration::from_millis(100);

/// Prints what the tree of `pid` has done since now, when it has ended or a signal
/// stops us.
pub fn execute(pid: u32, output: Option<&Path>) -> Result<Outcome, Failure> {
    let segment = running::attach(Some(pid))?;
    let (start, before) = (Moment::now(), segment.calls());
    if before.is_empty() {
        return Err(Failure::refused(format!(
            "process {pid}: its calls are not counted; start it under `interceptor stat`"
        )));
    }
    let mut output = Output::open(output)?;
    let stops: SigSet = [Signal::SIGINT, Signal::SIGTERM].into_iter().collect();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&stops), None)
        .map_err(|error| Failure::refused(cause(&io::Error::from(error))))?;
    while Members::of(&segment).threads > 0 && !is_stopped(&stops) {}
    let rate = start.rate_until(&Moment::now());
    let counts = calls_between(&before, &segment.calls());
    output.write(&table::format(observe::rows(&counts, None, rate)));
    Ok(Outcome::Exited(0))
}

/// Waits for a signal, for some time.
fn is_stopped(stops: &SigSet) -> bool {
    let time = libc::timespec { tv_sec: 0, tv_nsec: LOOK.subsec_nanos().into() };
    // SAFETY: valid pointers; no information on the signal is wanted.
    unsafe { libc::sigtimedwait(stops.as_ref(), std::ptr::null_mut(), &raw const time) > 0 }
}
