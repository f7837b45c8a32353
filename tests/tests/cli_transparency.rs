//! A program under our command has the streams, arguments, descriptors and
//! environment that it has without.

use std::fs;
use std::process::Command;

use interceptor_tests::{Dist, Program, Scratch, need};

#[test]
fn standard_streams_belong_to_the_program() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let report = scratch.path("report");
    let report = report.to_str().expect("a name in UTF-8");
    let program = Program::shell("cat; echo out; echo err >&2").input("in\n");
    let native = program.natively();
    for command in [&["run"][..], &["trace", "-o", report], &["stat", "-o", report]] {
        assert_eq!(program.under(&dist, command), native, "{command:?}");
    }
}

#[test]
fn a_report_on_standard_error_leaves_standard_output_alone() {
    let dist = need!(Dist::find());
    let program = Program::new("/bin/echo").arguments(["hello"]);
    for command in [&["trace"][..], &["trace", "-c"], &["stat"]] {
        let ended = program.under(&dist, command);
        assert_eq!(ended.stdout, "hello\n", "{command:?}");
        assert!(ended.stderr.contains("interceptor: "), "{ended:?}");
    }
}

#[test]
fn a_report_replaces_what_its_file_held() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let report = scratch.file("report", 0o644, "old content\n".repeat(10_000));
    let name = report.to_str().expect("a name in UTF-8");
    let ended = Program::new("/bin/true").under(&dist, &["stat", "-o", name]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    let text = fs::read_to_string(&report).expect("a report");
    assert!(!text.contains("old content") && text.contains("total"), "{text}");
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_the_program_runs() {
    let dist = need!(Dist::find());
    let ended = Program::new("/bin/echo").under(&dist, &["trace", "-o", "/no/such/directory/f"]);
    assert_eq!(ended.status.code(), Some(2));
    assert_eq!(ended.stdout, "");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
}

#[test]
fn arguments_are_the_users_own_words() {
    let dist = need!(Dist::find());
    let words = ["--hook", "-o", "--", "", "a b", "-h", "\u{fc}"];
    let program = Program::new("/usr/bin/printf").arguments(["[%s]"]).arguments(words);
    assert_eq!(program.under(&dist, &["run"]), program.natively());
}

#[test]
fn the_program_is_called_as_the_user_called_it() {
    let dist = need!(Dist::find());
    let program = Program::new("sh").arguments(["-c", "cat /proc/$$/cmdline"]);
    assert_eq!(program.under(&dist, &["run"]), program.natively());
}

#[test]
fn run_adds_no_descriptors_and_no_variables_but_the_preload() {
    let dist = need!(Dist::find());
    let descriptors = Program::shell("cd /proc/$$/fd; echo *");
    assert_eq!(descriptors.under(&dist, &["run"]), descriptors.natively());

    let environment = Program::new("/usr/bin/env");
    let variables = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with("LD_PRELOAD="));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(
        variables(&environment.under(&dist, &["run"]).stdout),
        variables(&environment.natively().stdout)
    );
}

#[test]
fn closed_standard_descriptors_stay_closed() {
    let dist = need!(Dist::find());
    let show = "cd /proc/$$/fd; echo * >&2";
    let script = |prefix: &str| format!("{prefix} sh -c '{show}' <&- >&-");
    let native = Program::shell(&script("")).natively();
    let ours = Program::shell(&script(&format!("{} run --", dist.command().display())));
    assert_eq!(ours.natively(), native);
}

#[test]
fn help_goes_to_standard_output_and_mistakes_to_standard_error() {
    let dist = need!(Dist::find());
    let help = Command::new(dist.command()).arg("--help").output().expect("help");
    assert!(help.status.success() && help.stderr.is_empty() && !help.stdout.is_empty());
    let mistake = Command::new(dist.command()).arg("--no-such").output().expect("an error");
    assert_eq!(mistake.status.code(), Some(2));
    assert!(mistake.stdout.is_empty() && !mistake.stderr.is_empty());
}

#[test]
fn what_planning_needs_is_given_back() {
    let dist = need!(Dist::find());
    let program = Program::new("/bin/cat").arguments(["/proc/self/smaps"]);
    let most = nameless(&program.natively().stdout) + 64;
    let ours = nameless(&program.under(&dist, &["run"]).stdout);
    assert!(ours <= most, "{ours} kB, of {most}");
}

/// Kilobytes written to writable mappings without a name, in what `smaps` shows.
fn nameless(smaps: &str) -> u64 {
    let (mut is_nameless, mut sum) = (false, 0);
    for line in smaps.lines() {
        let mut words = line.split_ascii_whitespace();
        match (words.next(), words.next(), words.count()) {
            (Some("Private_Dirty:"), Some(size), _) if is_nameless => {
                sum += size.parse::<u64>().expect("a number");
            }
            (_, Some(mode), more) if mode.len() == 4 && mode.ends_with('p') => {
                is_nameless = mode.starts_with("rw") && more == 3;
            }
            _ => {}
        }
    }
    assert!(sum > 0, "{smaps}");
    sum
}
