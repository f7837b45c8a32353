//! Each system call that start-up makes may fail: then the program runs untouched,
//! and one line says why.
//!
//! A tracer lets the program run up to the n-th call made by code of the runtime's
//! own, gives that call an error in place of a result, and lets go. It does so for
//! each call and each of several errors.

use std::fs;
use std::io::Read as _;
use std::ops::Range;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use interceptor_tests::{Dist, Scratch, guest, need};
use nix::errno::Errno;
use nix::libc::{self, user_regs_struct};
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// What calls fail with: no memory, no descriptor, no permission, no such call.
const ERRORS: &[Errno] = &[Errno::ENOMEM, Errno::EMFILE, Errno::EPERM, Errno::ENOSYS];

/// How long a program may run when it is let go.
const LIMIT: Duration = Duration::from_secs(180);

/// A program that forks, waits, writes and ends with a status of its own.
const SCRIPT: &str = "echo before; /bin/true && (exit 3); echo after $?; exit 5";

/// What a run of the script prints, and how it ends.
const NATIVE: (&str, Option<i32>) = ("before\nafter 3\n", Some(5));

/// One failing call.
#[derive(Debug, Clone, Copy)]
struct Injection {
    /// Counted from 0, of the runtime's own.
    call: usize,
    error: Errno,
}

/// A program with a preload list.
struct Subject {
    preload: String,
    runtime: PathBuf,
    environment: Vec<(&'static str, PathBuf)>,
}

/// How a run with a failing call ended.
#[derive(Debug)]
struct Ended {
    /// The number of the call that failed; `None` when there were not as many.
    failed: Option<i64>,
    stdout: String,
    stderr: String,
    code: Option<i32>,
}

impl Subject {
    fn run(&self, injection: Injection) -> Ended {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT])
            .env("LD_PRELOAD", &self.preload)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // SAFETY: a system call, which is all that may be done here.
        unsafe { command.pre_exec(|| ptrace::traceme().map_err(Into::into)) };
        let mut child = command.spawn().expect("a shell");
        let pid = Pid::from_raw(child.id().cast_signed());
        let failed = Tracee { pid, runtime: &self.runtime, text: None }.inject(injection);
        let status = wait(&mut child);
        let mut ended =
            Ended { failed, stdout: String::new(), stderr: String::new(), code: status.code() };
        let _ = child.stdout.take().expect("a pipe").read_to_string(&mut ended.stdout);
        let _ = child.stderr.take().expect("a pipe").read_to_string(&mut ended.stderr);
        ended
    }
}

fn wait(child: &mut Child) -> std::process::ExitStatus {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait().expect("a status") {
            return status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// A program that has stopped at its exec.
struct Tracee<'a> {
    pid: Pid,
    runtime: &'a Path,
    /// Where the runtime's code is, once it is known.
    text: Option<Range<u64>>,
}

impl Tracee<'_> {
    /// Lets the program run up to the call, makes that fail, and lets go. Returns the
    /// number of the call.
    fn inject(mut self, injection: Injection) -> Option<i64> {
        assert!(matches!(waitpid(self.pid, None), Ok(WaitStatus::Stopped(_, Signal::SIGTRAP))));
        ptrace::setoptions(self.pid, ptrace::Options::PTRACE_O_TRACESYSGOOD).expect("options");
        let mut own_calls = 0;
        let mut has_started = false;
        while let Some(at_entry) = self.next_stop() {
            let is_own = self.is_own(&at_entry);
            // Start-up makes calls of its own only; after that the program's come.
            if has_started && !is_own {
                break;
            }
            has_started |= is_own;
            if is_own && own_calls == injection.call {
                let nr = at_entry.orig_rax.cast_signed();
                ptrace::setregs(self.pid, user_regs_struct { orig_rax: u64::MAX, ..at_entry })
                    .expect("registers");
                let Some(at_exit) = self.next_stop() else { return Some(nr) };
                let rax = i64::from(-(injection.error as i32)).cast_unsigned();
                ptrace::setregs(self.pid, user_regs_struct { rax, ..at_exit }).expect("registers");
                ptrace::detach(self.pid, None).expect("a tracee");
                return Some(nr);
            }
            own_calls += usize::from(is_own);
            self.next_stop()?;
        }
        let _ = ptrace::detach(self.pid, None);
        None
    }

    /// Runs to the next entry or exit of a call; `None` when there is none.
    fn next_stop(&self) -> Option<user_regs_struct> {
        let mut signal = None;
        loop {
            ptrace::syscall(self.pid, signal).ok()?;
            match waitpid(self.pid, Some(WaitPidFlag::__WALL)) {
                Ok(WaitStatus::PtraceSyscall(_)) => return ptrace::getregs(self.pid).ok(),
                Ok(WaitStatus::Stopped(_, other)) => signal = Some(other),
                _ => return None,
            }
        }
    }

    fn is_own(&mut self, registers: &user_regs_struct) -> bool {
        if self.text.is_none() {
            self.text = text_of(self.pid, self.runtime);
        }
        self.text.as_ref().is_some_and(|text| text.contains(&registers.rip))
    }
}

