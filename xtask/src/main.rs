//! `cargo xtask`: everything that is done to this project beyond `cargo build`.
//!
//! One file per command. A command returns the exit status it wants; an error
//! is printed as one chain of causes and becomes status 1.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

mod archive;
mod bench;
mod build;
mod dist;
mod fuzz;
mod link;
mod lint;
mod postgres;
mod qemu;
mod run;
mod rustc;
mod ship;
mod soak;
mod symbols;
mod test;
mod tool;
mod workspace;

use workspace::Workspace;

/// Builds, runs and checks Interceptor.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Task {
    /// Build the preload library and the command line tool
    Build(build::Args),
    /// Lay out the deliverables under target/dist
    Dist(dist::Args),
    /// Install the deliverables below a prefix
    Install(ship::install::Args),
    /// Remove what was installed below a prefix
    Uninstall(ship::install::Args),
    /// Make Debian packages, in target/packages
    Package(ship::deb::Args),
    /// Lay out target/dist and execute its command with the arguments that follow
    Run(run::Args),
    /// Run every test, then the checks of `symbols`
    Test(test::Args),
    /// Boot other kernels and processors, and run guests there
    Qemu(qemu::Args),
    /// Look for input that does harm to what reads it
    Fuzz(fuzz::Args),
    /// Run programs under load for minutes, harm some, and look for leaks
    Soak(soak::Args),
    /// Check the built library: linkage, protections, exports, vector-free paths
    Symbols(symbols::Args),
    /// Check formatting, clippy, documentation and the C headers
    Lint,
    /// Measure what interception costs
    Bench(bench::Args),
}

fn main() -> ExitCode {
    if let Some(code) = rustc::become_it() {
        return code;
    }
    let task = Task::parse();
    match execute(task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(task: Task) -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    match task {
        Task::Build(args) => build::execute(&workspace, &args),
        Task::Dist(args) => dist::execute(&workspace, &args),
        Task::Install(args) => ship::install::install(&workspace, &args),
        Task::Uninstall(args) => ship::install::uninstall(&args),
        Task::Package(args) => ship::deb::execute(&workspace, &args),
        Task::Run(args) => run::execute(&workspace, &args),
        Task::Test(args) => test::execute(&workspace, &args),
        Task::Qemu(args) => qemu::execute(&workspace, &args),
        Task::Fuzz(args) => fuzz::execute(&workspace, &args),
        Task::Soak(args) => soak::execute(&workspace, &args),
        Task::Symbols(args) => symbols::execute(&workspace, &args),
        Task::Lint => lint::execute(&workspace),
        Task::Bench(args) => bench::execute(&workspace, &args),
    }
}
