//! Fork, and wait for a child that exits at once.

use anyhow::Result;

use super::products::Products;
use super::rounds::{Series, interleave, native};
use super::table::{TARGET, Table, verdict};
use super::way::{Way, output};

const ROUNDS: usize = 15;

/// Times native.
const LIMIT: f64 = 1.10;

/// Measures all ways.
pub fn measure(products: &Products) -> Result<Table> {
    let mut table = Table::new(
        "Fork and wait, in µs of wall clock",
        "medians of interleaved runs of 150 children each",
        &["way", "µs", "x native", TARGET],
    );
    let mut ways = vec![Way::native(), products.empty(), products.nobody(), products.stat()];
    match products.peer() {
        Ok(way) => ways.push(way),
        Err(why) => table.missing("syscall-intercept", why),
    }
    ways.push(Way::guard());
    let program = products.file("births");
    let results = interleave(ROUNDS, &ways, |way| {
        let text = output(&mut way.run(&program, &["fork", "150", "0"]))?;
        Ok(text.trim().parse::<f64>()? / 1e3)
    });

    let native = native(&results, |us| *us)?;
    let us = products.nobody().name;
    for (way, result) in ways.iter().zip(results) {
        let series: Series = match result {
            Ok(rounds) => rounds.into_iter().collect(),
            Err(error) => {
                table.failed(way.name, &error);
                continue;
            }
        };
        let ratio = series.ratio(&native);
        table.row([
            way.name.to_owned(),
            format!("{:.1}", series.median()),
            format!("{ratio:.2}"),
            if way.name == us { verdict("x", ratio, LIMIT) } else { String::new() },
        ]);
    }
    Ok(table)
}
