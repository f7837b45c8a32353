//! `soak`: programs under load for minutes, while hooks are replaced all the time and
//! others are killed and stopped at random. Nothing may grow: mappings, descriptors,
//! threads, memory of servers that work all the time; and in the end as many threads are
//! counted as there are.

mod look;
mod served;
mod tree;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::dist;
use crate::test::{guests, packages};
use crate::workspace::{Profile, Workspace};
use tree::Tree;

/// Between two looks at the servers.
const LOOK: Duration = Duration::from_secs(5);
/// Between two signals to somebody in the tree that is harmed.
const HARM: Duration = Duration::from_millis(40);
/// How long a program may take to begin and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Arguments of `soak`.
#[derive(clap::Args)]
pub struct Args {
    /// For how long
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// Where random numbers begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs all of it, and judges.
pub fn execute(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    packages::provide(packages::FOR_TESTS)?;
    packages::provide(packages::FOR_SOAK)?;
    dist::lay_out(workspace, Profile::Dev)?;
    let hook = guests::build(workspace)?.join("libreplaced.so");
    let directory = workspace.target().join("soak");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory)?;
    let interceptor = workspace.dist().join("bin/interceptor");
    let mut servers = [
        served::redis(&interceptor, &directory)?,
        served::nginx(&interceptor, &hook, &directory)?,
        served::postgres(&interceptor, &hook, &directory)?,
    ];
    let mut tree = Tree::start(&interceptor, &directory)?;

    let start = Instant::now();
    let end = start + Duration::from_secs_f64(args.minutes * 60.0);
    let mut random = Random(args.seed.max(1));
    let mut harmed = 0;
    let mut next_look = start + LOOK;
    println!(
        "{:>6} {:<9} {:>9} {:>12} {:>8} {:>9}",
        "s", "server", "mappings", "descriptors", "threads", "kB"
    );
    while Instant::now() < end {
        for server in &mut servers {
            server.go_on()?;
        }
        harmed += u64::from(tree.harm(&mut random));
        if Instant::now() > next_look {
            next_look += LOOK;
            for server in &mut servers {
                let look = server.look()?;
                println!(
                    "{:>6.0} {:<9} {:>9} {:>12} {:>8} {:>9}",
                    start.elapsed().as_secs_f32(),
                    server.name,
                    look.mappings,
                    look.descriptors,
                    look.threads,
                    look.rss_kb
                );
            }
        }
        thread::sleep(HARM);
    }

    let counted = tree.end(&interceptor)?;
    let mut failures = Vec::new();
    for server in servers {
        failures.extend(server.end()?);
    }
    if counted != "1 processes, 1 threads" {
        failures.push(format!("one thread was left, counted were {counted}"));
    }
    println!("{harmed} signals; in the end {counted} were counted");
    for failure in &failures {
        println!("FAILED: {failure}");
    }
    Ok(ExitCode::from(u8::from(!failures.is_empty())))
}

fn descendants(pid: i32) -> Vec<i32> {
    let mut found = children(pid);
    let mut at = 0;
    while at < found.len() {
        found.extend(children(found[at]));
        at += 1;
    }
    found
}

fn children(pid: i32) -> Vec<i32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn wait_for(path: &Path) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !path.exists() {
        if Instant::now() > deadline {
            bail!("{} does not appear", path.display());
        }
        thread::sleep(HARM);
    }
    Ok(())
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit as u64) as usize
    }
}
