//! What interception adds to the memory of a thread.

use anyhow::{Context, Result};

use super::products::Products;
use super::rounds::{Series, interleave, native};
use super::table::{TARGET, Table, verdict};
use super::way::{Way, output};

const ROUNDS: usize = 5;

/// Threads that are alive at once.
const THREADS: &str = "1000";

/// Most that may be added to one, in KiB.
const LIMIT_KIB: f64 = 24.0;

/// Measures all ways.
pub fn measure(products: &Products) -> Result<Table> {
    let mut table = Table::new(
        format!("Memory of each of {THREADS} threads, in KiB"),
        "what the threads add to the proportional set size, and to the pages that the program has changed",
        &["way", "PSS", "added", "dirty", "added", TARGET],
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
    let program = products.file("thread_memory");
    let results = interleave(ROUNDS, &ways, |way| {
        let text = output(&mut way.run(&program, &[THREADS]))?;
        let mut words = text.split_whitespace().map(str::parse::<f64>);
        let mut next = || words.next().context("a figure is missing")?.context(text.clone());
        Ok((next()? / 1024.0, next()? / 1024.0))
    });

    let native_pss = native(&results, |(pss, _)| *pss)?;
    let native_dirty = native(&results, |(_, dirty)| *dirty)?;
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
        let is_native = way.name.starts_with(Way::native().name);
        table.row([
            way.name.to_owned(),
            format!("{:.1}", pss.median()),
            format!("{added:+.1}"),
            format!("{:.1}", dirty.median()),
            format!("{:+.1}", dirty.added(&native_dirty)),
            if is_native { String::new() } else { verdict(" KiB", added, LIMIT_KIB) },
        ]);
    }
    Ok(table)
}
