//! Running a program as a child, as if it had been started in our place.
//!
//! What a terminal sends (interrupt, quit, hang-up) reaches the program by
//! itself, since it is in our process group; we only survive it. What another
//! process sends to us alone is meant for the program and is passed on.

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal};
use nix::sys::signal::{sigaction, sigprocmask};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{ForkResult, Pid, fork, pipe2};

use crate::failure::Failure;
use crate::launch;
use crate::outcome::Outcome;
use crate::program::Program;

/// Signals that we survive while the program runs.
const SURVIVED: &[Signal] = &[
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// To whom signals are passed on; 0 for nobody. Stored by [`run`], loaded by
/// the handler, both in the one thread of this process.
static CHILD: AtomicI32 = AtomicI32::new(0);

/// Runs a program to its end.
pub fn run(program: &Program) -> Result<Outcome, Failure> {
    // Held back until the handlers stand and know the child.
    let survived: SigSet = SURVIVED.iter().copied().collect();
    let mut mask_before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&survived), Some(&mut mask_before)).map_err(system)?;

    let (mut news, report) = pipe2(OFlag::O_CLOEXEC)
        .map(|(read, write)| (File::from(read), File::from(write)))
        .map_err(system)?;
    // SAFETY: this process has one thread, so the child may do anything.
    match unsafe { fork() }.map_err(system)? {
        ForkResult::Child => become_program(program, &mask_before, report),
        ForkResult::Parent { child } => {
            drop(report);
            CHILD.store(child.as_raw(), Ordering::Relaxed);
            survive_signals()?;
            sigprocmask(SigmaskHow::SIG_SETMASK, Some(&mask_before), None).map_err(system)?;
            let outcome = wait(child)?;
            match read_errno(&mut news) {
                Some(error) => Err(launch::why(program, error)),
                None => Ok(outcome),
            }
        }
    }
}

fn become_program(program: &Program, mask: &SigSet, mut report: File) -> ! {
    let error = match sigprocmask(SigmaskHow::SIG_SETMASK, Some(mask), None) {
        Ok(()) => launch::execute(program),
        Err(error) => error,
    };
    let _ = report.write_all(&(error as i32).to_ne_bytes());
    // SAFETY: ends the process without running what the parent will run.
    unsafe { libc::_exit(127) }
}

/// The error the child wrote instead of becoming the program. Its end of the
/// pipe is closed by then, by execve or by death.
fn read_errno(news: &mut File) -> Option<Errno> {
    let mut number = [0; 4];
    news.read_exact(&mut number).ok()?;
    Some(Errno::from_raw(i32::from_ne_bytes(number)))
}

fn survive_signals() -> Result<(), Failure> {
    let action =
        SigAction::new(SigHandler::SigAction(pass_on), SaFlags::SA_RESTART, SigSet::empty());
    for signal in SURVIVED {
        // SAFETY: the handler calls nothing but kill(2) and reads an atomic.
        unsafe { sigaction(*signal, &action) }.map_err(system)?;
    }
    // Our report may be read by someone who left; the status must still pass.
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler is installed.
    unsafe { sigaction(Signal::SIGPIPE, &ignore) }.map_err(system)?;
    Ok(())
}

extern "C" fn pass_on(signal: c_int, info: *mut libc::siginfo_t, _context: *mut c_void) {
    let child = CHILD.load(Ordering::Relaxed);
    // SAFETY: the kernel passes a valid siginfo to an SA_SIGINFO handler.
    let was_sent_by_process = unsafe { (*info).si_code } <= 0;
    if was_sent_by_process && child > 0 {
        // SAFETY: a plain system call; errno is kept for the code interrupted.
        unsafe {
            let errno = *libc::__errno_location();
            libc::kill(child, signal);
            *libc::__errno_location() = errno;
        }
    }
}

fn wait(child: Pid) -> Result<Outcome, Failure> {
    // First without reaping: as long as it is a zombie its number is its own,
    // so no signal can be passed on to a stranger.
    while waitid(Id::Pid(child), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {
    }
    CHILD.store(0, Ordering::Relaxed);
    loop {
        let mut status = 0;
        // SAFETY: writes to the status only. nix's waitpid refuses deaths by
        // real-time signals.
        let reaped = unsafe { libc::waitpid(child.as_raw(), &raw mut status, 0) };
        match Outcome::from_wait_status(status) {
            Some(outcome) if reaped == child.as_raw() => return Ok(outcome),
            _ if reaped < 0 && Errno::last() != Errno::EINTR => return Err(system(Errno::last())),
            _ => {}
        }
    }
}

fn system(error: Errno) -> Failure {
    Failure::refused(format!("cannot run a program: {}", error.desc()))
}
