//! The table of system calls, as text.

use std::time::Duration;

use crate::stat::row::Row;

/// Column titles; the last column is as wide as it needs to be.
const TITLES: [&str; 9] =
    ["% time", "total", "mean", "p50", "p99", "max", "calls", "errors", "syscall"];

/// Formats rows, the most expensive first, and their totals.
pub fn format(mut rows: Vec<Row>) -> String {
    rows.sort_by(|a, b| (b.total(), b.calls, &a.name).cmp(&(a.total(), a.calls, &b.name)));
    let total: Duration =
        rows.iter().fold(Duration::ZERO, |sum, row| sum.saturating_add(row.total()));
    let calls: u64 = sum(&rows, |row| row.calls);
    let errors: u64 = sum(&rows, |row| row.errors);
    let samples: u64 = sum(&rows, |row| row.timing.map_or(0, |timing| timing.samples));

    let mut lines = vec![
        format!("durations: {samples} of {calls} calls were timed; total is mean x calls"),
        line(TITLES),
    ];
    lines.extend(rows.iter().map(|row| row_line(row, total)));
    lines.push(line([
        if total.is_zero() { "" } else { "100.00" },
        &seconds(total),
        "",
        "",
        "",
        "",
        &calls.to_string(),
        &count(errors),
        "total",
    ]));
    lines.join("\n") + "\n"
}

fn sum(rows: &[Row], of: impl Fn(&Row) -> u64) -> u64 {
    rows.iter().map(of).fold(0, u64::saturating_add)
}

fn row_line(row: &Row, total: Duration) -> String {
    let timing = row.timing;
    let share = if total.is_zero() {
        String::new()
    } else {
        let share = row.total().as_secs_f64() / total.as_secs_f64();
        format!("{:.2}", share * 100.0)
    };
    let short = |of: Option<Duration>| of.map_or_else(|| "-".to_owned(), short);
    line([
        &share,
        &timing.map_or_else(|| "-".to_owned(), |timing| seconds(timing.total)),
        &short(timing.map(|timing| timing.mean)),
        &short(timing.map(|timing| timing.median)),
        &short(timing.map(|timing| timing.p99)),
        &short(timing.map(|timing| timing.max)),
        &row.calls.to_string(),
        &count(row.errors),
        &row.name,
    ])
}

fn line(cells: [&str; 9]) -> String {
    let [share, total, mean, median, p99, max, calls, errors, name] = cells;
    format!(
        "{share:>6} {total:>12} {mean:>9} {median:>9} {p99:>9} {max:>9} {calls:>10} {errors:>8}  {name}"
    )
}

/// Zero is shown as nothing, so that the eye finds errors.
fn count(number: u64) -> String {
    if number == 0 { String::new() } else { number.to_string() }
}

fn seconds(duration: Duration) -> String {
    format!("{:.6} s", duration.as_secs_f64())
}

/// Three or four digits and a unit.
pub fn short(duration: Duration) -> String {
    let ns = duration.as_secs_f64() * 1e9;
    let (number, unit) = match ns {
        ..1e3 => (ns, "ns"),
        1e3..1e6 => (ns / 1e3, "us"),
        1e6..1e9 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    if number < 100.0 { format!("{number:.1} {unit}") } else { format!("{number:.0} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stat::row::Timing;

    fn row(name: &str, calls: u64, total_us: u64) -> Row {
        let each = Duration::from_micros(total_us) / calls as u32;
        Row {
            name: name.to_owned(),
            calls,
            errors: 0,
            timing: Some(Timing {
                samples: 1,
                total: Duration::from_micros(total_us),
                mean: each,
                median: each,
                p99: each,
                max: each,
            }),
        }
    }

    #[test]
    fn the_call_that_took_longest_comes_first_and_totals_last() {
        let text = format(vec![row("read", 10, 100), row("write", 2, 300)]);
        let names: Vec<&str> =
            text.lines().skip(2).filter_map(|line| line.split_whitespace().last()).collect();
        assert_eq!(names, ["write", "read", "total"]);
        assert!(text.contains("75.00"), "{text}");
    }

    #[test]
    fn a_call_that_was_never_timed_has_no_durations() {
        let mut untimed = row("exit_group", 1, 1);
        untimed.timing = None;
        let text = format(vec![untimed]);
        assert!(text.starts_with("durations: 0 of 1 calls"), "{text}");
        assert!(text.lines().nth(2).is_some_and(|line| line.contains(" - ")));
    }

    #[test]
    fn durations_are_short_and_have_a_unit() {
        assert_eq!(short(Duration::from_nanos(85)), "85.0 ns");
        assert_eq!(short(Duration::from_nanos(1_234)), "1.2 us");
        assert_eq!(short(Duration::from_micros(123_456)), "123 ms");
        assert_eq!(short(Duration::from_secs(7)), "7.0 s");
    }
}
