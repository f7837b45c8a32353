//! The last lines of a report: how much of a tree of processes was seen.

use interceptor_abi::segment::Outcome;

use crate::tree_segment::TreeSegment;

/// Outcomes that are sites; the others are findings.
const SITES: &[Outcome] =
    &[Outcome::Hole, Outcome::After, Outcome::Before, Outcome::Trap, Outcome::Missed];

/// Lines to print, without our name; nothing of what is normally 0.
pub fn lines(segment: &TreeSegment) -> Vec<String> {
    if segment.armed() == 0 {
        let mut lines =
            vec!["nothing was intercepted: no process of the program armed the runtime".to_owned()];
        lines.extend(not_armed(segment));
        return lines;
    }
    let mut lines = vec![sites(&segment.objects())];
    lines.extend(not_armed(segment));
    let not_followed = segment.not_followed();
    if not_followed > 0 {
        lines.push(format!(
            "{not_followed} programs could not be followed: their calls are missing"
        ));
    }
    let lost = [
        (segment.lost_lines(), "trace lines"),
        (segment.lost_calls(), "calls"),
        (segment.lost_objects() as u64, "objects of this report"),
        (segment.lost_threads().into(), "threads of the counts"),
        (segment.lost_effects().into(), "effects on other processes"),
    ];
    for (count, what) in lost.into_iter().filter(|(count, _)| *count > 0) {
        lines.push(format!("{count} {what} were lost"));
    }
    lines
}

fn not_armed(segment: &TreeSegment) -> Option<String> {
    let count = segment.not_armed();
    (count > 0).then(|| format!("{count} processes could not be intercepted and ran untouched"))
}

/// `611 sites in 4 objects: 474 hole, 101 after, …`
fn sites(objects: &[[u32; Outcome::COUNT]]) -> String {
    let sum = |outcome: Outcome| -> u64 {
        let counts = objects.iter().map(|object| u64::from(object[outcome as usize]));
        counts.sum()
    };
    let total: u64 = SITES.iter().map(|outcome| sum(*outcome)).sum();
    let with_sites = objects
        .iter()
        .filter(|object| SITES.iter().any(|outcome| object[*outcome as usize] > 0))
        .count();
    let mut parts: Vec<String> =
        SITES.iter().map(|outcome| format!("{} {}", sum(*outcome), outcome.name())).collect();
    for finding in [Outcome::Int80, Outcome::Sysenter] {
        if sum(finding) > 0 {
            parts.push(format!("{} {} not intercepted", sum(finding), finding.name()));
        }
    }
    format!("{total} sites in {with_sites} objects: {}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_of_all_objects_are_summed_by_rung() {
        let objects = [[400, 100, 30, 0, 0, 9, 0, 0], [74, 1, 6, 0, 0, 0, 0, 0], [0; 8]];
        assert_eq!(
            sites(&objects),
            "611 sites in 2 objects: 474 hole, 101 after, 36 before, 0 trap, 0 missed"
        );
    }

    #[test]
    fn old_ways_into_the_kernel_are_named_when_there_are_any() {
        let objects = [[1, 0, 0, 0, 2, 0, 3, 0]];
        assert!(sites(&objects).ends_with("2 missed, 3 int80 not intercepted"));
    }
}
