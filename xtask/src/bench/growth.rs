//! How cost grows: with sites, with objects, with threads.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::products::Products;
use super::rounds::{Series, interleave, native};
use super::table::Table;
use super::way::{Way, output, usage};
use crate::tool;

const ROUNDS: usize = 11;

/// Numbers of sites in one object.
const SITES: [usize; 3] = [100, 1000, 5000];
/// Numbers of objects with a site each.
const OBJECTS: [usize; 3] = [1, 20, 100];
/// Numbers of other threads.
const THREADS: [usize; 3] = [0, 100, 1000];

/// Measures all three.
pub fn measure(products: &Products) -> Result<Table> {
    let mut table = Table::new(
        "Growth",
        "start-up: ms of wall clock that interception adds to `true` with such libraries preloaded; \
         a call: TSC cycles, best batch; both are medians of interleaved runs",
        &["what", "native", "interceptor", "added"],
    );
    let directory = products.file("growth");
    fs::create_dir_all(&directory)?;
    for count in SITES {
        let library = directory.join(format!("libsites{count}.so"));
        build(&library, count)?;
        start_up(products, &mut table, &format!("start-up, {count} sites"), &[library])?;
    }
    let mut libraries: Vec<PathBuf> = Vec::new();
    for count in OBJECTS {
        while libraries.len() < count {
            let library = directory.join(format!("libobject{}.so", libraries.len()));
            build(&library, 1)?;
            libraries.push(library);
        }
        start_up(products, &mut table, &format!("start-up, {count} objects"), &libraries)?;
    }
    for count in THREADS {
        call(products, &mut table, count)?;
    }
    Ok(table)
}

/// Builds a library of functions that make a system call each.
fn build(library: &Path, sites: usize) -> Result<()> {
    if library.exists() {
        return Ok(());
    }
    let mut text = String::new();
    for site in 0..sites {
        writeln!(
            text,
            "long call{site}(void) {{ long r; __asm__ volatile(\"syscall\" : \"=a\"(r) : \"a\"({site}) \
             : \"rcx\", \"r11\", \"memory\"); return r < 0 ? -1 : r; }}"
        )?;
    }
    let source = library.with_extension("c");
    fs::write(&source, text)?;
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-shared", "-fPIC", "-nostdlib", "-o"]).arg(library).arg(source);
    tool::run(&mut cc)
}

fn start_up(
    products: &Products,
    table: &mut Table,
    what: &str,
    libraries: &[PathBuf],
) -> Result<()> {
    let libraries: Vec<&Path> = libraries.iter().map(PathBuf::as_path).collect();
    let runtime = products.runtime();
    let both: Vec<&Path> = libraries.iter().copied().chain([runtime]).collect();
    let ways = [
        Way::preload("native", &libraries),
        Way::preload("interceptor", &both),
        Way::preload("native again", &libraries),
    ];
    let results = interleave(ROUNDS, &ways, |way| {
        usage(&mut way.run("true", &[""; 0]))?;
        Ok(usage(&mut way.run("true", &[""; 0]))?.wall_ms)
    });
    let base = native(&results, |ms| *ms)?;
    row(table, what, &base, &results[1]);
    Ok(())
}

fn call(products: &Products, table: &mut Table, threads: usize) -> Result<()> {
    let program = products.file("percall");
    let count = format!("-{threads}");
    let ways =
        [Way::native(), products.c_hook("interceptor", "libanswer_vector_free.so"), Way::guard()];
    let results = interleave(ROUNDS, &ways, |way| {
        let text = output(&mut way.run(&program, &[count.as_str(), "100", "200", "1001=-38"]))?;
        let smallest = text.split_whitespace().nth(1).context("a figure is missing")?;
        Ok(smallest.parse::<f64>()?)
    });
    let base = native(&results, |cycles| *cycles)?;
    let what = format!("call forwarded by a C hook, {threads} other threads");
    row(table, &what, &base, &results[1]);
    Ok(())
}

fn row(table: &mut Table, what: &str, base: &Series, result: &Result<Vec<f64>>) {
    match result {
        Ok(rounds) => {
            let series: Series = rounds.iter().copied().collect();
            table.row([
                what.to_owned(),
                format!("{:.3}", base.median()),
                format!("{:.3}", series.median()),
                format!("{:+.3}", series.added(base)),
            ]);
        }
        Err(error) => table.failed(what, error),
    }
}
