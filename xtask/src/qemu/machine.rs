//! One boot: a kernel, a processor, a first process, and what it reports.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::image;

/// The emulator.
pub const QEMU: &str = "qemu-system-x86_64";

/// How long a kernel may take to print its first line where it runs at all.
/// On some virtual hosts /dev/kvm can be opened, and Debian's kernels hang.
const FIRST_LINE: Duration = Duration::from_secs(5);

/// What every kernel prints first.
const GREETING: &str = "Linux version";

/// What is booted.
pub struct Machine<'a> {
    /// The kernel's file.
    pub kernel: &'a Path,
    /// The archive with the first file system.
    pub initramfs: &'a Path,
    /// QEMU's name of a processor, with features.
    pub processor: &'a str,
    /// How many of them.
    pub count: u32,
    /// Names of modes, separated by commas.
    pub modes: &'a str,
    /// Names of guests, separated by commas; all, when empty.
    pub guests: &'a str,
    /// Settings of the kernel, each a name and a value.
    pub sysctl: &'a [String],
    /// After this it has failed.
    pub limit: Duration,
}

/// How a boot ended.
pub struct Ended {
    /// Lines of the report.
    pub report: Vec<String>,
    /// How long it took.
    pub took: Duration,
    /// Where the kernel's messages are, and what the first process said.
    pub console: PathBuf,
}

impl Machine<'_> {
    /// Boots, and waits for the machine to power off. `name` is for its files,
    /// which are kept in `directory`.
    pub fn run(&self, directory: &Path, name: &str) -> Result<Ended> {
        let (console, report) =
            (directory.join(format!("{name}.console")), directory.join(format!("{name}.report")));
        let start = Instant::now();
        let mut child = self.boot(accelerator(self, directory), &console, &report)?;
        let deadline = start + self.limit;
        while child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                child.kill()?;
                child.wait()?;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let text = String::from_utf8_lossy(&fs::read(&report)?).into_owned();
        let report = text.lines().map(|line| line.trim_end().to_owned()).collect();
        Ok(Ended { report, took: start.elapsed(), console })
    }

    fn boot(&self, accelerator: &str, console: &Path, report: &Path) -> Result<Child> {
        // The kernel sets them before the first process starts, since Linux 5.8.
        let settings = self.sysctl.iter().map(|setting| format!(" sysctl.{setting}"));
        let line = format!(
            "console=ttyS0 earlyprintk=ttyS0 panic=-1 loglevel=4 \
             INTERCEPTOR_DIST={} INTERCEPTOR_GUESTS={} INTERCEPTOR_GUEST_SOURCES={} \
             CI=1 MODES={} GUESTS={}{}",
            image::DIST,
            image::GUESTS,
            image::SOURCES,
            self.modes,
            self.guests,
            settings.collect::<String>()
        );
        let log = File::create(console.with_extension("qemu"))?;
        Command::new(QEMU)
            .args(["-accel", accelerator, "-cpu", self.processor])
            .args(["-smp", &self.count.to_string(), "-m", "1536"])
            .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
            .args(["-serial", &file(console), "-serial", &file(report)])
            .arg("-kernel")
            .arg(self.kernel)
            .arg("-initrd")
            .arg(self.initramfs)
            .args(["-append", &line])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {QEMU}"))
    }
}

fn file(path: &Path) -> String {
    format!("file:{}", path.display())
}

/// KVM, if kernels run there, found out once; else emulation.
fn accelerator(machine: &Machine, directory: &Path) -> &'static str {
    static ACCELERATOR: OnceLock<&str> = OnceLock::new();
    ACCELERATOR.get_or_init(|| {
        let works = File::options().read(true).write(true).open("/dev/kvm").is_ok()
            && greets(machine, directory).unwrap_or(false);
        if works { "kvm" } else { "tcg,thread=multi" }
    })
}

/// Whether a kernel comes as far as its first line under KVM.
fn greets(machine: &Machine, directory: &Path) -> Result<bool> {
    let console = directory.join("kvm.console");
    let mut child = machine.boot("kvm", &console, &directory.join("kvm.report"))?;
    let deadline = Instant::now() + FIRST_LINE;
    let has_greeted = loop {
        let text = fs::read(&console).unwrap_or_default();
        let has_greeted = String::from_utf8_lossy(&text).contains(GREETING);
        if has_greeted || child.try_wait()?.is_some() || Instant::now() > deadline {
            break has_greeted;
        }
        thread::sleep(Duration::from_millis(50));
    };
    child.kill()?;
    child.wait()?;
    Ok(has_greeted)
}
