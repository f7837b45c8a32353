//! One look at a tree, as text.

use std::fmt;
use std::time::Duration;

use crate::clock::Rate;
use crate::running::members::{Members, Process, command};
use crate::selection;
use crate::stat::row::Row;
use crate::stat::table::short;
use crate::tree_segment::{CallCount, calls_between};

/// What changed between two moments.
pub struct Look<'a> {
    /// Who is alive.
    pub members: &'a Members,
    /// Counts at the earlier moment.
    pub calls_before: &'a [CallCount],
    /// Counts now.
    pub calls: &'a [CallCount],
    /// Lanes at the earlier moment.
    pub lanes_before: &'a [(u32, u64)],
    /// Lanes now.
    pub lanes: &'a [(u32, u64)],
    /// Of the TSC.
    pub rate: Rate,
    /// Between the two.
    pub elapsed: Duration,
    /// Rows of each table.
    pub rows: usize,
}

impl Look<'_> {
    fn per_second(&self, count: u64) -> u64 {
        (count as f64 / self.elapsed.as_secs_f64().max(1e-9)).round() as u64
    }

    /// Calls of a process, as far as its threads count in lanes of their own.
    fn calls_of(&self, process: &Process) -> u64 {
        let own = |tid: u32| {
            let lanes = self.lanes.iter().zip(self.lanes_before);
            lanes.filter(move |((owner, _), _)| *owner == tid).map(
                move |((_, now), (owner, before))| {
                    if *owner == tid { now.saturating_sub(*before) } else { 0 }
                },
            )
        };
        process.threads.iter().filter(|tid| **tid != 0).flat_map(|tid| own(*tid)).sum()
    }

    fn processes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows: Vec<_> = self
            .members
            .processes
            .iter()
            .map(|(id, process)| (self.calls_of(process), *id, process))
            .collect();
        rows.sort_by_key(|(calls, id, process)| {
            (u64::MAX - calls, usize::MAX - process.threads.len(), *id)
        });
        writeln!(f, "{:>8} {:>8} {:>10}  COMMAND", "PID", "THREADS", "CALLS/S")?;
        for (calls, (namespace, pid), process) in rows.iter().take(self.rows) {
            let command = match namespace {
                0 => command(*pid),
                other => format!("(in PID namespace {other} of the tree)"),
            };
            let (threads, calls) = (process.threads.len(), self.per_second(*calls));
            writeln!(f, "{pid:>8} {threads:>8} {calls:>10}  {command}")?;
        }
        more(f, rows.len(), self.rows, "processes")
    }

    fn table_of_calls(&self, f: &mut fmt::Formatter<'_>, rows: &[Row]) -> fmt::Result {
        writeln!(f, "{:>8} {:>8} {:>10} {:>8}  SYSCALL", "MEAN", "P99", "CALLS/S", "ERRORS/S")?;
        for row in rows.iter().take(self.rows) {
            let [mean, p99] = match row.timing {
                Some(timing) => [short(timing.mean), short(timing.p99)],
                None => ["-".to_owned(), "-".to_owned()],
            };
            let (calls, errors) = (self.per_second(row.calls), self.per_second(row.errors));
            writeln!(f, "{mean:>8} {p99:>8} {calls:>10} {errors:>8}  {}", row.name)?;
        }
        more(f, rows.len(), self.rows, "calls")
    }
}

fn more(f: &mut fmt::Formatter<'_>, there_are: usize, shown: usize, what: &str) -> fmt::Result {
    match there_are.checked_sub(shown) {
        Some(more @ 1..) => writeln!(f, "     ... {more} {what} more"),
        _ => Ok(()),
    }
}

impl fmt::Display for Look<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Members { born, threads, processes } = self.members;
        let mut rows: Vec<Row> = calls_between(self.calls_before, self.calls)
            .iter()
            .map(|count| Row::new(selection::name(count.nr), count, self.rate))
            .collect();
        rows.sort_by(|a, b| (b.calls, &a.name).cmp(&(a.calls, &b.name)));
        let sum = |of: fn(&Row) -> u64| self.per_second(rows.iter().map(of).sum());
        writeln!(
            f,
            "interceptor: {} processes, {threads} threads, {born} threads ever born; {}",
            processes.len(),
            match self.calls.is_empty() {
                false =>
                    format!("{} calls/s, {} errors/s", sum(|row| row.calls), sum(|row| row.errors)),
                true => "calls are not counted (start under `interceptor stat`)".to_owned(),
            }
        )?;
        self.processes(f)?;
        if rows.is_empty() { Ok(()) } else { self.table_of_calls(f, &rows) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;

    fn count(nr: usize, calls: u64) -> CallCount {
        CallCount {
            nr,
            calls,
            errors: calls / 2,
            samples: 0,
            sampled_cycles: 0,
            longest_cycles: 0,
            buckets: vec![],
        }
    }

    fn look(rows: usize) -> String {
        let mut members = Members { born: 9, threads: 3, ..Members::default() };
        members.processes.insert((0, u32::MAX), Process { threads: vec![11] });
        members.processes.insert((2, 1), Process { threads: vec![1, 12] });
        let start = Moment::now();
        Look {
            members: &members,
            calls_before: &[count(0, 10), count(1, 5)],
            calls: &[count(0, 10), count(1, 25), count(2, 4)],
            lanes_before: &[(11, 100), (12, 0), (99, 7)],
            lanes: &[(11, 130), (12, 50), (11, 9)],
            rate: start.rate_until(&Moment::now()),
            elapsed: Duration::from_secs(2),
            rows,
        }
        .to_string()
    }

    #[test]
    fn rates_are_those_between_two_looks_and_the_busiest_come_first() {
        let text = look(10);
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert!(text.starts_with(
            "interceptor: 2 processes, 3 threads, 9 threads ever born; 12 calls/s, 6 errors/s\n"
        ));
        assert_eq!(lines[2][..3], ["1", "2", "25"]);
        assert_eq!(lines[3], ["4294967295", "1", "15", "-"]);
        assert_eq!(lines[5][2..], ["10", "5", "write"]);
        assert_eq!(lines[6][2..], ["2", "1", "open"]);
        assert_eq!(lines.len(), 7);
    }

    #[test]
    fn what_is_not_shown_is_counted() {
        let text = look(1);
        assert!(text.contains("... 1 processes more") && text.contains("... 1 calls more"));
    }
}
