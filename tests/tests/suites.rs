//! Tests that others wrote for their own programs pass in every mode, if they pass
//! natively: parts of the suites of CPython, Go, stress-ng, Perl, the Linux Test Project
//! and of crates.
//!
//! Each part of a suite in each mode is a check of its own. A part is run natively
//! twice. What passes both times has to pass intercepted, and what never passes must
//! not; the rest is not stable, and is named. Before a difference is reported, the part
//! is run natively again, so that a test which fails now and then is not mistaken.
//!
//! Every run of all tests has a few of them. `cargo xtask test suites` and
//! `INTERCEPTOR_EVERYTHING=1` run all.

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use interceptor_tests::{
    Dist, Extent, KNOWN_IN_SUITES, Known, Missing, Mode, Modes, Outcome, Part, SUITES, Suite,
    check_quoted, skip,
};
use libtest_mimic::{Arguments, Failed, Trial};

/// In which modes, and in which of them when only a few tests are run.
const MODES: &[&str] = &["run", "trace", "hook"];
const MODES_QUICK: &[&str] = &["trace", "hook"];

/// Runs at once. Many of the tests measure time.
const PARALLEL: usize = 2;

/// How often a part is run natively at first, and at most.
const RUNS: usize = 2;
const MOST_RUNS: usize = 4;

/// Lines of what a run printed that are shown when something differs.
const SHOWN: usize = 60;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(PARALLEL);
    libtest_mimic::run(&arguments, checks()).exit_code()
}

fn checks() -> Vec<Trial> {
    let is_whole = env::var_os("INTERCEPTOR_EVERYTHING").is_some();
    let (extent, modes) =
        if is_whole { (Extent::Whole, MODES) } else { (Extent::Quick, MODES_QUICK) };
    let mut checks = Vec::new();
    for suite in SUITES {
        for part in suite.parts.iter().filter(|part| is_whole || part.is_quick()) {
            let name = format!("{}_{}", suite.name, part.name);
            let subject = Arc::new(Subject { suite, part, extent, native: Mutex::default() });
            let native = Arc::clone(&subject);
            let check = move || native.has_stable_tests();
            checks.push(Trial::test(format!("{name}_has_tests_that_pass_natively"), check));
            for mode in Modes::all().filter(|mode| modes.contains(&mode.name)) {
                let subject = Arc::clone(&subject);
                let check = move || subject.is_as_natively(mode);
                let name = format!("{name}_under_{}_passes_what_passes_natively", mode.name);
                checks.push(Trial::test(name, check));
            }
        }
    }
    checks.push(Trial::test("capabilities_quote_the_known_differences_in_suites", || {
        Ok(check_quoted("suite, part and test", KNOWN_IN_SUITES)?)
    }));
    checks.push(Trial::test("known_differences_in_suites_name_parts_and_modes_that_exist", || {
        known_differences_name_parts_and_modes_that_exist();
        Ok(())
    }));
    checks
}

fn known_differences_name_parts_and_modes_that_exist() {
    let parts: Vec<String> = SUITES
        .iter()
        .flat_map(|suite| suite.parts.iter().map(|part| format!("{} {} ", suite.name, part.name)))
        .collect();
    for known in KNOWN_IN_SUITES {
        assert!(parts.iter().any(|part| known.guest.starts_with(part)), "{}", known.guest);
        assert!(
            MODES.iter().any(|name| Modes::named(name).is_some_and(|mode| known.is_in(mode))),
            "{}",
            known.guest
        );
        assert_eq!(known.unknown_modes(), [""; 0], "{}", known.guest);
    }
}

/// A part of a suite.
struct Subject {
    suite: &'static Suite,
    part: &'static Part,
    extent: Extent,
    native: Mutex<Native>,
}

/// What passes natively, of all runs so far.
#[derive(Clone, Default)]
struct Native {
    runs: usize,
    always: BTreeSet<String>,
    ever: BTreeSet<String>,
}

impl Native {
    fn add(&mut self, passed: BTreeSet<String>) {
        self.always = match self.runs {
            0 => passed.clone(),
            _ => self.always.intersection(&passed).cloned().collect(),
        };
        self.ever.extend(passed);
        self.runs += 1;
    }
}

