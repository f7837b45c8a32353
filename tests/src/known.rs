//! Differences that are known: the one list, which CAPABILITIES.md quotes.
//!
//! A difference that is not listed is a failure, and so is one that is listed and
//! has gone.

use std::fs;
use std::path::Path;

use crate::mode::{Mode, Modes};
use crate::program::Ended;

/// How sure a known difference is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Differs {
    /// In every run.
    Always,
    /// In some.
    Sometimes,
}

/// In which modes a difference is known.
pub enum Where {
    /// In all.
    Everywhere,
    /// Where sites that one rung does not fit are trapped.
    Forced,
    /// Where the program's calls are not caught.
    WithoutNet,
    /// In these.
    In(&'static [&'static str]),
}

/// One known difference.
pub struct Known {
    /// The guest or the script; or suite, part and test.
    pub guest: &'static str,
    modes: Where,
    differs: Differs,
    /// Why it differs.
    pub reason: &'static str,
}

/// Every difference that is known.
pub const KNOWN: &[Known] = &[
    Known {
        guest: "ptrace_child",
        modes: Where::In(&["trace", "net_trap", "hole", "trap", "hole_hook", "trap_hook"]),
        differs: Differs::Always,
        reason: "a tracer sees the runtime's own calls and signals, too",
    },
    Known {
        guest: "ptrace_child.musl",
        modes: Where::In(&["trace"]),
        differs: Differs::Always,
        reason: "a tracer sees the runtime's own calls and signals, too",
    },
    Known {
        guest: "sud",
        modes: Where::WithoutNet,
        differs: Differs::Always,
        reason: "Syscall User Dispatch is refused as by a kernel without it",
    },
    Known {
        guest: "seccomp_threads",
        modes: Where::In(&["net_trap"]),
        differs: Differs::Always,
        reason: "threads that begin after a seccomp filter have no net, so it is not seen that they end where no site has a jump",
    },
    Known {
        guest: "signal_altstack",
        modes: Where::Forced,
        differs: Differs::Sometimes,
        reason: "a trap needs room for a signal frame, on the smallest stack, too",
    },
    Known {
        guest: "stack_small",
        modes: Where::Forced,
        differs: Differs::Sometimes,
        reason: "a trap needs room for a signal frame, on the smallest stack, too",
    },
];

/// Those of programs that others have written.
pub const KNOWN_IN_PROGRAMS: &[Known] = &[
    Known {
        guest: "gdb",
        modes: Where::In(&["signals"]),
        differs: Differs::Always,
        reason: "a tracer sees a signal that a signal hook forwards, and that ends the program, twice",
    },
    Known {
        guest: "strace",
        modes: Where::In(&["signals"]),
        differs: Differs::Always,
        reason: "a tracer sees a signal that a signal hook forwards, and that ends the program, twice",
    },
    Known {
        guest: "gdb",
        modes: Where::Forced,
        differs: Differs::Always,
        reason: "what gdb starts by vfork is traced before it executes the program, and stops at the signal of a trap, \
                 which gdb, the parent that waits, can never see",
    },
    Known {
        guest: "sshd",
        modes: Where::In(&["trap", "trap_hook", "net_trap"]),
        differs: Differs::Always,
        reason: "its filter lets no rt_sigreturn through, by which a trap ends",
    },
];

