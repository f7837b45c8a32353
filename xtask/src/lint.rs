//! `lint`: formatting, clippy, documentation, C headers.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::tool;
use crate::workspace::Workspace;

/// Crates without a standard library.
const FREESTANDING: &[&str] = &[
    "interceptor",
    "interceptor-preload",
    "interceptor-syscall-intercept",
    "interceptor-bench-hook",
    "interceptor-forward-hook",
];

/// How headers are compiled: compiler, language and standard.
const HEADER_COMPILERS: &[(&str, &str, &str)] = &[
    ("cc", "c", "c11"),
    ("c++", "c++", "c++17"),
    ("clang", "c", "c11"),
    ("clang++", "c++", "c++17"),
];

/// Those that every machine of ours has; the others are large.
const NEEDED_COMPILERS: &[&str] = &["cc", "c++"];

/// Runs every check, also after one has failed, and reports all failures.
pub fn execute(workspace: &Workspace) -> Result<ExitCode> {
    let mut failures = Vec::new();
    for (name, mut command) in checks(workspace)? {
        println!("lint: {name}");
        if let Err(error) = tool::run(&mut command) {
            failures.push(format!("{name}: {error:#}"));
        }
    }
    for failure in &failures {
        eprintln!("lint: {failure}");
    }
    Ok(ExitCode::from(u8::from(!failures.is_empty())))
}

fn checks(workspace: &Workspace) -> Result<Vec<(String, Command)>> {
    let mut format = workspace.cargo();
    format.args(["fmt", "--all", "--", "--check"]);

    // The freestanding crates bring a panic handler, which excludes a test
    // harness.
    let mut clippy = workspace.cargo();
    clippy.args(["clippy", "--quiet", "--workspace", "--all-targets"]);
    clippy.args(FREESTANDING.iter().flat_map(|name| ["--exclude", name]));
    clippy.args(["--", "-D", "warnings"]);

    let mut clippy_freestanding = workspace.cargo();
    clippy_freestanding.args(["clippy", "--quiet"]);
    clippy_freestanding.args(FREESTANDING.iter().flat_map(|name| ["--package", name]));
    clippy_freestanding.args(["--", "-D", "warnings"]);

    let mut documentation = workspace.cargo();
    documentation
        .args(["doc", "--quiet", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "-D warnings");

    let mut checks = vec![
        ("formatting".to_owned(), format),
        ("clippy".to_owned(), clippy),
        ("clippy, freestanding crates".to_owned(), clippy_freestanding),
        ("documentation".to_owned(), documentation),
    ];
    let is_there =
        |compiler: &str| NEEDED_COMPILERS.contains(&compiler) || tool::is_installed(compiler);
    for (compiler, ..) in HEADER_COMPILERS.iter().filter(|(compiler, ..)| !is_there(compiler)) {
        println!("lint: no header is compiled by {compiler}, which is not installed");
    }
    for header in workspace.headers()? {
        let header = workspace.root().join("include").join(header);
        for (compiler, language, standard) in
            HEADER_COMPILERS.iter().filter(|(compiler, ..)| is_there(compiler))
        {
            let mut command = Command::new(compiler);
            command
                .args(["-x", language, &format!("-std={standard}")])
                .args(["-Wall", "-Wextra", "-Werror", "-pedantic"])
                // As an includer sees it: a header compiled by itself is
                // warned of for its include guards and unused functions.
                .args(["-fsyntax-only", "/dev/null", "-include"])
                .arg(&header);
            checks.push((format!("{} as {standard} by {compiler}", header.display()), command));
        }
    }
    Ok(checks)
}