/// Tests of which just one of native and intercepted runs says that they pass.
struct Difference {
    only_natively: Vec<String>,
    only_intercepted: Vec<String>,
    /// Known to fail intercepted, and passed.
    no_longer: Vec<String>,
}

impl Difference {
    fn is_empty(&self) -> bool {
        let Difference { only_natively, only_intercepted, no_longer } = self;
        [only_natively, only_intercepted, no_longer].into_iter().all(Vec::is_empty)
    }
}

impl Subject {
    /// What passes natively, of at least so many runs.
    fn native(&self, runs: usize) -> Result<Native, Missing> {
        let mut native = self.native.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if native.runs < runs {
            self.suite.build(self.part)?;
            while native.runs < runs {
                native.add(self.suite.run(self.part, self.extent, |p| Ok(p.natively()))?.passed);
            }
            self.say_what_is_left_out(&native);
        }
        Ok(native.clone())
    }

    fn say_what_is_left_out(&self, native: &Native) {
        for test in native.ever.difference(&native.always) {
            let (suite, part, runs) = (self.suite.name, self.part.name, native.runs);
            // Not by println!, which is captured when a check passes.
            let _ = writeln!(
                std::io::stdout(),
                "LEFT OUT: {suite} {part}: {test}: passes in some of {runs} native runs"
            );
        }
    }

    fn has_stable_tests(&self) -> Result<(), Failed> {
        match self.native(RUNS) {
            Ok(native) if native.always.is_empty() => Err("no test passes natively".into()),
            Ok(_) => Ok(()),
            Err(missing) => skipped(&missing),
        }
    }

    fn is_as_natively(&self, mode: &Mode) -> Result<(), Failed> {
        match self.compare(mode) {
            Ok((difference, _)) if difference.is_empty() => Ok(()),
            Ok((difference, outcome)) => Err(described(&difference, &outcome).into()),
            Err(missing) => skipped(&missing),
        }
    }

    fn difference(&self, mode: &Mode, native: &Native, ours: &BTreeSet<String>) -> Difference {
        let known = |test: &String| {
            let name = format!("{} {} {test}", self.suite.name, self.part.name);
            KNOWN_IN_SUITES.iter().find(|known| known.guest == name && known.is_in(mode))
        };
        let is_no_longer = |test: &&String| known(test).is_some_and(Known::is_certain);
        let fails = native.always.difference(ours).filter(|test| known(test).is_none());
        let passes = ours.difference(&native.ever);
        let both = native.always.intersection(ours).filter(is_no_longer);
        Difference {
            only_natively: fails.cloned().collect(),
            only_intercepted: passes.cloned().collect(),
            no_longer: both.cloned().collect(),
        }
    }

    fn compare(&self, mode: &Mode) -> Result<(Difference, Outcome), Missing> {
        let dist = Dist::find()?;
        let mut native = self.native(RUNS)?;
        let ours = self.suite.run(self.part, self.extent, |program| mode.run(&dist, program))?;
        loop {
            let difference = self.difference(mode, &native, &ours.passed);
            if difference.is_empty() || native.runs == MOST_RUNS {
                return Ok((difference, ours));
            }
            native = self.native(native.runs + 1)?;
        }
    }
}

fn described(difference: &Difference, outcome: &Outcome) -> String {
    let mut text = String::new();
    for (what, tests) in [
        ("passes only natively", &difference.only_natively),
        ("passes only intercepted", &difference.only_intercepted),
        ("was known to fail, and passes", &difference.no_longer),
    ] {
        for test in tests {
            let _ = writeln!(text, "{what}: {test}");
        }
    }
    let _ = writeln!(text, "ended with {:?}", outcome.said.status);
    for (name, said) in [("output", &outcome.said.stdout), ("error", &outcome.said.stderr)] {
        let lines: Vec<&str> = said.lines().collect();
        let _ = writeln!(text, "standard {name}, the last of {} lines:", lines.len());
        for line in lines.iter().skip(lines.len().saturating_sub(SHOWN)) {
            let _ = writeln!(text, "    {line}");
        }
    }
    text
}

fn skipped(missing: &Missing) -> Result<(), Failed> {
    skip(missing);
    Ok(())
}
