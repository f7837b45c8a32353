//! Other people's test suites: what there is of them, and how one runs.
//!
//! A script in `tests/suites` knows how a suite is built and run; here is which parts
//! of it there are. `sh NAME.sh build DIRECTORY TESTS` makes ready what is needed,
//! natively, and ends with status 77 when it cannot be had. `sh NAME.sh run DIRECTORY
//! TESTS OPTIONS` runs the tests in a new directory. Its report is the file `$REPORT`,
//! or what it prints.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::dist::{built_suites, installed};
use crate::missing::Missing;
use crate::program::{Ended, Program};
use crate::report::Report;
use crate::scratch::Scratch;

/// A suite.
pub struct Suite {
    /// Its script.
    pub name: &'static str,
    report: Report,
    /// Its parts.
    pub parts: &'static [Part],
}

/// Tests of a suite that run together.
pub struct Part {
    /// As it appears in the names of checks.
    pub name: &'static str,
    tests: &'static str,
    options: &'static str,
    /// Options that choose the few tests which belong to every run of all tests.
    quick: Option<&'static str>,
    limit: Duration,
}

/// How much of a part is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What belongs to every run of all tests.
    Quick,
    /// All of it.
    Whole,
}

const fn part(name: &'static str, tests: &'static str) -> Part {
    Part { name, tests, options: "", quick: None, limit: Duration::from_secs(15 * 60) }
}

impl Part {
    const fn with(mut self, options: &'static str) -> Part {
        self.options = options;
        self
    }

    const fn quick(mut self, options: &'static str) -> Part {
        self.quick = Some(options);
        self
    }

    /// Whether it has tests that belong to every run.
    pub fn is_quick(&self) -> bool {
        self.quick.is_some()
    }

    fn options(&self, extent: Extent) -> &'static str {
        match extent {
            Extent::Quick => self.quick.unwrap_or_default(),
            Extent::Whole => self.options,
        }
    }
}

/// All suites.
pub const SUITES: &[Suite] = &[
    Suite {
        name: "cpython",
        report: Report::JUnit,
        parts: &[
            part("test_signal", "test_signal").quick("-m Wakeup* -m Posix* -m Stress*"),
            part("test_faulthandler", "test_faulthandler").quick("-m test_sig* -m test_fatal*"),
            part("test_threading", "test_threading").quick("-m *fork* -m *Fork*"),
            part("test_subprocess", "test_subprocess").quick("-m POSIX*signal* -m *preexec*"),
            part("test_asyncio", "test_asyncio"),
            part("processes", "test_fork1 test_wait3 test_wait4 test_popen test_posix test_pty"),
            part("waiting", "test_select test_selectors test_epoll test_poll test_eintr"),
            part(
                "threads",
                "test_thread test_threadsignals test_threading_local test_queue test_sched",
            ),
            part("files", "test_os test_shutil test_tempfile test_fcntl test_ioctl test_mmap"),
            // On some virtual machines those of VSOCK wait for their host for ever.
            part("sockets", "test_socket test_socketserver test_ssl test_asyncore")
                .with("-i *VSOCK*"),
            part("workers", "test_multiprocessing_fork test_multiprocessing_spawn"),
        ],
    },
    Suite {
        name: "go",
        report: Report::Go,
        parts: &[
            part("os", "os"),
            part("os_exec", "os/exec").quick("-test.short"),
            part("os_signal", "os/signal").quick("-test.short -test.run Signal|Notify|Ignore"),
            part("net", "net").with("-test.short"),
            part("syscall", "syscall").quick("-test.short"),
            part("runtime", "runtime").with("-test.short"),
        ],
    },
    Suite {
        name: "stress_ng",
        report: Report::Tap,
        parts: &[
            part(
                "signals",
                "alarm itimer kill nanosleep sigabrt sigchld sigfd sigfpe sigio signal signest \
                 sigpending sigpipe sigq sigrt sigsegv sigsuspend sigtrap sleep timer timerfd \
                 bad-altstack longjmp context",
            )
            .quick("sigabrt sigfpe signest sigq sigsegv sigsuspend"),
            part(
                "births",
                "fork vfork clone pthread exec spawn daemon zombie wait forkheavy exit-group \
                 session vforkmany mmapfork sigchld nice pidfd",
            )
            .quick("fork vfork clone pthread exec"),
            part(
                "calls",
                "futex mutex sem poll epoll eventfd pipe sockpair dup mprotect mremap prctl \
                 ptrace seccomp set sysinval enosys syscall rseq vdso usersyscall \
                 membarrier unshare switch msg mq shm",
            ),
        ],
    },
    Suite {
        name: "perl",
        report: Report::Tap,
        parts: &[part("io", "io/*.t"), part("op", "op/*.t")],
    },
    Suite {
        name: "ltp",
        report: Report::Tap,
        parts: &[
            part("calls_a_to_e", "calls [a-e]"),
            part("calls_f_to_k", "calls [f-k]"),
            part("calls_l_to_p", "calls [l-p]"),
            part("calls_q_to_s", "calls [q-s]"),
            part("calls_t_to_z", "calls [t-z]"),
            part("posix_a_to_o", "posix [a-o]"),
            part("posix_p", "posix p"),
            part("posix_q_to_z", "posix [q-z]"),
        ],
    },
    Suite {
        name: "crate",
        report: Report::Libtest,
        parts: &[
            part("mio", "mio 1.2.5 --features os-poll,os-ext,net"),
            part("rustix", "rustix 1.1.6 --features all-apis"),
            part("nix", "nix 0.32.0 --all-features"),
            part("signal_hook_registry", "signal-hook-registry 1.4.8"),
            part("subprocess", "subprocess 0.2.15"),
            part("shared_child", "shared_child 1.1.2"),
        ],
    },
];

