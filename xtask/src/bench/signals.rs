//! Signals that are handled, and calls of programs that handle them.

use anyhow::Result;

use super::products::Products;
use super::rounds::{Series, interleave, smallest_native};
use super::table::{TARGET, Table, verdict};
use super::way::{Way, output};

const ROUNDS: usize = 11;

/// Times native.
const LIMIT: f64 = 1.25;
/// Times the same call without handlers: what two measurements of one thing differ by.
const SAME: f64 = 1.01;

/// What `signals` is asked for, and which of them a limit is set for.
const KINDS: &[(&str, &str, Option<f64>)] = &[
    ("raise", "raise, with a handler", Some(LIMIT)),
    ("onstack", "… on an alternate stack", Some(LIMIT)),
    ("nested", "… in a handler", None),
    ("call", "call, no handlers", None),
    ("handlers", "call, handlers for all signals", None),
];

/// Measures all kinds in all ways.
pub fn measure(products: &Products) -> Result<Table> {
    let mut table = Table::new(
        "Signals, in TSC cycles",
        "medians of interleaved runs, of the best of 400 batches of 100 each. The last line's \
         target compares with the one before",
        &["what", "native", "interceptor", "x native", TARGET, "C hook", "x native"],
    );
    let program = products.file("signals");
    let ways = [
        Way::native(),
        products.nobody(),
        products.c_hook("C hook", "libanswer.so"),
        Way::native(),
    ];
    let mut without_handlers = None;
    for (kind, name, limit) in KINDS {
        let results = interleave(ROUNDS, &ways, |way| {
            Ok(output(&mut way.run(&program, &[kind]))?.trim().parse::<f64>()?)
        });
        let native = smallest_native(&results, |cycles| *cycles)?;
        let mut cells = vec![(*name).to_owned(), format!("{:.0}", native.median())];
        for (index, result) in results.into_iter().enumerate().skip(1).take(2) {
            let rounds = match result {
                Ok(rounds) => rounds,
                Err(error) => {
                    table.failed(name, &error);
                    cells.extend(["", "", ""].map(str::to_owned));
                    continue;
                }
            };
            let series: Series = rounds.into_iter().collect();
            let ratio = series.ratio(&native);
            cells.push(format!("{:.0}", series.median()));
            cells.push(format!("{ratio:.2}"));
            if index == 1 {
                cells.push(match (limit, &without_handlers) {
                    (Some(limit), _) => verdict("x", ratio, *limit),
                    (None, Some(without)) => verdict("x", series.ratio(without), SAME),
                    (None, None) => String::new(),
                });
                without_handlers = (*kind == "call").then_some(series);
            }
        }
        table.row(cells);
    }
    Ok(table)
}
