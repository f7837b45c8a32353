//! What a process has, looked at again and again, and what of that has grown.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::unistd::Pid;

/// What memory may grow by, kB: caches of a program's own.
const SLACK_KB: u64 = 1024;

/// What a process has at one moment.
#[derive(Clone, Copy)]
pub struct Look {
    pub mappings: u64,
    pub descriptors: u64,
    pub threads: u64,
    pub rss_kb: u64,
}

impl Look {
    pub fn at(pid: Pid) -> Result<Look> {
        let of = |name: &str| format!("/proc/{pid}/{name}");
        let status = fs::read_to_string(of("status"))?;
        // What is shared with others is not the process's alone to grow.
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name))?;
            value.split_whitespace().next()?.parse::<u64>().ok()
        };
        let rss = field("RssAnon:").zip(field("RssFile:")).context("no resident memory")?;
        Ok(Look {
            mappings: fs::read_to_string(of("maps"))?.lines().count() as u64,
            descriptors: lasting_descriptors(&of("fd"))?,
            threads: fs::read_dir(of("task"))?.count() as u64,
            rss_kb: rss.0 + rss.1,
        })
    }
}

/// How many descriptors there are, without one that is there for a moment: PostgreSQL closes a
/// connection that it has accepted when it has forked who serves it.
fn lasting_descriptors(directory: &str) -> Result<u64> {
    const READINGS: usize = 4;
    const APART: Duration = Duration::from_millis(5);
    let mut least = u64::MAX;
    for _ in 0..READINGS {
        least = least.min(fs::read_dir(directory)?.count() as u64);
        thread::sleep(APART);
    }
    Ok(least)
}

/// Something of a look that is not to grow.
type Measure = fn(&Look) -> u64;

/// What has grown from the second third of the looks to the last; so many descriptors more
/// are nothing.
pub fn growth(looks: &[Look], slack_descriptors: u64) -> Vec<String> {
    let third = looks.len() / 3;
    if third == 0 {
        return vec!["too short to tell".to_owned()];
    }
    let (before, after) = looks[third..].split_at(third);
    let measures: [(&str, Measure, u64); 4] = [
        ("mappings", |look| look.mappings, 0),
        ("descriptors", |look| look.descriptors, slack_descriptors),
        ("threads", |look| look.threads, 0),
        ("kB of memory", |look| look.rss_kb, SLACK_KB),
    ];
    let most = |looks: &[Look], of: Measure| looks.iter().map(of).max().unwrap_or(0);
    measures
        .into_iter()
        .map(|(name, of, slack)| (name, most(before, of), most(after, of), slack))
        .filter(|(_, before, after, slack)| after > &(before + slack))
        .map(|(name, before, after, _)| format!("{name} grew from {before} to {after}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(mappings: u64, rss_kb: u64) -> Look {
        Look { mappings, descriptors: 10, threads: 4, rss_kb }
    }

    #[test]
    fn growth_is_told_apart_from_a_beginning_and_from_caches() {
        let flat = [look(10, 100), look(50, 5000), look(50, 5100), look(50, 5200)];
        assert_eq!(growth(&flat, 0), [""; 0]);
        let leak = [look(10, 100), look(50, 5000), look(51, 9000)];
        assert_eq!(
            growth(&leak, 0),
            ["mappings grew from 50 to 51", "kB of memory grew from 5000 to 9000"]
        );
    }
}
