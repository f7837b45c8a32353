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
        "medians of interleaved runs of 150 children each; first with parent and child on one \
         processor, then where the scheduler puts them, which may say more than what is measured",
        &["way", "µs on one", "x native", TARGET, "µs", "x native"],
    );
    let mut ways = vec![Way::native(), products.empty(), products.nobody(), products.stat()];
    match products.peer() {
        Ok(way) => ways.push(way),
        Err(why) => table.missing("syscall-intercept", why),
    }
    ways.push(Way::guard());
    let program = products.file("births");
    let results = interleave(ROUNDS, &ways, |way| {
        let us = |arguments: &[&str]| -> Result<f64> {
            Ok(output(&mut way.run(&program, arguments))?.trim().parse::<f64>()? / 1e3)
        };
        Ok((us(&["fork", "150", "0", "one"])?, us(&["fork", "150", "0"])?))
    });

    let native_on_one = native(&results, |(on_one, _)| *on_one)?;
    let native_anywhere = native(&results, |(_, anywhere)| *anywhere)?;
    let us = products.nobody().name;
    for (way, result) in ways.iter().zip(&results) {
        let rounds = match result {
            Ok(rounds) => rounds,
            Err(error) => {
                table.failed(way.name, error);
                continue;
            }
        };
        let on_one = Series::of(rounds, |(on_one, _)| *on_one);
        let anywhere = Series::of(rounds, |(_, anywhere)| *anywhere);
        let ratio = on_one.ratio(&native_on_one);
        table.row([
            way.name.to_owned(),
            format!("{:.1}", on_one.median()),
            format!("{ratio:.2}"),
            if way.name == us { verdict("x", ratio, LIMIT) } else { String::new() },
            format!("{:.1}", anywhere.median()),
            format!("{:.2}", anywhere.ratio(&native_anywhere)),
        ]);
    }
    Ok(table)
}
