//! Tools that find faults find the same ones in a program that is intercepted:
//! sanitizers beside us, valgrind without us, which is said.
//!
//! The faults are those of `tests/guests/sanitized.h`.

use interceptor_tests::{Dist, Ended, Missing, Mode, Modes, Program, guest, installed, need};

/// What we say under valgrind.
const VALGRIND: &str = "interceptor: not armed, the program runs untouched: valgrind executes it";

/// A report without what differs from run to run: addresses and process ids; and
/// the shadow memory around, which shows what threads have left there.
fn faults(report: &str) -> Vec<String> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    report
        .lines()
        .take_while(|line| !line.starts_with("Shadow bytes around"))
        .filter(|line| !line.starts_with("interceptor: "))
        .map(|line| {
            let words = line.split_inclusive(|letter| !is_word(letter));
            words
                .map(|word| {
                    let digits = word.trim_end_matches(|letter| !is_word(letter));
                    let is_address = digits.starts_with("0x");
                    let is_number =
                        !digits.is_empty() && digits.chars().all(|d| d.is_ascii_digit());
                    if is_address || (is_number && digits.len() > 2) {
                        word.replace(digits, "N")
                    } else {
                        word.to_owned()
                    }
                })
                .collect()
        })
        .collect()
}

fn usual(name: &str) -> &'static Mode {
    Modes::USUAL.iter().find(|mode| mode.name == name).expect("a mode")
}

/// Runs a guest that makes one fault, natively and in two modes.
fn finds(name: &str, options: (&str, &str), fault: &str, summary: &str) -> Result<(), Missing> {
    let dist = Dist::find()?;
    let program = Program::new(guest(name)?).arguments([fault]).environment(options.0, options.1);
    let native = program.natively();
    assert!(native.stderr.contains(summary), "{native:?}");
    for mode in ["trace", "hook"] {
        let ours: Ended = usual(mode).run(&dist, &program)?;
        assert_eq!((ours.status, &ours.stdout), (native.status, &native.stdout), "{ours:?}");
        assert_eq!(faults(&ours.stderr), faults(&native.stderr), "{}", ours.stderr);
        assert!(!ours.stderr.contains("interceptor: "), "{}", ours.stderr);
    }
    Ok(())
}

#[test]
fn the_address_sanitizer_finds_the_same_use_of_freed_memory() {
    let options = ("ASAN_OPTIONS", "detect_leaks=0");
    need!(finds("sanitized_address", options, "freed", "heap-use-after-free"));
}

#[test]
fn the_leak_sanitizer_finds_the_same_leak() {
    let options = ("ASAN_OPTIONS", "detect_leaks=1");
    need!(finds("sanitized_address", options, "leaked", "10 byte(s) leaked in 1 allocation(s)"));
}

#[test]
fn the_thread_sanitizer_finds_the_same_race() {
    let options = ("TSAN_OPTIONS", "report_bugs=1");
    need!(finds("sanitized_thread", options, "race", "data race"));
}

#[test]
fn valgrind_finds_the_same_fault_and_we_stand_back() {
    let dist = need!(Dist::find());
    need!(installed("valgrind"));
    let hook = need!(guest("libforward_all.so"));
    let hook = hook.to_str().expect("a name in UTF-8");
    let guest = need!(guest("sanitized_not"));
    let program = Program::new("valgrind")
        .arguments(["-q", "--error-exitcode=9"])
        .arguments([guest.as_os_str(), "freed".as_ref()]);
    let native = program.natively();
    assert_eq!(native.status.code(), Some(9), "{native:?}");
    assert!(native.stderr.contains("Invalid read of size 1"), "{native:?}");
    let preload = format!("{hook}:{}", dist.runtime().display());
    let client = program.clone().environment("LD_PRELOAD", preload).natively();
    for ours in [program.under(&dist, &["run", "--hook", hook]), client] {
        assert_eq!((ours.status, &ours.stdout), (native.status, &native.stdout), "{ours:?}");
        let said = ours.stderr.lines().filter(|line| *line == VALGRIND).count();
        assert_eq!(said, 1, "{}", ours.stderr);
        assert_eq!(faults(&ours.stderr), faults(&native.stderr), "{}", ours.stderr);
    }
}
