//! Counting tests over all test programs.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use nix::sys::signal::{SigHandler, Signal, signal};

/// How a test says that it could not run; printed by the harness in `tests/src`.
const SKIPPED: &str = "SKIPPED: ";

/// How many tests ended how.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests that libtest calls passed, those that skipped themselves included.
    passed: u64,
    failed: u64,
    /// Tests that returned early because something they need is missing.
    skipped: u64,
    /// Tests that libtest was told to ignore.
    ignored: u64,
    /// A test program has begun and not yet summed up.
    is_open: bool,
    /// What failed tests have printed, which libtest shows before the summary.
    failures: String,
    is_in_failures: bool,
}

impl Tally {
    /// Runs `cargo test`, shows what it prints and counts its results.
    pub fn run(&mut self, command: &mut Command) -> Result<()> {
        // SAFETY: system calls, which is all that may be done there.
        unsafe { command.pre_exec(default_signals) };
        let mut child =
            command.stdout(Stdio::piped()).spawn().context("cannot start cargo test")?;
        let mut output = BufReader::new(child.stdout.take().context("no pipe from cargo test")?);
        let failed_before = self.failed;
        let mut line = Vec::new();
        // By bytes: a failing test may print anything.
        while output.read_until(b'\n', &mut line)? > 0 {
            io::stdout().write_all(&line)?;
            self.read_line(&String::from_utf8_lossy(&line));
            line.clear();
        }
        self.close();
        let status = child.wait()?;
        if !status.success() && self.failed == failed_before {
            // It did not compile.
            self.failed += 1;
        }
        Ok(())
    }

    /// Adds a check that is not a test program.
    pub fn add(&mut self, has_passed: bool) {
        if has_passed {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }

    /// Counts a check that could not be made.
    pub fn skip(&mut self) {
        self.skipped += 1;
    }

    /// What failed tests have printed.
    pub fn failures(&self) -> &str {
        &self.failures
    }

    /// Success, if nothing failed.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(u8::from(self.failed > 0))
    }

    fn read_line(&mut self, line: &str) {
        if line.starts_with("running ") && line.trim_end().ends_with(" tests") {
            self.close();
            self.is_open = true;
        } else if line.trim_end() == "failures:" {
            // First what they have printed, then a list of them.
            self.is_in_failures = !self.is_in_failures;
        } else if let Some(summary) = line.strip_prefix("test result: ") {
            (self.is_open, self.is_in_failures) = (false, false);
            self.passed += count(summary, "passed");
            self.failed += count(summary, "failed");
            self.ignored += count(summary, "ignored");
        } else if line.contains(SKIPPED) {
            self.skipped += 1;
        } else if self.is_in_failures {
            self.failures.push_str(line);
        }
    }

    /// A test program without a summary has died.
    fn close(&mut self) {
        self.is_in_failures = false;
        if std::mem::take(&mut self.is_open) {
            self.failed += 1;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed.saturating_sub(self.skipped),
            self.failed,
            self.skipped + self.ignored
        )
    }
}

/// Takes back what a shell or nohup ignores of a job in the background: tests send these.
fn default_signals() -> io::Result<()> {
    for ignored in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
        // SAFETY: no handler.
        unsafe { signal(ignored, SigHandler::SigDfl) }?;
    }
    Ok(())
}

/// The number before `word` in `ok. 5 passed; 0 failed; …`.
fn count(summary: &str, word: &str) -> u64 {
    let mut words = summary.split([' ', ';']).filter(|part| !part.is_empty());
    let mut previous = "";
    for part in words.by_ref() {
        if part == word {
            return previous.parse().unwrap_or(0);
        }
        previous = part;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(output: &str) -> String {
        tally_of(output).to_string()
    }

    fn tally_of(output: &str) -> Tally {
        let mut tally = Tally::default();
        for line in output.lines() {
            tally.read_line(line);
        }
        tally.close();
        tally
    }

    #[test]
    fn results_of_several_programs_add_up() {
        let output = "running 3 tests\n\
            test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n\
            running 2 tests\n\
            test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(tally(output), "3 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn what_failed_tests_print_is_kept() {
        let output = "running 2 tests\ntest a ... FAILED\ntest b ... ok\n\nfailures:\n\n\
            ---- a stdout ----\nis wrong\n\nfailures:\n    a\n\n\
            test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n\
            running 1 test\ntest c ... ok\n";
        assert_eq!(tally_of(output).failures(), "---- a stdout ----is wrong");
    }

    #[test]
    fn a_test_that_skipped_itself_has_not_passed() {
        let output = "running 2 tests\n\
            test a ... SKIPPED: no musl-gcc\n\
            test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(tally(output), "1 passed, 0 failed, 1 skipped");
    }

    #[test]
    fn a_test_program_that_dies_without_a_summary_has_failed() {
        let output = "running 2 tests\nrunning 0 tests\n\
            test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(tally(output), "0 passed, 1 failed, 0 skipped");
    }
}
