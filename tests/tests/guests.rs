//! Every guest gives natively what it gives in every mode: the same standard
//! output, standard error, ending, and files left behind.
//!
//! Each guest in each mode is a check of its own. What is known to differ is
//! listed in `interceptor_tests::KNOWN`, with the reason; a listed difference that
//! has gone is a failure, too.
//!
//! `INTERCEPTOR_REPEAT=N` runs each check N times.

use std::collections::HashMap;
use std::env;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use interceptor_tests::{
    Dist, Ended, KNOWN, Missing, Mode, Modes, Program, Scratch, Source, check_quoted, guest, judge,
    skip,
};
use libtest_mimic::{Arguments, Failed, Trial};

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
    checks.push(Trial::test("capabilities_quote_the_known_differences", || {
        Ok(check_quoted("guest", KNOWN)?)
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
    for mode in Modes::all() {
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
        Ok(self.native.get_or_init(|| {
            let directory = Scratch::new();
            program.directory(&directory).natively()
        }))
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

    /// As often as `INTERCEPTOR_REPEAT` says.
    fn is_as_natively(&self, mode: &Mode) -> Result<(), Failed> {
        let repeat = env::var("INTERCEPTOR_REPEAT").unwrap_or_else(|_| "1".to_owned());
        let times: usize = repeat.parse().map_err(|_| "INTERCEPTOR_REPEAT is to be a number")?;
        (0..times).try_for_each(|_| self.is_once_as_natively(mode))
    }

    fn is_once_as_natively(&self, mode: &Mode) -> Result<(), Failed> {
        let ended = Dist::find().and_then(|dist| {
            let native = self.native()?;
            let directory = Scratch::new();
            Ok((native, mode.run(&dist, &self.program()?.directory(&directory))?))
        });
        let (native, ours) = match ended {
            Ok(both) => both,
            Err(missing) => return skipped(&missing),
        };
        Ok(judge(KNOWN, &self.program, mode, native, &ours).check()?)
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
        let mut modes = Modes::all().filter(|mode| known.is_in(mode));
        assert!(modes.any(|mode| !is_musl || MUSL_MODES.contains(&mode.name)), "{}", known.guest);
        assert_eq!(known.unknown_modes(), [""; 0], "{}", known.guest);
        assert!(!known.reason.is_empty());
    }
}
