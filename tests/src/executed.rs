//! What hooks that execute every call themselves are tried with.

use crate::dist::{guest, installed};
use crate::missing::Missing;
use crate::program::{Ended, Program};

/// Guests that do what cannot simply be done under a hook, or must be known of.
const GUESTS: [&str; 22] = [
    "threads",
    "births",
    "fork_family",
    "vfork_family",
    "spawn",
    "execs",
    "signal_masks",
    "signal_longjmp",
    "signal_interrupt",
    "signal_restart",
    "signal_wakeups",
    "signal_storm",
    "cancel_cxx",
    "signal_altstack",
    "dlstorm",
    "jit",
    "cancel",
    "exits_in_thread",
    "efault",
    "args6",
    "bigio",
    "x87mmx",
];

/// Says what differs when programs that make calls of all kinds run under a hook.
///
/// # Errors
///
/// One of them is not there.
pub fn differences_under(hook: impl Fn(&Program) -> Ended) -> Result<String, Missing> {
    let bash = ["-c", "trap 'echo term' TERM; kill $$; (sleep 0.1 & wait; echo done) | cat"];
    let mut programs = vec![
        ("pipe", Program::shell("ls / | sort | head -3; (exit 7)")),
        ("kill", Program::shell("kill -TERM $$")),
        ("bash", Program::new(installed("bash")?).arguments(bash)),
    ];
    for name in GUESTS {
        programs.push((name, Program::new(guest(name)?)));
    }
    let mut different = String::new();
    for (name, program) in programs {
        let (native, ended) = (program.natively(), hook(&program));
        if ended != native {
            different += &format!("{name}\n{}", native.difference(&ended));
        }
    }
    Ok(different)
}
