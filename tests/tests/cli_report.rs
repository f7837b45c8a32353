//! What `trace` and `stat` report of a program whose calls are known.

use std::fs;

use interceptor_tests::{Dist, Program, Scratch, need};

/// Copies 1,000 bytes in as many reads and writes.
fn thousand_reads() -> Program {
    Program::new("dd").arguments(["if=/dev/zero", "of=/dev/null", "bs=1", "count=1000"])
}

/// Runs a program under a command and returns its report.
fn report(dist: &Dist, program: &Program, options: &[&str]) -> String {
    let scratch = Scratch::new();
    let path = scratch.path("report");
    let name = path.to_str().expect("a name in UTF-8");
    let ended = program.under(dist, &[options, &["-o", name]].concat());
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    fs::read_to_string(&path).expect("a report")
}

/// Lines of a trace, without the last one.
fn calls(trace: &str) -> Vec<&str> {
    let lines = trace.lines();
    lines.filter(|line| !line.starts_with("interceptor: ")).collect()
}

#[test]
fn a_trace_has_a_line_for_every_call_and_closes_with_its_coverage() {
    let dist = need!(Dist::find());
    let trace = report(&dist, &thousand_reads(), &["trace"]);
    let reads = |line: &&str| line.contains(r#" read(0, "\0", 1) = 1"#);
    assert_eq!(calls(&trace).into_iter().filter(reads).count(), 1000, "{trace}");
    let last = trace.lines().last().expect("a last line");
    let (sites, _) = last
        .strip_prefix("interceptor: ")
        .and_then(|rest| rest.split_once(" sites in "))
        .expect("a number of sites");
    assert!(sites.parse::<u32>().is_ok_and(|sites| sites > 300), "{last}");
}

#[test]
fn a_selection_leaves_the_other_calls_out() {
    let dist = need!(Dist::find());
    let trace = report(&dist, &thousand_reads(), &["trace", "-e", "trace=write,openat"]);
    let lines = calls(&trace);
    assert!(lines.len() >= 1000, "{trace}");
    let is_selected = |line: &&str| line.contains(" write(") || line.contains(" openat(");
    assert!(lines.iter().all(is_selected), "{trace}");
}

#[test]
fn a_string_is_cut_where_the_user_says() {
    let dist = need!(Dist::find());
    let program = Program::new("echo").arguments(["0123456789"]);
    let trace = report(&dist, &program, &["trace", "-e", "write", "-s", "4"]);
    assert!(trace.contains(r#"write(1, "0123"..., 11) = 11"#), "{trace}");
}

#[test]
fn a_table_counts_every_call() {
    let dist = need!(Dist::find());
    for options in [&["stat"][..], &["trace", "-c"]] {
        let table = report(&dist, &thousand_reads(), options);
        let row = table.lines().find(|line| line.ends_with(" write")).expect("writes");
        let count = row.split_whitespace().rev().nth(1).expect("a count");
        // The bytes, and what dd says of them.
        assert!((1000..1010).contains(&count.parse().unwrap_or(0)), "{table}");
    }
}

#[test]
fn a_table_of_a_selection_has_no_other_rows() {
    let dist = need!(Dist::find());
    let table = report(&dist, &thousand_reads(), &["trace", "-c", "-e", "read"]);
    let names: Vec<&str> = table
        .lines()
        .skip(2)
        .filter(|line| !line.starts_with("interceptor: "))
        .filter_map(|line| line.split_whitespace().last())
        .collect();
    assert_eq!(names, ["read", "total"], "{table}");
}

#[test]
fn calls_that_alternate_are_both_timed() {
    let dist = need!(Dist::find());
    let table = report(&dist, &thousand_reads(), &["stat"]);
    for name in ["read", "write"] {
        let row = table.lines().find(|line| line.split_whitespace().last() == Some(name));
        let mean = row.and_then(|row| row.split_whitespace().nth(3)).expect("a mean");
        assert!(mean.parse::<f64>().is_ok_and(|mean| mean > 0.0), "{name}: {table}");
    }
}
