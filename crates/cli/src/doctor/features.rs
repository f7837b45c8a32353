//! What the kernel and its configuration offer.

use std::fmt;
use std::fs;

use nix::sys::memfd::{MFdFlags, memfd_create};

/// How much the runtime depends on something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Without it nothing is intercepted.
    Required,
    /// Without it something is slower, rarer or not reported.
    Optional,
    /// Nothing depends on it.
    Information,
}

/// One property of this system.
pub struct Feature {
    /// What it is called.
    pub name: &'static str,
    /// What was found.
    pub finding: String,
    need: Need,
    is_there: bool,
}

impl Feature {
    /// Whether its absence keeps programs from being intercepted.
    pub fn is_fatal(&self) -> bool {
        self.need == Need::Required && !self.is_there
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mark = match (self.is_there, self.need) {
            (true, _) | (_, Need::Information) => "",
            (false, Need::Optional) => "  (optional)",
            (false, Need::Required) => "  (REQUIRED)",
        };
        write!(f, "{:<9} {}{mark}", self.name, self.finding)
    }
}

/// Looks at everything; changes nothing that outlives this process.
pub fn check() -> Vec<Feature> {
    vec![
        kernel(),
        proc_maps(),
        protection(),
        memfd(),
        membarrier(),
        dispatch(),
        seccomp(),
        lowest_address(),
    ]
}

/// Something that nothing depends on.
pub fn information(name: &'static str, finding: String) -> Feature {
    Feature { name, finding, need: Need::Information, is_there: true }
}

fn kernel() -> Feature {
    let release = nix::sys::utsname::uname()
        .map(|name| name.release().display().to_string())
        .unwrap_or_else(|error| error.desc().to_owned());
    information("kernel", release)
}

fn proc_maps() -> Feature {
    let is_there = fs::read("/proc/self/maps").is_ok_and(|maps| !maps.is_empty());
    Feature {
        name: "/proc",
        finding: (if is_there { "readable" } else { "not readable: mount it" }).to_owned(),
        need: Need::Required,
        is_there,
    }
}

/// Security modules may forbid that memory once written becomes executable.
fn protection() -> Feature {
    const LEN: usize = 4096;
    // SAFETY: a fresh private page that nobody else knows of, given back.
    let is_there = unsafe {
        let page = libc::mmap(
            std::ptr::null_mut(),
            LEN,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        page != libc::MAP_FAILED && {
            page.cast::<u8>().write(0xc3);
            let allowed = libc::mprotect(page, LEN, libc::PROT_READ | libc::PROT_EXEC) == 0;
            libc::munmap(page, LEN);
            allowed
        }
    };
    let finding = if is_there {
        "written memory may become executable"
    } else {
        "written memory may not become executable: a security policy forbids it"
    };
    Feature { name: "mprotect", finding: finding.to_owned(), need: Need::Required, is_there }
}

fn memfd() -> Feature {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let is_there = memfd_create(c"interceptor", flags).is_ok();
    let finding = if is_there { "available" } else { "missing: no trace, stat or coverage" };
    Feature { name: "memfd", finding: finding.to_owned(), need: Need::Optional, is_there }
}

/// Used when code is patched that other threads may be running.
fn membarrier() -> Feature {
    // SAFETY: a query; no memory is passed.
    let commands = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_QUERY, 0, 0) };
    let sync_core = libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE;
    let is_there = commands > 0 && commands & i64::from(sync_core) != 0;
    let finding = if is_there { "synchronises cores" } else { "does not synchronise cores" };
    Feature { name: "barrier", finding: finding.to_owned(), need: Need::Optional, is_there }
}

/// Syscall User Dispatch, prctl(2); Linux 5.11.
fn dispatch() -> Feature {
    // linux/prctl.h
    const PR_SET_SYSCALL_USER_DISPATCH: libc::c_int = 59;
    const PR_SYS_DISPATCH_OFF: libc::c_ulong = 0;
    const UNUSED: libc::c_ulong = 0;
    // SAFETY: switches off what is off in this process.
    let result = unsafe {
        libc::prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, UNUSED, UNUSED, UNUSED)
    };
    let is_there = result == 0;
    let finding = if is_there { "available" } else { "missing: no net below the patches" };
    Feature { name: "dispatch", finding: finding.to_owned(), need: Need::Optional, is_there }
}

/// A filter on us is a filter on the program.
fn seccomp() -> Feature {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
    let finding = match mode.map(str::trim) {
        Some("0") => "no filter is active",
        Some(_) => "a filter is active: it sees the program's calls and ours",
        None => "not supported",
    };
    information("seccomp", finding.to_owned())
}

fn lowest_address() -> Feature {
    let value = fs::read_to_string("/proc/sys/vm/mmap_min_addr");
    let value = value.as_deref().map_or("unknown", str::trim);
    information("min-addr", format!("{value} (never mapped by us)"))
}
