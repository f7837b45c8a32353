//! What is known of each kernel and each processor: what it lacks, and where
//! guests are not as elsewhere because of that. Longer or shorter than the truth is
//! a failure, so nothing that degrades goes unnoticed.

use std::collections::BTreeSet;

/// Facts, as the first process reports them, of one kernel or processor.
type Facts = (&'static str, &'static [&'static str]);

/// What reports of a kernel hold.
const KERNELS: &[Facts] = &[
    // Linux 5.10 is older than Syscall User Dispatch, so that it is missing with and
    // without us alike.
    ("bullseye", &["absent dispatch", "same sud"]),
    ("bookworm", &[]),
    ("trixie", &[]),
    ("sid", &[]),
];

/// What reports of a processor hold.
const PROCESSORS: &[Facts] = &[
    (
        "qemu64",
        &[
            "absent xsave",
            "absent xsavec",
            "absent fsgsbase",
            "absent avx",
            "absent avx2",
            "absent avx512f",
            "absent erms",
        ],
    ),
    (
        "Nehalem",
        &[
            "absent xsave",
            "absent xsavec",
            "absent fsgsbase",
            "absent avx",
            "absent avx2",
            "absent avx512f",
            "absent erms",
        ],
    ),
    (
        "SandyBridge",
        &["absent xsavec", "absent fsgsbase", "absent avx2", "absent avx512f", "absent erms"],
    ),
    ("Haswell", &["absent xsavec", "absent avx512f"]),
    ("max,-fsgsbase", &["absent xsavec", "absent fsgsbase", "absent avx512f"]),
    ("max", &["absent xsavec", "absent avx512f"]),
];

/// What of a report is not as known, and what is known and not reported. Facts about
/// guests are expected only of those that have run.
pub fn deviations(
    suite: &str,
    processor: &str,
    report: &[String],
    has_run: impl Fn(&str) -> bool,
) -> Vec<String> {
    let expected: BTreeSet<&str> =
        of(KERNELS, suite).chain(of(PROCESSORS, processor)).copied().collect();
    let reported: Vec<&str> =
        report.iter().map(String::as_str).filter(|line| !line.starts_with("done ")).collect();
    let facts: BTreeSet<&str> = reported.iter().map(|line| fact(line)).collect();
    let unknown = reported.iter().filter(|line| !expected.contains(fact(line)));
    let gone = expected.difference(&facts).filter(|fact| {
        let guest = fact.split(' ').nth(1).unwrap_or_default();
        fact.starts_with("absent ") || has_run(guest)
    });
    let unknown = unknown.map(|line| (*line).to_owned());
    unknown.chain(gone.map(|fact| format!("no longer: {fact}"))).collect()
}

fn of(table: &[Facts], name: &str) -> impl Iterator<Item = &'static &'static str> + use<> {
    table.iter().find(|(other, _)| *other == name).map_or(&[][..], |(_, facts)| facts).iter()
}

/// A line without what explains it, and without the mode: what differs does so in
/// every mode.
fn fact(line: &str) -> &str {
    let line = line.split_once(':').map_or(line, |(fact, _)| fact);
    let end = line.match_indices(' ').nth(1).map_or(line.len(), |(at, _)| at);
    &line[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(suite: &str, report: &[&str]) -> Vec<String> {
        let report: Vec<String> = report.iter().map(|line| (*line).to_owned()).collect();
        deviations(suite, "max", &report, |guest| guest == "sud")
    }

    #[test]
    fn a_report_as_known_has_no_deviations() {
        let absent = ["absent xsavec", "absent avx512f", "done 3"];
        assert_eq!(found("bookworm", &absent), [""; 0]);
        let older = ["absent xsavec", "absent avx512f", "absent dispatch", "same sud run"];
        assert_eq!(found("bullseye", &older), [""; 0]);
    }

    #[test]
    fn what_is_not_known_and_what_has_gone_are_deviations() {
        let report = ["absent xsavec", "absent avx512f", "differs jit hook: output", "done 3"];
        assert_eq!(found("bookworm", &report), ["differs jit hook: output"]);
        assert_eq!(
            found("bullseye", &["absent xsavec", "absent avx512f"]),
            ["no longer: absent dispatch", "no longer: same sud"]
        );
    }
}
