//! What signals are called.

use core::ffi::CStr;

/// Number of the first real-time signal, to the kernel.
pub(crate) const SIGRTMIN: u64 = 32;

/// Names of signals 1 to 31.
const NAMES: &str = "SIGHUP\0SIGINT\0SIGQUIT\0SIGILL\0SIGTRAP\0SIGABRT\0SIGBUS\0SIGFPE\0SIGKILL\0\
                     SIGUSR1\0SIGSEGV\0SIGUSR2\0SIGPIPE\0SIGALRM\0SIGTERM\0SIGSTKFLT\0SIGCHLD\0\
                     SIGCONT\0SIGSTOP\0SIGTSTP\0SIGTTIN\0SIGTTOU\0SIGURG\0SIGXCPU\0SIGXFSZ\0\
                     SIGVTALRM\0SIGPROF\0SIGWINCH\0SIGIO\0SIGPWR\0SIGSYS\0";

/// The name of a signal below the real-time ones, for C: `SIGINT` for 2.
pub fn c_signal_name(signal: u64) -> Option<&'static CStr> {
    let index = usize::try_from(signal.checked_sub(1)?).ok()?;
    let name = NAMES.split_inclusive('\0').nth(index)?;
    CStr::from_bytes_with_nul(name.as_bytes()).ok()
}

/// The name of a signal below the real-time ones, without `SIG`: `INT` for 2.
pub fn signal_name(signal: u64) -> Option<&'static str> {
    c_signal_name(signal)?.to_str().ok()?.strip_prefix("SIG")
}