/// Those of tests that others have written.
pub const KNOWN_IN_SUITES: &[Known] = &[
    Known {
        guest: "stress_ng calls usersyscall",
        modes: Where::Everywhere,
        differs: Differs::Always,
        reason: "Syscall User Dispatch is refused as by a kernel without it",
    },
    Known {
        guest: "stress_ng signals sigio",
        modes: Where::Everywhere,
        differs: Differs::Sometimes,
        reason: "its child may fill the pipe before it asks for signals, natively, too: then none comes",
    },
    Known {
        guest: "go os_signal TestNohup/nohup-1",
        modes: Where::Everywhere,
        differs: Differs::Sometimes,
        reason: "it may be over before this result is there, natively, too",
    },
    Known {
        guest: "go os_signal TestNohup/nohup-2",
        modes: Where::Everywhere,
        differs: Differs::Sometimes,
        reason: "it may be over before this result is there, natively, too",
    },
    Known {
        guest: "ltp calls_q_to_s signal06",
        modes: Where::Everywhere,
        differs: Differs::Sometimes,
        reason: "its handler writes nothing to the stack, which another thread makes read-only meanwhile; ours does",
    },
    Known {
        guest: "ltp posix_a_to_o aio_error_2-1",
        modes: Where::Everywhere,
        differs: Differs::Sometimes,
        reason: "all that it writes may be done before it asks, natively, too",
    },
    Known {
        guest: "ltp calls_a_to_e dup06",
        modes: Where::In(&["trace"]),
        differs: Differs::Always,
        reason: "it uses up all descriptors, and those of the trace and the group are not free",
    },
    Known {
        guest: "ltp calls_a_to_e dup205",
        modes: Where::In(&["trace"]),
        differs: Differs::Always,
        reason: "it uses up all descriptors, and those of the trace and the group are not free",
    },
    Known {
        guest: "crate nix test sys::test_ptrace::test_ptrace_syscall",
        modes: Where::In(&["trace"]),
        differs: Differs::Always,
        reason: "a tracer sees the runtime's own calls, too",
    },
    Known {
        guest: "crate nix test sys::test_socket::test_timestamping",
        modes: Where::Everywhere,
        differs: Differs::Sometimes,
        reason: "the kernel begins to stamp packets a moment after it is asked to, natively, too",
    },
    Known {
        guest: "crate nix test test_pty::test_forkpty",
        modes: Where::In(&["trace"]),
        differs: Differs::Sometimes,
        reason: "it waits for any child, and may get the one that test_ptrace_syscall leaves",
    },
    Known {
        guest: "crate nix test test_unistd::test_wait",
        modes: Where::In(&["trace"]),
        differs: Differs::Sometimes,
        reason: "it waits for any child, and may get the one that test_ptrace_syscall leaves",
    },
];

impl Known {
    /// Whether the difference is in every run.
    pub fn is_certain(&self) -> bool {
        self.differs == Differs::Always
    }

    /// Whether the difference is known in a mode.
    pub fn is_in(&self, mode: &Mode) -> bool {
        match self.modes {
            Where::Everywhere => true,
            Where::Forced => mode.forces_a_rung(),
            Where::WithoutNet => !mode.has_net(),
            Where::In(modes) => modes.contains(&mode.name),
        }
    }

    /// Names of modes that do not exist.
    pub fn unknown_modes(&self) -> Vec<&'static str> {
        let Where::In(modes) = self.modes else { return Vec::new() };
        let exists = |name: &&str| Modes::all().any(|mode| mode.name == *name);
        modes.iter().copied().filter(|name| !exists(name)).collect()
    }
}

/// A list as CAPABILITIES.md has it, of what stands in its first column.
fn table(of: &str, list: &[Known]) -> String {
    let rows = list.iter().map(|known| {
        let modes = match known.modes {
            Where::Everywhere => "all".to_owned(),
            Where::Forced => "those that force a rung".to_owned(),
            Where::WithoutNet => "those without a net".to_owned(),
            Where::In(modes) => modes.join(", "),
        };
        let how = match known.differs {
            Differs::Always => "always",
            Differs::Sometimes => "in some runs",
        };
        format!("| {} | {modes} | {how} | {} |\n", known.guest, known.reason)
    });
    let head = format!("| {of} | modes | differs | because |\n|---|---|---|---|\n");
    std::iter::once(head).chain(rows).collect()
}

/// Fails unless CAPABILITIES.md has a list as it is.
pub fn check_quoted(of: &str, list: &[Known]) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../CAPABILITIES.md");
    let text = fs::read_to_string(path).expect("CAPABILITIES.md");
    let table = table(of, list);
    let is_quoted = text.contains(&table);
    is_quoted.then_some(()).ok_or(format!("CAPABILITIES.md is to have this table:\n{table}"))
}

/// What a comparison comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is as it must be, or as it is known to be.
    Expected,
    /// What differs.
    Differs(String),
    /// A known difference has gone; why it was there.
    NoLongerDiffers(&'static str),
}

impl Judgement {
    /// Fails with what is not expected.
    pub fn check(self) -> Result<(), String> {
        match self {
            Judgement::Expected => Ok(()),
            Judgement::Differs(difference) => Err(difference),
            Judgement::NoLongerDiffers(reason) => {
                Err(format!("no longer differs; it was known to: {reason}"))
            }
        }
    }
}

/// Judges a program's run in a mode by its native run, and by what is known to differ.
pub fn judge(
    list: &[Known],
    program: &str,
    mode: &Mode,
    native: &Ended,
    ours: &Ended,
) -> Judgement {
    let known = list.iter().find(|known| known.guest == program && known.is_in(mode));
    match (known, ours == native) {
        (None, false) => Judgement::Differs(native.difference(ours)),
        (Some(known), true) if known.is_certain() => Judgement::NoLongerDiffers(known.reason),
        _ => Judgement::Expected,
    }
}
