//! Births of threads and processes, and the wait for their ends.

use anyhow::Result;

use super::products::Products;
use super::rounds::{Series, interleave, native};
use super::table::{TARGET, Table, verdict};
use super::way::{Way, output};

const ROUNDS: usize = 11;

/// Times native.
const LIMIT: f64 = 1.10;

/// What is born, how often, and how many other threads are alive.
const KINDS: &[(&str, [&str; 3])] = &[
    ("thread, create and join", ["thread", "2000", "0"]),
    ("… beside 10 others", ["thread", "2000", "10"]),
    ("… beside 3,000 others", ["thread", "2000", "3000"]),
    ("… beside 10,000 others", ["thread", "2000", "10000"]),
    ("vfork, _exit and wait", ["vfork", "500", "0"]),
    ("… beside 10,000 threads", ["vfork", "500", "10000"]),
    ("posix_spawn that fails", ["spawn", "500", "0"]),
];

/// Measures all kinds in all ways.
pub fn measure(products: &Products) -> Result<Table> {
    let mut table = Table::new(
        "Births, in µs of wall clock",
        "medians of interleaved runs; counted: by a hook library that has a group",
        &["what", "native", "interceptor", "x native", TARGET, "counted", "x native", TARGET],
    );
    let program = products.file("births");
    let ways = [
        Way::native(),
        products.nobody(),
        products.c_hook("counted", "libcensus.so"),
        Way::guard(),
    ];
    for (name, arguments) in KINDS {
        let results = interleave(ROUNDS, &ways, |way| {
            let text = output(&mut way.run(&program, arguments))?;
            Ok(text.trim().parse::<f64>()? / 1e3)
        });
        let native = native(&results, |us| *us)?;
        let mut cells = vec![(*name).to_owned(), format!("{:.1}", native.median())];
        let [_, nobody, counted, _] = <[_; 4]>::try_from(results).unwrap_or_else(|_| {
            unreachable!("as many results as ways");
        });
        for result in [nobody, counted] {
            match result {
                Ok(rounds) => {
                    let series: Series = rounds.into_iter().collect();
                    let ratio = series.ratio(&native);
                    cells.push(format!("{:.1}", series.median()));
                    cells.push(format!("{ratio:.2}"));
                    cells.push(verdict("x", ratio, LIMIT));
                }
                Err(error) => {
                    table.failed(name, &error);
                    cells.extend(["", "", ""].map(str::to_owned));
                }
            }
        }
        table.row(cells);
    }
    Ok(table)
}