impl Suite {
    /// Makes ready what a part needs.
    ///
    /// # Errors
    ///
    /// It cannot be had.
    ///
    /// # Panics
    ///
    /// If it cannot be built from what there is.
    pub fn build(&self, part: &Part) -> Result<(), Missing> {
        let text = fs::read_to_string(self.script()).expect("the script");
        let needs = text.lines().find_map(|line| line.strip_prefix("# needs: "));
        for program in needs.expect("a line of needs").split_whitespace() {
            installed(program)?;
        }
        let directory = self.directory();
        fs::create_dir_all(&directory).expect("a directory for a suite");
        let output = Command::new("/bin/sh")
            .arg(self.script())
            .args(["build".as_ref(), directory.as_os_str(), part.tests.as_ref()])
            // It names where we were built.
            .env_remove("CARGO_TARGET_DIR")
            .output()
            .expect("a shell");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        match output.status.code() {
            Some(0) => Ok(()),
            Some(77) => Err(Missing(format!("{} {}: {}", self.name, part.name, said.trim()))),
            _ => panic!("{} {} cannot be built:\n{said}", self.name, part.name),
        }
    }

    /// Runs a part by `run`, natively or intercepted.
    ///
    /// # Errors
    ///
    /// Those of `run`.
    pub fn run(
        &self,
        part: &Part,
        extent: Extent,
        run: impl Fn(&Program) -> Result<Ended, Missing>,
    ) -> Result<Outcome, Missing> {
        let directory = Scratch::new();
        let report = directory.path("report.of.the.suite");
        let program = Program::new("/bin/sh")
            .arguments([self.script().as_os_str(), "run".as_ref(), self.directory().as_os_str()])
            .arguments([part.tests, part.options(extent)])
            .environment("REPORT", &report)
            .environment("LC_ALL", "C.UTF-8")
            .directory(&directory)
            .limit(part.limit);
        let ended = run(&program)?;
        let text = fs::read(&report).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let passed = self.report.passed(text.as_ref().unwrap_or(&ended.stdout));
        Ok(Outcome { passed, said: ended })
    }

    fn script(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("suites").join(format!("{}.sh", self.name))
    }

    fn directory(&self) -> PathBuf {
        built_suites().join(self.name)
    }
}

/// What came of one run of a part.
pub struct Outcome {
    /// Names of the tests that have passed.
    pub passed: BTreeSet<String>,
    /// Everything that was printed.
    pub said: Ended,
}
