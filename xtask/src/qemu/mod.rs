//! `qemu`: guests on other kernels and other processors.
//!
//! QEMU boots kernels of Debian's releases with a first file system that is made
//! here; its first process, `tests/init`, runs guests natively and intercepted and
//! reports. What a kernel or a processor lacks is known, in `expected`. Everything
//! lies in `target/qemu`, the console of each machine, too.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use crate::dist;
use crate::test::packages;
use crate::workspace::{Profile, Workspace};

mod cpio;
mod expected;
mod image;
mod kernel;
mod machine;

use machine::Machine;

/// Linux 5.10, which has no Syscall User Dispatch; 6.1; 6.12; the newest.
const SUITES: &[&str] = &["bullseye", "bookworm", "trixie", "sid"];

/// Neither XSAVE nor AVX; SSE4; AVX without FSGSBASE; AVX2; everything that is
/// emulated, without and with FSGSBASE.
const PROCESSORS: &[&str] =
    &["qemu64", "Nehalem", "SandyBridge", "Haswell", "max,-fsgsbase", "max"];

const COUNTS: &[u32] = &[1, 4];

/// Arguments of `qemu`.
#[derive(clap::Args)]
pub struct Args {
    /// Releases of Debian whose kernels are booted
    #[arg(long, value_delimiter = ',', default_values = SUITES)]
    suite: Vec<String>,
    /// Processors, by QEMU's names and features
    #[arg(long, default_values = PROCESSORS)]
    cpu: Vec<String>,
    /// Numbers of processors
    #[arg(long, value_delimiter = ',', default_values_t = COUNTS.iter().copied())]
    count: Vec<u32>,
    /// Modes in which guests run
    #[arg(long, value_delimiter = ',', default_values = ["run", "hook"])]
    modes: Vec<String>,
    /// Guests; all, unless some are named
    #[arg(long, value_delimiter = ',')]
    guests: Vec<String>,
}

/// Boots each kernel with each processor.
pub fn execute(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    packages::provide(packages::FOR_TESTS)?;
    dist::lay_out(workspace, Profile::Dev)?;
    let bench = Bench::prepare(workspace)?;
    let mut has_failed = false;
    println!(
        "{:<10} {:<14} {:>4} {:>7} {:>12}  deviations",
        "kernel", "processor", "cpus", "s", "comparisons"
    );
    for suite in &args.suite {
        for processor in &args.cpu {
            for count in &args.count {
                let boot = Boot {
                    suite: suite.clone(),
                    processor: processor.clone(),
                    count: *count,
                    modes: args.modes.join(","),
                    guests: args.guests.join(","),
                };
                has_failed |= !bench.boot(&boot)?;
            }
        }
    }
    Ok(ExitCode::from(u8::from(has_failed)))
}

/// One machine of the matrix.
struct Boot {
    suite: String,
    processor: String,
    count: u32,
    modes: String,
    guests: String,
}

/// What all machines share.
struct Bench {
    directory: PathBuf,
    initramfs: PathBuf,
}

/// Emulation is slow, and there may be other things to do.
const LIMIT: Duration = Duration::from_secs(1800);

impl Bench {
    fn prepare(workspace: &Workspace) -> Result<Bench> {
        let directory = workspace.target().join("qemu");
        fs::create_dir_all(&directory)?;
        let initramfs = image::write(workspace, &directory)?;
        Ok(Bench { directory, initramfs })
    }

    /// Boots one and prints its row. Whether all was as expected.
    fn boot(&self, boot: &Boot) -> Result<bool> {
        let suite = boot.suite.as_str();
        let kernel = kernel::provide(suite, &self.directory)?;
        let machine = Machine {
            kernel: &kernel,
            initramfs: &self.initramfs,
            processor: &boot.processor,
            count: boot.count,
            modes: &boot.modes,
            guests: &boot.guests,
            limit: LIMIT,
        };
        let name = format!("{suite}-{}-{}", boot.processor, boot.count);
        let ended = machine.run(&self.directory, &name)?;
        let done = ended.report.iter().find_map(|line| line.strip_prefix("done "));
        let mut deviations = expected::deviations(suite, &boot.processor, &ended.report, |_| true);
        if done.is_none() {
            deviations.push(format!("no verdict; see {}", ended.console.display()));
        }
        println!(
            "{:<10} {:<14} {:>4} {:>7.1} {:>12}  {}",
            suite,
            boot.processor,
            boot.count,
            ended.took.as_secs_f32(),
            done.unwrap_or("-"),
            if deviations.is_empty() { "none" } else { "" }
        );
        for deviation in &deviations {
            println!("    {deviation}");
        }
        Ok(deviations.is_empty())
    }
}
