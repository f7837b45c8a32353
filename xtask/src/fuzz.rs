//! `fuzz`: looks for input that does harm to what reads it.
//!
//! The targets, and all that they call, are compiled to tell which ways they go, by
//! flags that the stable compiler has; libFuzzer, which is compiled with them, changes
//! input as long as that leads new ways. What it learns stays in `target/fuzz`; what does
//! harm belongs into `tests/fuzz/corpus`, which all tests give to the targets.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow, bail};

use crate::workspace::Workspace;

/// Counters of edges, and comparisons, as libFuzzer wants them.
const INSTRUMENTED: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares \
     -Ccodegen-units=1 --cfg fuzzing";

/// Build scripts and macros are compiled without these flags only when the target is named.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Over the rows.
const HEAD: &str = "target           runs    edges   corpus  result";

/// Arguments of `fuzz`.
#[derive(clap::Args)]
pub struct Args {
    /// Targets, by the names of directories in tests/fuzz/corpus; all, if none is named
    targets: Vec<String>,
    /// How long each is run, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Runs each target, and prints a row for it.
pub fn execute(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let known = known(workspace)?;
    if let Some(unknown) = args.targets.iter().find(|target| !known.contains(target)) {
        bail!("no target {unknown}; there are {}", known.join(", "));
    }
    let targets = if args.targets.is_empty() { &known } else { &args.targets };
    let directory = directory(workspace);
    let program = build(workspace, &directory)?;
    let mut harmed = 0;
    println!("{HEAD}");
    for target in targets {
        let fuzzer = Fuzzer { target, program: &program, directory: &directory };
        harmed += u8::from(!fuzzer.run(workspace, args.seconds)?);
    }
    Ok(ExitCode::from(u8::from(harmed > 0)))
}

/// Seconds for each target when all tests run.
const QUICK_SECONDS: u32 = 5;

/// A short run of all targets, for which the program is built meanwhile.
pub struct Quick {
    workspace: Workspace,
    built: JoinHandle<Result<PathBuf>>,
}

impl Quick {
    /// Begins to build it.
    pub fn begin(workspace: &Workspace) -> Quick {
        let workspace = workspace.clone();
        let building = workspace.clone();
        let built = thread::spawn(move || build(&building, &directory(&building)));
        Quick { workspace, built }
    }

    /// Runs each target, and prints a row for it. Returns which were not harmed.
    pub fn finish(self) -> Result<Vec<bool>> {
        let program = self.built.join().map_err(|_| anyhow!("the build has panicked"))??;
        let (targets, directory) = (known(&self.workspace)?, directory(&self.workspace));
        let run = |target: &String| {
            let fuzzer = Fuzzer { target, program: &program, directory: &directory };
            fuzzer.run(&self.workspace, QUICK_SECONDS)
        };
        println!("{HEAD}");
        // None of them uses more than one processor.
        let (ones, others) = targets.split_at(targets.len() / 2);
        thread::scope(|scope| {
            let ones = scope.spawn(|| ones.iter().map(run).collect::<Result<Vec<_>>>());
            let others = others.iter().map(run).collect::<Result<Vec<_>>>()?;
            let ones = ones.join().map_err(|_| anyhow!("a run has panicked"))??;
            Ok([ones, others].concat())
        })
    }
}

/// Where everything is that is built and learned.
fn directory(workspace: &Workspace) -> PathBuf {
    workspace.target().join("fuzz")
}

/// The names of all targets.
fn known(workspace: &Workspace) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(workspace.root().join("tests/fuzz/corpus"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn build(workspace: &Workspace, directory: &Path) -> Result<PathBuf> {
    crate::tool::run(
        workspace
            .cargo()
            .args(["build", "--quiet", "--release", "--target", TARGET])
            .args(["--manifest-path", "tests/fuzz/fuzzer/Cargo.toml", "--target-dir"])
            .arg(directory)
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env("RUSTFLAGS", INSTRUMENTED),
    )?;
    Ok(directory.join(TARGET).join("release/interceptor-fuzz"))
}

/// One target.
struct Fuzzer<'a> {
    target: &'a str,
    program: &'a Path,
    directory: &'a Path,
}

impl Fuzzer<'_> {
    /// Returns whether no input did harm.
    fn run(&self, workspace: &Workspace, seconds: u32) -> Result<bool> {
        let learned = self.directory.join("learned").join(self.target);
        let harmful = self.directory.join("harmful").join(self.target);
        fs::create_dir_all(&learned)?;
        fs::create_dir_all(&harmful)?;
        let output = Command::new(self.program)
            .arg(&learned)
            .arg(workspace.root().join("tests/fuzz/corpus").join(self.target))
            .arg(format!("-max_total_time={seconds}"))
            .args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"])
            .arg(format!("-artifact_prefix={}/", harmful.display()))
            .env("FUZZ_TARGET", self.target)
            .output()
            .context("cannot start the fuzzer")?;
        let text = String::from_utf8_lossy(&output.stderr);
        let is_harmless = output.status.success();
        let runs = after(&text, "stat::number_of_executed_units:");
        let line = text.lines().rev().find(|line| line.contains(" cov: ")).unwrap_or_default();
        println!(
            "{:<12} {:>8} {:>8} {:>8}  {}",
            self.target,
            runs,
            after(line, " cov:"),
            after(line, " corp:").split('/').next().unwrap_or_default(),
            if is_harmless { "no harm" } else { "HARM" }
        );
        if !is_harmless {
            println!("{text}");
            println!("the input is in {}", harmful.display());
        }
        Ok(is_harmless)
    }
}

/// The word that follows another.
fn after<'a>(text: &'a str, name: &str) -> &'a str {
    let rest = text.split_once(name).map_or("", |(_, rest)| rest);
    rest.split_whitespace().next().unwrap_or("-")
}
