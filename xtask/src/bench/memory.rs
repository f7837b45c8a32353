//! What interception adds to memory: to that of a process, and to that of each thread.

use anyhow::{Context, Result};

use super::products::Products;
use super::rounds::{Series, interleave, native};
use super::table::{TARGET, Table, verdict};
use super::way::{Way, output};

const COLUMNS: &[&str] = &["way", "PSS", "added", "dirty", "added", TARGET];

/// Measures a program that needs only libc, in all ways.
pub fn of_process(products: &Products) -> Result<Table> {
    let mut table = Table::new(
        "Memory of a program that needs only libc, in KiB",
        "PSS: proportional set size; dirty: pages of its own that it changed",
        COLUMNS,
    );
    let mut ways = vec![Way::native(), products.empty(), products.nobody(), products.stat()];
    match products.peer() {
        Ok(way) => ways.push(way),
        Err(why) => table.missing("syscall-intercept", why),
    }
    ways.push(Way::guard());
    let us = products.nobody().name;
    let subject = Subject {
        program: "memory",
        arguments: &[],
        printed_for_kib: 1.0,
        rounds: 11,
        decimals: 0,
        limit_kib: 500.0,
        is_limited: &|way| way.name == us,
    };
    subject.measure(products, &ways, table)
}

/// Measures a program of many threads, in all ways.
pub fn of_threads(products: &Products) -> Result<Table> {
    // Alive at once.
    const THREADS: &str = "1000";
    let table = Table::new(
        format!("Memory of each of {THREADS} threads, in KiB"),
        "what the threads add to the proportional set size, and to the pages that the program has changed",
        COLUMNS,
    );
    let ways = [
        Way::native(),
        products.nobody(),
        products.rust_hook("Rust hook", "librust.so"),
        products.c_hook("C hook", "libanswer.so"),
        products.c_hook("counted", "libcensus.so"),
        products.stat(),
        Way::guard(),
    ];
    let subject = Subject {
        program: "thread_memory",
        arguments: &[THREADS],
        printed_for_kib: 1024.0,
        rounds: 5,
        decimals: 1,
        limit_kib: 24.0,
        is_limited: &|way| !way.name.starts_with(Way::native().name),
    };
    subject.measure(products, &ways, table)
}

/// A program that prints two figures, the proportional set size and what it has changed,
/// and what may be added to the first.
struct Subject<'a> {
    program: &'a str,
    arguments: &'a [&'a str],
    printed_for_kib: f64,
    rounds: usize,
    decimals: usize,
    limit_kib: f64,
    /// The ways that the limit is for.
    is_limited: &'a dyn Fn(&Way) -> bool,
}

impl Subject<'_> {
    /// Adds a row for each way; the first and the last are the native ones.
    fn measure(&self, products: &Products, ways: &[Way], mut table: Table) -> Result<Table> {
        let program = products.file(self.program);
        let results = interleave(self.rounds, ways, |way| {
            let text = output(&mut way.run(&program, self.arguments))?;
            let mut words = text.split_whitespace().map(str::parse::<f64>);
            let mut next = || words.next().context("a figure is missing")?.context(text.clone());
            Ok((next()? / self.printed_for_kib, next()? / self.printed_for_kib))
        });

        let native_pss = native(&results, |(pss, _)| *pss)?;
        let native_dirty = native(&results, |(_, dirty)| *dirty)?;
        let decimals = self.decimals;
        for (way, result) in ways.iter().zip(&results) {
            let rounds = match result {
                Ok(rounds) => rounds,
                Err(error) => {
                    table.failed(way.name, error);
                    continue;
                }
            };
            let pss = Series::of(rounds, |(pss, _)| *pss);
            let dirty = Series::of(rounds, |(_, dirty)| *dirty);
            let added = pss.added(&native_pss);
            let is_limited = (self.is_limited)(way);
            table.row([
                way.name.to_owned(),
                format!("{:.decimals$}", pss.median()),
                format!("{added:+.decimals$}"),
                format!("{:.decimals$}", dirty.median()),
                format!("{:+.decimals$}", dirty.added(&native_dirty)),
                if is_limited { verdict(" KiB", added, self.limit_kib) } else { String::new() },
            ]);
        }
        Ok(table)
    }
}
