//! `bench`: what interception costs, side by side with others.
//!
//! Every group of measurements runs its subjects in turn, round by round, and
//! the first and the last of a round are the program without anybody: what
//! differs between those two is noise. Timing decides nothing here; the status
//! is 0 unless something that is there did not run.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use crate::dist;
use crate::test::packages;
use crate::workspace::{Profile, Workspace};

mod births;
mod fork_wait;
mod machine;
mod memory;
mod peer;
mod per_call;
mod products;
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
    /// forkwait, births, signals, find, dd, redis, nginx
    filter: Vec<String>,
}

/// A group of measurements.
type Group = fn(&Products) -> Result<Table>;

const GROUPS: &[(&str, Group)] = &[
    ("percall", per_call::measure),
    ("startup", start_up::measure),
    ("memory", memory::measure),
    ("forkwait", fork_wait::measure),
    ("births", births::measure),
    ("signals", signals::measure),
    ("find", whole::find),
    ("dd", whole::dd),
    ("redis", whole::redis),
    ("nginx", whole::nginx),
];

/// Builds what is needed, measures and prints.
pub fn execute(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    if let Err(error) = packages::provide(packages::FOR_BENCHMARKS) {
        println!("{error:#}");
    }
    dist::lay_out(workspace, Profile::Release)?;
    let products = Products::build(workspace)?;
    machine::print();

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
                has_failed |= table.has_failed();
            }
            Err(error) => {
                println!("{name}: did not run: {error:#}");
                has_failed = true;
            }
        }
    }
    println!("\nmeasured in {} s", began.elapsed().as_secs());
    Ok(ExitCode::from(u8::from(has_failed)))
}
