//! Every guest gives natively what it gives in every mode: the same standard
//! output, standard error and ending.
//!
//! Each guest in each mode is a check of its own. What is known to differ is
//! listed in `KNOWN`, with the reason; a listed difference that has gone is a
//! failure, too.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use interceptor_tests::{Dist, Ended, Missing, Mode, Modes, Program, Source, guest, skip};
use libtest_mimic::{Arguments, Failed, Trial};

/// How sure a known difference is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Differs {
    /// In every run.
    Always,
    /// In some.
    Sometimes,
}

/// A difference that is known and explained in CAPABILITIES.md.
struct Known {
    guest: &'static str,
    modes: &'static [&'static str],
    differs: Differs,
    reason: &'static str,
}

/// Every difference that is known.
const KNOWN: &[Known] = &[
    Known {
        guest: "clone_raw",
        modes: &[
            "run",
            "stat",
            "trace",
            "hook",
            "signals",
            "xsave",
            "hole",
            "after",
            "before",
            "trap",
            "hole_hook",
            "after_hook",
            "before_hook",
            "trap_hook",
        ],
        differs: Differs::Always,
        reason: "threads without libc\'s storage end interception, with one line",
    },
    Known {
        guest: "ptrace_child",
        modes: &["trace", "hole", "trap", "hole_hook", "trap_hook"],
        differs: Differs::Always,
        reason: "a tracer sees the runtime's own calls and signals, too",
    },
    Known {
        guest: "ptrace_child.musl",
        modes: &["trace"],
        differs: Differs::Always,
        reason: "a tracer sees the runtime's own calls and signals, too",
    },
    Known {
        guest: "sud",
        modes: &[
            "run",
            "stat",
            "trace",
            "hook",
            "signals",
            "xsave",
            "hole",
            "after",
            "before",
            "trap",
            "hole_hook",
            "after_hook",
            "before_hook",
            "trap_hook",
        ],
        differs: Differs::Always,
        reason: "Syscall User Dispatch is refused as by a kernel without it",
    },
    Known {
        guest: "signal_altstack",
        modes: FORCED,
        differs: Differs::Sometimes,
        reason: "a trap needs room for a signal frame, on the smallest stack, too",
    },
    Known {
        guest: "stack_small",
        modes: FORCED,
        differs: Differs::Sometimes,
        reason: "a trap needs room for a signal frame, on the smallest stack, too",
    },
];

/// Modes in which sites that one rung does not fit are trapped.
const FORCED: &[&str] =
    &["hole", "after", "before", "trap", "hole_hook", "after_hook", "before_hook", "trap_hook"];

/// Modes in which guests are run that were built with musl.
const MUSL_MODES: &[&str] = &["run", "trace"];

/// Runs at once. Guests measure time and have threads of their own.
const PARALLEL: usize = 2;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(PARALLEL);
    libtest_mimic::run(&arguments, checks()).exit_code()
}

fn checks() -> Vec<Trial> {
    let mut checks = Vec::new();
    for source in Source::all() {
        add_checks(&source, "", |_| true, &mut checks);
        if source.has_musl {
            add_checks(&source, ".musl", |mode| MUSL_MODES.contains(&mode.name), &mut checks);
        }
    }
    checks.push(Trial::test("known_differences_name_checks_that_exist", || {
        known_differences_name_checks_that_exist();
        Ok(())
    }));
    checks
}

/// One build of a guest, and how it ends natively, found out once.
struct Build {
    program: String,
    ends: String,
    native: OnceLock<Ended>,
}

fn add_checks(source: &Source, suffix: &str, runs_in: fn(&Mode) -> bool, checks: &mut Vec<Trial>) {
    let name = format!("{}{suffix}", source.name);
    let build = Arc::new(Build {
        program: name.clone(),
        ends: source.ends.clone(),
        native: OnceLock::new(),
    });
    let native = Arc::clone(&build);
    checks.push(Trial::test(format!("{name}_passes_natively"), move || native.passes_natively()));
    for mode in [Modes::USUAL, Modes::FORCED].into_iter().flatten() {
        if runs_in(mode) {
            let build = Arc::clone(&build);
            checks.push(Trial::test(
                format!("{name}_under_{}_is_as_natively", mode.name),
                move || build.is_as_natively(mode),
            ));
        }
    }
}

impl Build {
    fn program(&self) -> Result<Program, Missing> {
        Ok(Program::new(guest(&self.program)?))
    }

    fn native(&self) -> Result<&Ended, Missing> {
        let program = self.program()?;
        Ok(self.native.get_or_init(|| program.natively()))
    }

    fn passes_natively(&self) -> Result<(), Failed> {
        let ended = match self.native() {
            Ok(ended) => ended,
            Err(missing) => return skipped(&missing),
        };
        let ending = ended.status.named();
        if ending == self.ends {
            Ok(())
        } else {
            Err(format!("ends with {ending}, not {}: {ended:?}", self.ends).into())
        }
    }

    fn is_as_natively(&self, mode: &Mode) -> Result<(), Failed> {
        let ended = Dist::find().and_then(|dist| {
            let native = self.native()?;
            Ok((native, mode.run(&dist, &self.program()?)?))
        });
        let (native, ours) = match ended {
            Ok(both) => both,
            Err(missing) => return skipped(&missing),
        };
        let known = KNOWN
            .iter()
            .find(|known| known.guest == self.program && known.modes.contains(&mode.name));
        match (known, ours == *native) {
            (None, false) => Err(native.difference(&ours).into()),
            (Some(known), true) if known.differs == Differs::Always => {
                Err(format!("no longer differs; it was known to: {}", known.reason).into())
            }
            _ => Ok(()),
        }
    }
}

fn skipped(missing: &Missing) -> Result<(), Failed> {
    skip(missing);
    Ok(())
}

fn known_differences_name_checks_that_exist() {
    let builds: HashMap<String, bool> = Source::all()
        .into_iter()
        .flat_map(|guest| {
            let musl = guest.has_musl.then(|| (format!("{}.musl", guest.name), true));
            [(guest.name, false)].into_iter().chain(musl)
        })
        .collect();
    for known in KNOWN {
        let is_musl = *builds.get(known.guest).expect(known.guest);
        for mode in known.modes {
            let exists = [Modes::USUAL, Modes::FORCED]
                .into_iter()
                .flatten()
                .any(|other| other.name == *mode);
            assert!(exists && (!is_musl || MUSL_MODES.contains(mode)), "{mode}");
        }
        assert!(!known.reason.is_empty());
    }
}
