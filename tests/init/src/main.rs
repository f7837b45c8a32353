//! The first process of a machine that `cargo xtask qemu` boots: runs guests
//! natively and intercepted, reports what is not as expected, powers off.
//!
//! The kernel hands it the words of its command line as environment variables:
//! `MODES`, names of modes; `GUESTS`, names of guests, or nothing for all. Each guest
//! has a process of its own to run in, this program again, so that whatever happens
//! to one is told and the next has its turn.
//!
//! The report goes to the second serial line, one fact a line, and is complete when
//! it ends with `done`. The first word says what kind of fact it is:
//!
//! | | |
//! |---|---|
//! | `absent X` | the kernel or the processor lacks X |
//! | `fails GUEST: …` | it does not end natively as it should |
//! | `differs GUEST MODE: …` | it is not as natively |
//! | `same GUEST MODE` | it is as natively, though a difference is known |
//! | `broken GUEST: …` | it could not be judged |
//! | `done N` | that many comparisons were made |

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::process::{self, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use interceptor_tests::{Dist, Judgement, KNOWN, Mode, Modes, Program, Source, guest, judge};
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;

mod features;

/// How long a guest may run: emulated processors are slow, and slower on a loaded
/// machine.
const LIMIT: Duration = Duration::from_secs(600);

/// Where the report goes.
const REPORT: &str = "/dev/ttyS1";

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let [_, word, guest] = arguments.as_slice()
        && word == "guest"
    {
        return compare(guest);
    }
    if process::id() != 1 {
        eprintln!("runs as the first process of a machine, or as: init guest NAME");
        process::exit(2);
    }
    if let Err(error) = machine() {
        eprintln!("init: {error:#}");
    }
    // Only fails without privileges.
    let _ = reboot(RebootMode::RB_POWER_OFF);
}

/// The life of the machine.
fn machine() -> Result<()> {
    prepare()?;
    let mut report =
        OpenOptions::new().write(true).open(REPORT).context("no second serial line")?;
    for feature in features::absent()? {
        writeln!(report, "absent {feature}")?;
    }
    let mut comparisons = 0;
    let start = Instant::now();
    for name in guests()? {
        eprintln!("init: {:6.1} s: {name}", start.elapsed().as_secs_f32());
        let lines = in_a_process_of_its_own(&name)?;
        for line in lines.lines() {
            match line.strip_prefix("compared ") {
                Some(count) => comparisons += count.parse::<usize>()?,
                None => writeln!(report, "{line}")?,
            }
        }
    }
    writeln!(report, "done {comparisons}")?;
    // So that all of it has left the machine before it is gone.
    nix::sys::termios::tcdrain(&report)?;
    Ok(())
}

/// Makes of an unpacked archive what programs expect to find.
fn prepare() -> Result<()> {
    let file_systems: &[(&str, &str)] = &[
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("devtmpfs", "/dev"),
        ("devpts", "/dev/pts"),
        ("tmpfs", "/dev/shm"),
        ("tmpfs", "/tmp"),
    ];
    for (kind, place) in file_systems {
        fs::create_dir_all(place)?;
        mount(Some(*kind), *place, Some(*kind), MsFlags::empty(), None::<&str>)
            .with_context(|| format!("cannot mount {place}"))?;
    }
    // As everywhere; the kernel alone makes no names below /dev for these.
    for (name, target) in [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1")] {
        std::os::unix::fs::symlink(target, format!("/dev/{name}"))?;
    }
    Ok(())
}

/// The names of guests to run.
fn guests() -> Result<Vec<String>> {
    let wanted = env::var("GUESTS").unwrap_or_default();
    let wanted: Vec<&str> = wanted.split(',').filter(|name| !name.is_empty()).collect();
    let mut names = Vec::new();
    for source in Source::all() {
        let musl = source.has_musl.then(|| format!("{}.musl", source.name));
        for name in [Some(source.name), musl].into_iter().flatten() {
            let is_wanted = wanted.is_empty() || wanted.contains(&name.as_str());
            if is_wanted && guest(&name).is_ok() {
                names.push(name);
            }
        }
    }
    if let Some(missing) = wanted.iter().find(|name| !names.iter().any(|there| there == *name)) {
        bail!("no guest {missing}");
    }
    Ok(names)
}

fn in_a_process_of_its_own(name: &str) -> Result<String> {
    let output = "/tmp/report";
    let mut child = Command::new("/init");
    let child = child.args(["guest", name]).stdin(Stdio::null()).stdout(File::create(output)?);
    let child = Pid::from_raw(child.spawn()?.id().cast_signed());
    let status = loop {
        // Whatever else ends was left behind by a guest.
        let status = wait()?;
        if status.pid() == Some(child) {
            break status;
        }
    };
    let mut report = fs::read_to_string(output)?;
    if !matches!(status, WaitStatus::Exited(_, 0)) {
        report += &format!("broken {name}: {status:?}\n");
    }
    Ok(report)
}

/// Runs a guest natively and in each mode, and prints what is to be reported.
fn compare(name: &str) {
    let modes = env::var("MODES").unwrap_or_default();
    let modes: Vec<&Mode> = modes.split(',').filter_map(Modes::named).collect();
    let dist = Dist::find().expect("the deliverables");
    let program = Program::new(guest(name).expect("a guest")).limit(LIMIT);
    let native = program.natively();
    let source = name.strip_suffix(".musl").unwrap_or(name);
    let ends = Source::all().into_iter().find(|other| other.name == source).expect("a source").ends;
    if native.status.named() != ends {
        println!("fails {name}: {}", one_line(&format!("{native:?}")));
    }
    for mode in &modes {
        let ours = mode.run(&dist, &program).expect("its hook");
        match judge(KNOWN, name, mode, &native, &ours) {
            Judgement::Expected => {}
            Judgement::Differs(difference) => {
                println!("differs {name} {}: {}", mode.name, one_line(&difference));
            }
            Judgement::NoLongerDiffers(_) => println!("same {name} {}", mode.name),
        }
    }
    println!("compared {}", modes.len());
}

fn one_line(text: &str) -> String {
    text.trim_end().replace('\n', " | ")
}
