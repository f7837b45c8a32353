//! `test`: every test of the workspace, against deliverables built for it.

use std::env;
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::build;
use crate::dist;
use crate::fuzz;
use crate::qemu;
use crate::ship::deb;
use crate::symbols;
use crate::tool;
use crate::workspace::{Profile, Workspace};

pub mod guests;
mod original;
pub mod packages;
mod suites;
mod tally;
mod userlands;

use tally::Tally;

/// What selects the comparisons of programs, as a filter of tests.
const CONFORMANCE: &str = "conformance";

/// Arguments of `test`.
#[derive(clap::Args)]
pub struct Args {
    /// Only tests whose name contains this; `conformance`: all programs in all modes;
    /// `suites`: all of other people's test suites
    filter: Option<String>,
    /// Of `conformance` and `suites`, only tests whose name contains this
    part: Option<String>,
}

/// Prepares, tests, and closes with one line of totals.
pub fn execute(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let has_suites = args.filter.as_deref() == Some(suites::FILTER);
    if args.part.is_some() && !has_suites && args.filter.as_deref() != Some(CONFORMANCE) {
        bail!("only `{CONFORMANCE}` and `{}` have parts", suites::FILTER);
    }
    packages::provide(packages::FOR_TESTS)?;
    let is_everything = env::var_os("INTERCEPTOR_EVERYTHING").is_some();
    if is_everything {
        packages::provide(packages::FOR_EVERYTHING)?;
    }
    if has_suites || is_everything {
        suites::fetch(workspace)?;
    }
    let userlands = userlands::fetch(workspace, args.filter.as_deref());
    dist::lay_out(workspace, Profile::Dev)?;
    let guests = guests::build(workspace)?;
    build::hook_for_tests(workspace)?;
    if tool::is_installed("dpkg-deb") {
        deb::make(workspace)?;
    }
    original::provide(workspace)?;
    userlands.finish(workspace)?;

    let mut tally = Tally::default();
    tally.run(
        workspace
            .cargo()
            // All of them, also after one test program has failed.
            .args(["test", "--no-fail-fast"])
            .args(selection(args))
            // Of suites, too, all are run when they are asked for.
            .envs(has_suites.then_some(("INTERCEPTOR_EVERYTHING", "1")))
            .env("INTERCEPTOR_DIST", workspace.dist())
            .env("INTERCEPTOR_GUESTS", guests)
            .env("INTERCEPTOR_PACKAGES", workspace.target().join("packages"))
            .env("INTERCEPTOR_SUITES", suites::directory(workspace))
            .env("INTERCEPTOR_USERLANDS", userlands::directory(workspace)),
    )?;
    if args.filter.is_none() {
        let failures = symbols::inspect(workspace, &symbols::Args::default());
        if let Err(error) = &failures {
            eprintln!("symbols: {error:#}");
        }
        tally.add(failures.is_ok_and(|failures| failures.is_empty()));
        // Booting leaves one processor to the build.
        let fuzz = fuzz::Quick::begin(workspace);
        boot_others(workspace, &mut tally);
        fuzz.finish()?.into_iter().for_each(|is_harmless| tally.add(is_harmless));
    }
    // Much has been printed since, of which a log may show the end only.
    print!("{}", tally.failures());
    println!("{tally}");
    Ok(tally.exit_code())
}

/// What `cargo test` is to run.
fn selection(args: &Args) -> Vec<&str> {
    const WORKSPACE: &[&str] = &[
        "--workspace",
        // Have no tests, and only `build` and `bench` can link them.
        "--exclude=interceptor-preload",
        "--exclude=interceptor-syscall-intercept",
        "--exclude=interceptor-bench-hook",
        "--exclude=interceptor-forward-hook",
    ];
    /// Programs that are run natively and in every mode.
    const PROGRAMS: &[&str] = &["--package=interceptor-tests", "--test=guests", "--test=programs"];
    /// Tests that others have written.
    const SUITES: &[&str] = &["--package=interceptor-tests", "--test=suites"];
    let (filter, part) = (args.filter.as_deref(), args.part.as_deref());
    let (programs, names) = match filter {
        Some(CONFORMANCE) => (PROGRAMS, part),
        Some(suites::FILTER) => (SUITES, part),
        _ => (WORKSPACE, filter),
    };
    programs.iter().copied().chain(["--"]).chain(names).collect()
}

/// Boots other kernels and processors. Where the emulator or a kernel cannot be had
/// that is skipped, which `CI` does not allow.
fn boot_others(workspace: &Workspace, tally: &mut Tally) {
    match qemu::quick(workspace) {
        Ok(boots) => boots.into_iter().for_each(|is_as_expected| tally.add(is_as_expected)),
        Err(error) => {
            println!("no other kernel was booted: {error:#}");
            if env::var_os("CI").is_some() { tally.add(false) } else { tally.skip() }
        }
    }
}
