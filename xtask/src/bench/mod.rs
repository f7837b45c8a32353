//! `bench`: what interception costs, side by side with others.
//!
//! Every group of measurements runs its subjects in turn, round by round, and
//! the first and the last of a round are the program without anybody: what
//! differs between those two is noise. Timing decides nothing here; the status
//! is 0 unless something that is there did not run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::json;

use crate::dist;
use crate::test::packages;
use crate::workspace::{Profile, Workspace};

mod births;
mod fork_wait;
mod growth;
mod machine;
mod memory;
mod peer;
mod per_call;
mod products;
mod programs;
mod rounds;
mod server;
mod signals;
mod start_up;
mod table;
mod way;
mod whole;

use products::Products;
use table::Table;

/// Arguments of `bench`.
#[derive(clap::Args)]
pub struct Args {
    /// Only groups whose name contains one of these: percall, startup, memory,
    /// threadmemory, forkwait, births, signals, growth, find, dd, archive, git, sqlite, cc, redis,
    /// nginx, pgbench
    filter: Vec<String>,
    /// Also write all figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also write a record of the run to this file, in Markdown
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// A group of measurements.
type Group = fn(&Products) -> Result<Table>;

const GROUPS: &[(&str, Group)] = &[
    ("percall", per_call::measure),
    ("startup", start_up::measure),
    ("memory", memory::of_process),
    ("threadmemory", memory::of_threads),
    ("forkwait", fork_wait::measure),
    ("births", births::measure),
    ("signals", signals::measure),
    ("growth", growth::measure),
    ("find", whole::find),
    ("dd", whole::dd),
    ("archive", programs::tar),
    ("git", programs::git),
    ("sqlite", programs::sqlite),
    ("cc", programs::cc),
    ("redis", whole::redis),
    ("nginx", whole::nginx),
    ("pgbench", programs::pgbench),
];

/// Builds what is needed, measures and prints.
pub fn execute(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    if let Err(error) = packages::provide(packages::FOR_BENCHMARKS) {
        println!("{error:#}");
    }
    dist::lay_out(workspace, Profile::Release)?;
    let products = Products::build(workspace)?;
    let machine = machine::describe();
    println!("{machine}");
    let (mut tables, mut sections) = (Vec::new(), Vec::new());

    let began = Instant::now();
    let mut has_failed = false;
    for (name, measure) in GROUPS {
        if !args.filter.is_empty() && !args.filter.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        println!();
        match measure(&products) {
            Ok(table) => {
                print!("{table}");
                tables.push(table.json(name));
                sections.push(table.markdown());
                has_failed |= table.has_failed();
            }
            Err(error) => {
                println!("{name}: did not run: {error:#}");
                has_failed = true;
            }
        }
    }
    let seconds = began.elapsed().as_secs();
    println!("\nmeasured in {seconds} s");
    if let Some(file) = &args.json {
        let all = json!({ "machine": machine, "seconds": seconds, "tables": tables });
        write(file, &format!("{all:#}\n"))?;
    }
    if let Some(file) = &args.record {
        let command =
            ["cargo xtask bench"].into_iter().chain(args.filter.iter().map(String::as_str));
        let command = command.collect::<Vec<_>>().join(" ");
        let head =
            format!("# Benchmarks\n\n{RECORD}\n\n    {command} --record FILE\n\n{machine}.\n");
        let sections = sections.iter().map(|section| format!("\n{section}"));
        write(file, &(head + &sections.collect::<String>()))?;
    }
    Ok(ExitCode::from(u8::from(has_failed)))
}

/// What a record says of itself.
const RECORD: &str = "One run, as it was printed, by the command below. Figures of another run differ by the \
noise of the machine: the rows called native and native again say how much that was. README.md says what \
the targets are.";

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
