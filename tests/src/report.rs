//! What other people's test suites say of their own tests.

use std::collections::BTreeSet;

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// XML as JUnit writes it.
    JUnit,
    /// `go test -v`.
    Go,
    /// Rust's libtest; a line `# of NAME` goes before each program's.
    Libtest,
    /// Test Anything Protocol; a line `# of NAME` goes before each program's.
    Tap,
}

impl Report {
    /// Names of the tests that have passed; those that were skipped have not.
    pub fn passed(self, text: &str) -> BTreeSet<String> {
        match self {
            Report::JUnit => text.split("<testcase ").skip(1).filter_map(junit).collect(),
            Report::Go => text.lines().filter_map(go).map(str::to_owned).collect(),
            Report::Libtest => by_program(text, libtest),
            Report::Tap => by_program(text, tap),
        }
    }
}

/// What follows `<testcase `.
fn junit(case: &str) -> Option<String> {
    let (attributes, rest) = case.split_once('>')?;
    let name = attributes.split_once("name=\"")?.1.split_once('"')?.0;
    let body = rest.split_once("</testcase>").map_or(rest, |(body, _)| body);
    let is_empty = attributes.ends_with('/');
    let has = |element: &str| body.contains(&format!("<{element}"));
    let has_passed = is_empty || !["failure", "error", "skipped"].into_iter().any(has);
    has_passed.then(|| name.to_owned())
}

/// `--- PASS: TestName (0.01s)`, indented for a part of a test, and behind whatever the
/// test has printed without an end of line.
fn go(line: &str) -> Option<&str> {
    let (name, time) = line.split_once("--- PASS: ")?.1.split_once(' ')?;
    (time.starts_with('(') && time.ends_with("s)")).then_some(name)
}

/// `test name ... ok`.
fn libtest(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... ok")
}

/// `ok 3 - what holds`; a number, or a name in its place. What holds may name processes.
fn tap(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("ok ")?;
    let is_skipped = rest.to_ascii_lowercase().contains("# skip");
    rest.split_whitespace().next().filter(|_| !is_skipped)
}

fn by_program(text: &str, passed: fn(&str) -> Option<&str>) -> BTreeSet<String> {
    let mut program = "";
    let mut names = BTreeSet::new();
    for line in text.lines() {
        match (line.strip_prefix("# of "), passed(line)) {
            (Some(name), _) => program = name,
            (_, Some(name)) if program.is_empty() => _ = names.insert(name.to_owned()),
            (_, Some(name)) => _ = names.insert(format!("{program} {name}")),
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(report: Report, text: &str) -> Vec<String> {
        report.passed(text).into_iter().collect()
    }

    #[test]
    fn of_a_junit_report_failures_errors_and_skipped_tests_have_not_passed() {
        let text = r#"<testsuite tests="5"><testcase name="a.b" status="run" time="0.1" />
            <testcase name="c" status="run"><failure>text</failure></testcase>
            <testcase name="d" status="run"><skipped>why</skipped></testcase>
            <testcase name="e" status="run"><error>text</error></testcase>
            <testcase name="f" status="run"><system-out>said</system-out></testcase></testsuite>"#;
        assert_eq!(passed(Report::JUnit, text), ["a.b", "f"]);
    }

    #[test]
    fn of_go_parts_of_tests_count_and_what_a_test_printed_before_does_not_matter() {
        let text = "=== RUN   TestA\n--- PASS: TestA (0.00s)\n    --- PASS: TestA/one (0.01s)\n\
            hello--- PASS: TestB (1.20s)\n--- FAIL: TestC (0.00s)\n--- SKIP: TestD (0.00s)\nPASS\n";
        assert_eq!(passed(Report::Go, text), ["TestA", "TestA/one", "TestB"]);
    }

    #[test]
    fn of_rust_tests_are_told_apart_by_their_program() {
        let text = "# of one\ntest a ... ok\ntest b ... FAILED\n# of two\ntest a ... ok\n\
            test c ... ignored\ntest d - should panic ... ok\n";
        assert_eq!(passed(Report::Libtest, text), ["one a", "two a", "two d - should panic"]);
    }

    #[test]
    fn of_tap_numbers_count_but_not_what_is_skipped() {
        let text = "1..4\nok 1 - pid 712\nnot ok 2 - bad\nok 3 # skip no fork\n# of x\nok 1\n";
        assert_eq!(passed(Report::Tap, text), ["1", "x 1"]);
    }
}
