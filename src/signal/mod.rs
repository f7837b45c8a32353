//! Signals as the program sees them.
//!
//! The kernel has one handler of ours for every signal for which the program
//! installed one; default and ignored dispositions stay with the kernel. Ours
//! makes the interrupted context look as if the program had never left its own
//! text, and calls the program's (`deliver`), or, while a hook runs, puts the signal
//! aside until the hook is done (`defer`, `leave`, `handler_frame`), or has interrupted the
//! hook (`interrupted_hook`). What the program
//! installed is kept in a table (`table`) and read back from there (`actions`).
//!
//! A hook may want to see signals on their way (`hooked`), and fatal ones may be
//! reported (`crash`).
//!
//! Handlers on the alternate stack are interrupted with care (`alternate`, `put_away`). Threads
//! may be given one (`given_stack`).
//!
//! Threads of ours and of hooks stay clear of all of it (`quiet`).
//!
//! SIGILL is also the trap rung's signal (`traps`); one that the program has blocked
//! waits here (`waiting`), unless a signalfd is to be told of it (`signalfd`). Handlers of signals that
//! come at one moment see it blocked by each other (`stacked`).

mod actions;
mod alternate;
mod context;
mod crash;
mod defer;
mod deliver;
mod entry;
mod given_stack;
mod handler_frame;
mod hooked;
mod interrupted_hook;
mod leave;
mod nodefer;
mod put_away;
mod quiet;
mod signalfd;
mod stacked;
mod stepping;
mod table;
mod traps;
mod waiting;
mod words;

use actions::SigAction;
pub(crate) use actions::{adopt, is_left_to_kernel, rt_sigaction};
pub(crate) use alternate::{block_all, is_on, set_mask};
pub(crate) use context::{MASK_AT, OLD_MASK_AT, REGISTERS_AT, is_return};
pub(crate) use defer::{Aside, CONTEXT_BEHIND_WAITS, KEPT, Kept, Waiting};
#[cfg(feature = "own_calls")]
pub(crate) use defer::{WAIT_OFF, wait_call};
pub(crate) use entry::{CALLED_BIT as HANDLER_IS_CALLED, INFO_IN_FRAME};
pub(crate) use given_stack::{are_given, give_stack, give_stacks, sigaltstack_done};
#[cfg(feature = "capi")]
pub(crate) use hooked::watch_more;
pub(crate) use hooked::{leave_ignored_to_kernel, report_crashes, sees_ignored, watch};
pub(crate) use interrupted_hook::{Suspended, interrupt_hooks};
pub(crate) use nodefer::leave_faults_unblocked;
pub(crate) use put_away::PUTS_AWAY;
pub use quiet::without_signals;
#[cfg(feature = "own_calls")]
pub(crate) use signalfd::may_be_told;
pub(crate) use signalfd::{call_is_told, signalfd};
pub(crate) use stepping::LastStep;
pub(crate) use table::after_fork;
pub(crate) use traps::{
    MaskChange, call_with_mask, catch_traps, handlers_cleared, rt_sigprocmask, rt_sigprocmask_done,
    sigreturn, trap_by_dispatch,
};

pub(crate) use waiting::{WaitingIll, held_call_is_done, rt_sigpending_done, rt_sigtimedwait};

/// Signals are numbered from 1 to this.
const SIGNALS: usize = 64;
