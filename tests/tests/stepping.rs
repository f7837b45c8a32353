//! A signal at each single instruction of a call's way, and SIGKILL at each of a vfork
//! child's: `tests/guests/signal_stepped.c` and `vfork_stepped.c`, with a tracer that is
//! not intercepted itself, and takes no shortcut; with `INTERCEPTOR_EVERYTHING=1` all that
//! it can do, which takes an hour.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use interceptor_tests::{Dist, Program, guest, need};

/// Steps through calls with these libraries preloaded; `density` is a value of `STEPS`.
fn steps(libraries: &[PathBuf], density: &str, environment: &[(&str, &str)]) {
    steps_through("signal_stepped", libraries, density, environment);
}

fn steps_through(
    stepped: &str,
    libraries: &[PathBuf],
    density: &str,
    environment: &[(&str, &str)],
) {
    let is_everything = env::var_os("INTERCEPTOR_EVERYTHING").is_some();
    let (density, limit) = if is_everything { ("all", 7200) } else { (density, 300) };
    let mut preload = OsString::new();
    for library in libraries {
        preload.push(library);
        preload.push(" ");
    }
    let mut program = Program::new(need!(guest(stepped)))
        .environment("STEP_PRELOAD", preload)
        .environment("STEPS", density)
        .limit(Duration::from_secs(limit));
    for (name, value) in environment {
        program = program.environment(name, value);
    }
    let ended = program.natively();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    // It says how many there were: that something was stepped through is part
    // of what is shown.
    let most = ended.stderr.lines().filter_map(|line| {
        line.strip_suffix(" instructions")?.rsplit_once(' ')?.1.parse::<u32>().ok()
    });
    let most = most.max().unwrap_or_default();
    assert!(most >= 8, "{ended:?}");
}

#[test]
fn nobody_is_interested() {
    let dist = need!(Dist::find());
    for rung in ["hole", "after", "before"] {
        steps(&[dist.runtime()], "each", &[("INTERCEPTOR_FORCE_RUNG", rung)]);
    }
}

#[test]
fn nobody_is_interested_and_the_site_is_trapped() {
    let dist = need!(Dist::find());
    let trap = [("INTERCEPTOR_FORCE_RUNG", "trap"), ("STEP_TRAPPED", "1")];
    steps(&[dist.runtime()], "each", &trap);
}

#[test]
fn a_hook_is_interrupted() {
    let dist = need!(Dist::find());
    let hook = need!(guest("libinterruptible.so"));
    steps(&[hook, dist.runtime()], "few", &[("STEP_INTERRUPTED", "1")]);
}

#[test]
fn a_hook_makes_calls_of_its_own() {
    let dist = need!(Dist::find());
    let hook = need!(guest("libinterruptible.so"));
    steps(&[hook, dist.runtime()], "each", &[("INTERRUPTIBLE", "never")]);
}

#[test]
fn a_hook_forwards() {
    let dist = need!(Dist::find());
    let hook = need!(guest("libforward_all.so"));
    steps(&[hook, dist.runtime()], "each", &[]);
}

#[test]
fn a_hook_sees_signals() {
    let dist = need!(Dist::find());
    let hook = need!(guest("libforward_signals.so"));
    steps(&[hook, dist.runtime()], "each", &[]);
}

#[test]
fn calls_are_counted() {
    let dist = need!(Dist::find());
    let hook = need!(guest("libcounts_only.so"));
    steps(&[hook, dist.runtime()], "each", &[]);
}

#[test]
fn a_hook_changes_number_and_arguments() {
    let dist = need!(Dist::find());
    let hook = need!(guest("libchange_calls.so"));
    steps(&[hook, dist.runtime()], "few", &[("STEP_CHANGED", "1")]);
}

#[test]
fn a_hook_in_rust_sees_results() {
    need!(Dist::find());
    steps(&[need!(guest("librust_forward.so"))], "few", &[]);
}

/// Kills a vfork child at single instructions, with these libraries preloaded into it and
/// its parent.
fn kills(libraries: &[PathBuf], environment: &[(&str, &str)]) {
    steps_through("vfork_stepped", libraries, "few", environment);
}

#[test]
fn a_vfork_child_that_is_killed_at_any_instruction_leaves_its_parent_as_it_was() {
    let dist = need!(Dist::find());
    kills(&[dist.runtime()], &[]);
    kills(&[dist.runtime()], &[("INTERCEPTOR_FORCE_RUNG", "trap")]);
    for hook in ["libforward_all.so", "libforward_pairs.so", "libforward_signals.so"] {
        kills(&[need!(guest(hook)), dist.runtime()], &[]);
    }
    kills(&[need!(guest("librust_forward.so"))], &[]);
}

#[test]
fn a_vfork_child_that_is_killed_in_sigaction_leaves_nothing_taken() {
    let dist = need!(Dist::find());
    let program = Program::new(need!(guest("vfork_actions")));
    let native = program.natively();
    assert_eq!(native.status.code(), Some(0), "{native:?}");
    let hook = need!(guest("libforward_all.so"));
    for options in [vec!["run".as_ref()], vec!["run".as_ref(), "--hook".as_ref(), hook.as_os_str()]]
    {
        let ended = program.under(&dist, &options);
        assert_eq!((&ended.stdout, ended.status.code()), (&native.stdout, Some(0)), "{ended:?}");
    }
}
