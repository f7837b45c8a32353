//! `bench`: what interception costs, side by side with others.

use std::fs;
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::workspace::Workspace;

/// Arguments of `bench`.
#[derive(clap::Args)]
pub struct Args {
    /// Only benchmarks whose name contains one of these
    filter: Vec<String>,
}

/// Names what there is to measure under `tests/bench`.
pub fn execute(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let directory = workspace.root().join("tests/bench");
    let Ok(entries) = fs::read_dir(&directory) else {
        bail!("nothing to measure: there is no tests/bench");
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| args.filter.is_empty() || args.filter.iter().any(|part| name.contains(part)))
        .collect();
    names.sort();
    for name in names {
        println!("{name}");
    }
    Ok(ExitCode::SUCCESS)
}
