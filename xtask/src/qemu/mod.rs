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

use crate::build;
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

/// One runs threads in turn, several at once.
const COUNTS: &[u32] = &[1, 4];

/// Guests that depend on the kernel or the processor, and do not take long where one
/// is emulated.
const GUESTS: &[&str] = &[
    "args6",
    "bigio",
    "cancel",
    "dlstorm",
    "efault",
    "fork_family",
    "jit",
    "numbers",
    "redzone",
    "registers",
    "robust",
    "rseq",
    "seccomp_filter",
    "seccomp_strict",
    "signal_altstack",
    "signal_dispositions",
    "signal_interrupt",
    "signal_nested",
    "sigcontext",
    "stack_small",
    "sud",
    "vdso",
    "vfork_family",
    "x87mmx",
];

/// Those of them that every run of all tests includes, where two processors are to
/// take less than two minutes.
const QUICK_GUESTS: &[&str] = &[
    "args6",
    "efault",
    "numbers",
    "registers",
    "robust",
    "rseq",
    "seccomp_filter",
    "signal_interrupt",
    "sigcontext",
    "sud",
    "vfork_family",
    "x87mmx",
];

/// What every run of all tests boots: the oldest processor, and the newest, several
/// of them.
const QUICK: &[(&str, &str, u32)] = &[("bookworm", "qemu64", 1), ("bookworm", "max", 2)];

/// Emulation is slow, and there may be other things to do.
const LIMIT: Duration = Duration::from_secs(1800);

/// Arguments of `qemu`.
#[derive(clap::Args)]
pub struct Args {
    /// Releases of Debian whose kernels are booted
    #[arg(long, value_delimiter = ',', default_values = SUITES)]
    suite: Vec<String>,
    /// A processor, by QEMU's names and features; may be repeated
    #[arg(long, default_values = PROCESSORS)]
    cpu: Vec<String>,
    /// Numbers of processors
    #[arg(long, value_delimiter = ',', default_values_t = COUNTS.iter().copied())]
    count: Vec<u32>,
    /// Modes in which guests run
    #[arg(long, value_delimiter = ',', default_values = ["run", "hook"])]
    modes: Vec<String>,
    /// Settings of the kernel, as `vm.overcommit_memory=2`
    #[arg(long)]
    sysctl: Vec<String>,
    /// Guests; `all` for every one
    #[arg(long, value_delimiter = ',', default_values = GUESTS)]
    guests: Vec<String>,
}

/// Boots each kernel with each processor.
pub fn execute(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    packages::provide(packages::FOR_TESTS)?;
    dist::lay_out(workspace, Profile::Dev)?;
    build::hook_for_tests(workspace)?;
    let bench = Bench::prepare(workspace)?;
    let guests = if args.guests == ["all"] { String::new() } else { args.guests.join(",") };
    let modes = args.modes.join(",");
    let sysctl = &args.sysctl;
    let mut has_failed = false;
    for suite in &args.suite {
        for processor in &args.cpu {
            for count in &args.count {
                let boot = Boot {
                    suite,
                    processor,
                    count: *count,
                    modes: &modes,
                    guests: &guests,
                    sysctl,
                };
                has_failed |= !bench.boot(&boot)?;
            }
        }
    }
    Ok(ExitCode::from(u8::from(has_failed)))
}

/// Boots what every run of all tests includes. Whether each was as expected.
pub fn quick(workspace: &Workspace) -> Result<Vec<bool>> {
    let bench = Bench::prepare(workspace)?;
    let guests = QUICK_GUESTS.join(",");
    QUICK
        .iter()
        .map(|(suite, processor, count)| {
            let (count, modes) = (*count, "run,hook");
            let boot = Boot { suite, processor, count, modes, guests: &guests, sysctl: &[] };
            bench.boot(&boot)
        })
        .collect()
}

/// One machine of the matrix.
struct Boot<'a> {
    suite: &'a str,
    processor: &'a str,
    count: u32,
    modes: &'a str,
    guests: &'a str,
    sysctl: &'a [String],
}

/// What all machines share.
struct Bench {
    directory: PathBuf,
    initramfs: PathBuf,
}

impl Bench {
    fn prepare(workspace: &Workspace) -> Result<Bench> {
        let directory = workspace.target().join("qemu");
        fs::create_dir_all(&directory)?;
        let initramfs = image::write(workspace, &directory)?;
        println!("kernel     processor      cpus       s  comparisons  deviations");
        Ok(Bench { directory, initramfs })
    }

    /// Boots one and prints its row. Whether all was as expected.
    fn boot(&self, boot: &Boot) -> Result<bool> {
        let Boot { suite, processor, count, modes, guests, sysctl } = *boot;
        let kernel = kernel::provide(suite, &self.directory)?;
        let initramfs = &self.initramfs;
        let kernel = &kernel;
        let machine =
            Machine { kernel, initramfs, processor, count, modes, guests, sysctl, limit: LIMIT };
        let ended = machine.run(&self.directory, &format!("{suite}-{processor}-{count}"))?;
        let done = ended.report.iter().find_map(|line| line.strip_prefix("done "));
        let has_run = |guest: &str| guests.is_empty() || guests.split(',').any(|run| run == guest);
        let mut deviations = expected::deviations(suite, processor, &ended.report, has_run);
        if done.is_none() {
            deviations.push(format!("no verdict; see {}", ended.console.display()));
        }
        println!(
            "{suite:<10} {processor:<14} {count:>4} {:>7.1} {:>12}  {}",
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