/// Where the code of a library is in a process.
fn text_of(pid: Pid, library: &Path) -> Option<Range<u64>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let library = library.to_str()?;
    let line = maps.lines().find(|line| line.ends_with(library) && line.contains(" r-xp "))?;
    let (start, end) = line.split(' ').next()?.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some(number(start)?..number(end)?)
}

/// Lines of the runtime's own: those of the dump of coverage, and others.
fn own_lines(stderr: &str) -> (Vec<&str>, Vec<&str>) {
    let lines = stderr.lines().filter(|line| line.starts_with("interceptor: "));
    lines.partition(|line| line.contains(" missed "))
}

/// How many places that may be system calls lines of coverage tell of.
fn places(coverage: &[&str]) -> u64 {
    let words = coverage.iter().flat_map(|line| line.split(' '));
    words.filter_map(|word| word.parse::<u64>().ok()).sum()
}

/// Makes each call of start-up fail with each error.
fn check(subject: &Subject) {
    let none = Injection { call: usize::MAX, error: Errno::ENOMEM };
    let native = subject.run(none);
    assert_eq!((native.stdout.as_str(), native.code), NATIVE, "{native:?}");
    let (complete, others) = own_lines(&native.stderr);
    assert!(!complete.is_empty() && others.is_empty(), "{native:?}");
    let mut failed_calls = 0;
    for call in 0.. {
        let mut has_failed = false;
        for error in ERRORS {
            let injection = Injection { call, error: *error };
            let ended = subject.run(injection);
            let Some(nr) = ended.failed else { continue };
            has_failed = true;
            assert_eq!((ended.stdout.as_str(), ended.code), NATIVE, "{injection:?}: {ended:?}");
            let (coverage, others) = own_lines(&ended.stderr);
            let foreign = ended.stderr.lines().count() - coverage.len() - others.len();
            assert_eq!(foreign, 0, "{injection:?}: {ended:?}");
            // The line itself may be what fails.
            if nr != libc::SYS_write {
                let degrades = coverage != complete;
                assert!(others.len() <= 1, "{injection:?}: {ended:?}");
                assert!(!degrades || others.len() == 1, "{injection:?}: {ended:?}");
                // What is left alone is counted all the same.
                if others.iter().any(|line| line.contains("left alone")) {
                    assert_eq!(places(&coverage), places(&complete), "{injection:?}: {ended:?}");
                }
            }
        }
        if !has_failed {
            break;
        }
        failed_calls += 1;
    }
    // Start-up cannot do with less.
    assert!(failed_calls > 20, "only {failed_calls} calls");
}

#[test]
fn a_program_runs_whatever_call_of_start_up_fails() {
    let dist = need!(Dist::find());
    let runtime = dist.runtime().canonicalize().expect("the runtime");
    let hook = need!(guest("libforward_all.so"));
    let preload = format!("{}:{}", hook.display(), runtime.display());
    let environment = vec![("INTERCEPTOR_DEBUG_DUMP", "1".into())];
    check(&Subject { preload, runtime, environment });
}

#[test]
fn a_program_runs_whatever_call_fails_that_founds_a_group() {
    let dist = need!(Dist::find());
    let runtime = dist.runtime().canonicalize().expect("the runtime");
    let hook = need!(guest("libcensus.so"));
    let preload = format!("{}:{}", hook.display(), runtime.display());
    let environment = vec![("INTERCEPTOR_DEBUG_DUMP", "1".into()), ("CENSUS", "attach".into())];
    check(&Subject { preload, runtime, environment });
}

#[test]
fn a_program_runs_whatever_call_fails_that_spreads_a_net() {
    let dist = need!(Dist::find());
    let runtime = dist.runtime().canonicalize().expect("the runtime");
    let preload = runtime.display().to_string();
    let environment = vec![("INTERCEPTOR_DEBUG_DUMP", "1".into()), ("INTERCEPTOR_NET", "1".into())];
    check(&Subject { preload, runtime, environment });
}

#[test]
fn a_program_runs_whatever_call_fails_that_reads_plans() {
    let dist = need!(Dist::find());
    let runtime = dist.runtime().canonicalize().expect("the runtime");
    let scratch = Scratch::new();
    let plans = scratch.path("plans");
    assert_eq!(dist.plan(&plans, ["/bin/sh", "/bin/true"]).status.code(), Some(0));
    let preload = runtime.display().to_string();
    let environment = vec![("INTERCEPTOR_DEBUG_DUMP", "1".into()), ("INTERCEPTOR_PLANS", plans)];
    check(&Subject { preload, runtime, environment });
}
