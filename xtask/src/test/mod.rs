//! `test`: every test of the workspace, against deliverables built for it.

use std::process::ExitCode;

use anyhow::Result;

use crate::dist;
use crate::symbols;
use crate::workspace::{Profile, Workspace};

mod guests;
mod packages;
mod tally;

use tally::Tally;

/// All packages but the runtime and the preload library, which has no tests
/// and which only `build` can link.
const OTHERS: &[&str] = &[
    "--workspace",
    "--exclude=interceptor",
    "--exclude=interceptor-preload",
];

/// Arguments of `test`.
#[derive(clap::Args)]
pub struct Args {
    /// Only tests whose name contains one of these
    filter: Vec<String>,
}

/// Prepares, tests, and closes with one line of totals.
pub fn execute(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    packages::provide()?;
    dist::lay_out(workspace, Profile::Dev)?;
    let guests = guests::build(workspace)?;

    let mut tally = Tally::default();
    // The runtime apart: if its tests do not link, the others still run.
    for packages in [OTHERS, &["--package=interceptor"]] {
        let mut cargo = workspace.cargo();
        cargo
            .arg("test")
            .args(packages)
            .arg("--no-fail-fast")
            .env("INTERCEPTOR_DIST", workspace.dist())
            .env("INTERCEPTOR_GUESTS", &guests)
            .arg("--")
            .args(&args.filter);
        tally.run(&mut cargo)?;
    }
    if args.filter.is_empty() {
        tally.add(symbols::inspect(workspace, &symbols::Args::default())?.len());
    }
    println!("{tally}");
    Ok(tally.exit_code())
}
