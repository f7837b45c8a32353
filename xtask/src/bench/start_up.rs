//! What interception adds to the time a program takes to begin and end.

use std::path::Path;

use anyhow::Result;

use super::products::{NOBODY, PLANNED, Products};
use super::rounds::{Series, interleave, native};
use super::table::{TARGET, Table, verdict};
use super::way::{Usage, Way, usage};

/// The peer takes long.
const PEER_ROUNDS: usize = 5;

/// A program that does almost nothing, and what may be added to its run.
struct Case {
    name: &'static str,
    /// The first of these that exists.
    paths: &'static [&'static str],
    arguments: &'static [&'static str],
    /// Milliseconds that may be added, if that is a target.
    limit_ms: Option<f64>,
    /// How many times what an empty library adds, if that is a limit, too.
    limit_empty: Option<f64>,
    rounds: usize,
    /// The peer takes too long on large programs.
    has_peer: bool,
}

const CASES: &[Case] = &[
    Case {
        name: "true",
        paths: &["/bin/true"],
        arguments: &[],
        limit_ms: Some(1.2),
        limit_empty: Some(3.0),
        rounds: 31,
        has_peer: true,
    },
    Case {
        name: "git --version",
        paths: &["/usr/bin/git"],
        arguments: &["--version"],
        limit_ms: Some(1.5),
        limit_empty: None,
        rounds: 31,
        has_peer: false,
    },
    Case {
        name: "python3 -c pass",
        paths: &["/usr/bin/python3"],
        arguments: &["-c", "pass"],
        limit_ms: Some(1.5),
        limit_empty: None,
        rounds: 31,
        has_peer: false,
    },
    Case {
        name: "node --version",
        paths: &["/usr/bin/node", "/usr/local/bin/node"],
        arguments: &["--version"],
        limit_ms: Some(10.0),
        limit_empty: None,
        rounds: 21,
        has_peer: false,
    },
    Case {
        name: "java --version",
        paths: &["/usr/bin/java"],
        arguments: &["--version"],
        limit_ms: None,
        limit_empty: None,
        rounds: 11,
        has_peer: false,
    },
];

/// Measures all programs.
pub fn measure(products: &Products) -> Result<Table> {
    let mut table = Table::new(
        "Start-up, in ms of wall clock and of CPU time",
        "medians of interleaved runs, each after one that is not measured; added: to the native run \
         of the same round. CPU time tells more where others use the machine, too",
        &["program", "ms", "added", "CPU", "CPU added", TARGET],
    );
    for case in CASES {
        match case.paths.iter().find(|path| Path::new(path).exists()) {
            Some(path) => measure_case(products, case, path, &mut table)?,
            None => table.missing(case.name, "it is not installed"),
        }
    }
    if let Err(why) = products.peer() {
        table.missing("syscall-intercept", why);
    }
    Ok(table)
}

fn measure_case(products: &Products, case: &Case, path: &str, table: &mut Table) -> Result<()> {
    let planned = products.planned(path)?;
    let ways = [Way::native(), products.empty(), products.nobody(), planned, Way::guard()];
    let results = run(case, path, case.rounds, &ways);
    let native = Native::of(&results)?;
    let empty = match (&results[1], case.limit_empty) {
        (Ok(rounds), Some(limit)) => {
            Some((Series::of(rounds, |usage| usage.wall_ms).added(&native.wall), limit))
        }
        _ => None,
    };
    for (way, result) in ways.iter().zip(results) {
        add_row(table, case, way, &native, result, |added| {
            let target = case.limit_ms.map(|limit| verdict(" ms", added, limit));
            match (way.name, empty) {
                (NOBODY, _) => target.unwrap_or_default(),
                (PLANNED, Some((empty, limit))) => {
                    let times = added / empty;
                    verdict(&format!("x what the empty one adds (is {times:.0})"), times, limit)
                }
                (PLANNED, None) => target.unwrap_or_default(),
                _ => String::new(),
            }
        });
    }

    // Apart from the others: it leaves the machine's caches cold.
    if let (Ok(peer), true) = (products.peer(), case.has_peer) {
        let ways = [Way::native(), peer, Way::guard()];
        let mut results = run(case, path, PEER_ROUNDS, &ways);
        let native = Native::of(&results)?;
        add_row(table, case, &ways[1], &native, results.swap_remove(1), |_| String::new());
    }
    Ok(())
}

/// What the native runs of each round took.
struct Native {
    wall: Series,
    cpu: Series,
}

impl Native {
    fn of(results: &[Result<Vec<Usage>>]) -> Result<Native> {
        let wall = native(results, |usage| usage.wall_ms)?;
        Ok(Native { wall, cpu: native(results, |usage| usage.cpu_ms)? })
    }
}

/// What each way takes, by rounds.
fn run(case: &Case, path: &str, rounds: usize, ways: &[Way]) -> Vec<Result<Vec<Usage>>> {
    interleave(rounds, ways, |way| {
        // What the one before left cold is not this one's.
        usage(&mut way.run(path, case.arguments))?;
        usage(&mut way.run(path, case.arguments))
    })
}

fn add_row(
    table: &mut Table,
    case: &Case,
    way: &Way,
    native: &Native,
    result: Result<Vec<Usage>>,
    target: impl Fn(f64) -> String,
) {
    let subject = format!("{}: {}", case.name, way.name);
    match result {
        Ok(rounds) => {
            let wall = Series::of(&rounds, |usage| usage.wall_ms);
            let cpu = Series::of(&rounds, |usage| usage.cpu_ms);
            let added = wall.added(&native.wall);
            let figures = [
                format!("{:.3}", wall.median()),
                format!("{added:+.3}"),
                format!("{:.3}", cpu.median()),
                format!("{:+.3}", cpu.added(&native.cpu)),
            ];
            table.row([subject].into_iter().chain(figures).chain([target(added)]));
        }
        Err(error) => table.failed(&subject, &error),
    }
}
