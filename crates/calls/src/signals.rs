//! What signals are called.

/// Number of the first real-time signal, to the kernel.
pub(crate) const SIGRTMIN: u64 = 32;

/// Names of signals 1 to 31, without `SIG`.
const NAMES: &str = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT \
                     CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";

/// The name of a signal below the real-time ones, without `SIG`: `INT` for 2.
pub fn signal_name(signal: u64) -> Option<&'static str> {
    let index = usize::try_from(signal.checked_sub(1)?).ok()?;
    NAMES.split(' ').nth(index)
}
