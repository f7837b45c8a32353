//! What interception adds to the memory of a program that needs only libc.

use anyhow::{Context, Result};

use super::products::Products;
use super::rounds::{Series, interleave, native};
use super::table::{TARGET, Table, verdict};
use super::way::{Way, output};

const ROUNDS: usize = 11;

/// Largest proportional set size that may be added, in KiB.
const LIMIT_KIB: f64 = 500.0;

/// Measures all ways.
pub fn measure(products: &Products) -> Result<Table> {
    let mut table = Table::new(
        "Memory of a program that needs only libc, in KiB",
        "PSS: proportional set size; dirty: pages of its own that it changed",
        &["way", "PSS", "added", "dirty", "added", TARGET],
    );
    let mut ways = vec![Way::native(), products.empty(), products.nobody(), products.stat()];
    match products.peer() {
        Ok(way) => ways.push(way),
        Err(why) => table.missing("syscall-intercept", why),
    }
    ways.push(Way::guard());
    let program = products.file("memory");
    let results = interleave(ROUNDS, &ways, |way| {
        let text = output(&mut way.run(&program, &[""; 0]))?;
        let mut words = text.split_whitespace().map(str::parse::<f64>);
        let mut next = || words.next().context("a figure is missing")?.context(text.clone());
        Ok((next()?, next()?))
    });

    let native_pss = native(&results, |(pss, _)| *pss)?;
    let native_dirty = native(&results, |(_, dirty)| *dirty)?;
    let us = products.nobody().name;
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
        table.row([
            way.name.to_owned(),
            format!("{:.0}", pss.median()),
            format!("{added:+.0}"),
            format!("{:.0}", dirty.median()),
            format!("{:+.0}", dirty.added(&native_dirty)),
            if way.name == us { verdict(" KiB", added, LIMIT_KIB) } else { String::new() },
        ]);
    }
    Ok(table)
}
