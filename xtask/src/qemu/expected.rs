//! What is known of each kernel and each processor: what it lacks, and where
//! guests are not as elsewhere because of that. Longer or shorter than the truth is
//! a failure, so nothing that degrades goes unnoticed.

use std::collections::BTreeSet;

/// What a kernel's reports hold.
const KERNELS: &[(&str, &[&str])] =
    &[("bullseye", &[]), ("bookworm", &[]), ("trixie", &[]), ("sid", &[])];

/// What a processor's reports hold.
const PROCESSORS: &[(&str, &[&str])] = &[
    ("qemu64", &[]),
    ("Nehalem", &[]),
    ("SandyBridge", &[]),
    ("Haswell", &[]),
    ("max,-fsgsbase", &[]),
    ("max", &[]),
];

/// What differs from what is known, one line each; nothing, if all is as expected.
/// Only facts about guests that were run in modes that were used can be missing.
pub fn deviations(
    suite: &str,
    processor: &str,
    report: &[String],
    has_run: impl Fn(&str) -> bool,
) -> Vec<String> {
    let known = |table: &[(&str, &'static [&'static str])], name: &str| {
        table.iter().find(|(other, _)| *other == name).map_or(&[][..], |(_, facts)| *facts)
    };
    let expected: BTreeSet<&str> =
        known(KERNELS, suite).iter().chain(known(PROCESSORS, processor)).copied().collect();
    let facts = report.iter().filter(|line| !line.starts_with("done "));
    // What follows a colon explains.
    let facts: BTreeSet<&str> =
        facts.map(|line| line.split_once(':').map_or(line.as_str(), |(fact, _)| fact)).collect();
    let mut deviations: Vec<String> = report
        .iter()
        .filter(|line| !line.starts_with("done "))
        .filter(|line| !expected.contains(line.split(':').next().unwrap_or(line)))
        .cloned()
        .collect();
    let missing = expected.difference(&facts).filter(|fact| has_run(fact));
    deviations.extend(missing.map(|fact| format!("no longer: {fact}")));
    deviations
}

#[cfg(test)]
mod tests {
    use super::*;
}
