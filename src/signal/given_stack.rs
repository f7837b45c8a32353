//! Alternate stacks that the runtime gives to threads (`INTERCEPTOR_ALTSTACK`).
//!
//! Handlers that want an alternate stack then have one, hooks of signals and the crash
//! report among them, also when the thread's own stack has overflowed. The program
//! knows nothing of it: it reads back that it has none, and may set one of its own,
//! which then takes the place of ours.
//!
//! Ours are disarmed while a handler runs on them (`SS_AUTODISARM`), so that there
//! the kernel does with the program's calls what it would do without them.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use syscalls::{Sysno, syscall};

use super::alternate::{SS_AUTODISARM, SS_DISABLE};
use super::context::UContext;
use crate::diagnostics::say;
use crate::interest::{self, LIFECYCLE};
use crate::sys::{self, Mapping, PAGE, page_up};
use crate::thread::{Call, ThreadBlock};

/// A `stack_t`: base, flags, size.
type Stack = [u64; 3];

/// Bytes of each; 0 for none.
static BYTES: AtomicU64 = AtomicU64::new(0);

/// Gives one to every thread from now on. The caller's first.
pub(crate) fn give_stacks(bytes: u64, first: Option<&mut ThreadBlock>) {
    BYTES.store(page_up(bytes), Relaxed);
    interest::add(Sysno::sigaltstack as usize, LIFECYCLE);
    if let Some(block) = first {
        give_stack(block);
        // As the kernel has it for one that has never been set or cleared.
        block.no_stack_flags = 0;
    }
}

/// Whether threads get any.
pub(crate) fn are_given() -> bool {
    BYTES.load(Relaxed) != 0
}

/// Gives the calling thread its own.
pub(crate) fn give_stack(block: &mut ThreadBlock) {
    if !are_given() || sys::is_confined() {
        return;
    }
    if block.given_stack.is_none() {
        block.given_stack = map_guarded().ok();
    }
    block.no_stack_flags = SS_DISABLE;
    let is_set = block.given_stack.as_ref().is_some_and(install);
    if !is_set {
        say(format_args!("no alternate stack for thread {}: no memory", block.tid));
    }
}

/// Maps a stack behind a page that cannot be touched.
fn map_guarded() -> sys::Result<Mapping> {
    let mapping = Mapping::anonymous(BYTES.load(Relaxed) + PAGE)?;
    match mapping.guard_lowest_page() {
        Ok(()) => Ok(mapping),
        Err(error) => {
            mapping.unmap();
            Err(error)
        }
    }
}

/// A mapping as a stack.
fn as_stack(mapping: &Mapping) -> Stack {
    [mapping.start + PAGE, SS_AUTODISARM, mapping.len - PAGE]
}

/// Makes it the thread's, unless the thread has one.
fn install(mapping: &Mapping) -> bool {
    let stack = as_stack(mapping);
    let has_own = sys::alternate_stack()[1] & SS_DISABLE == 0;
    // SAFETY: the kernel reads one stack_t, which describes memory of ours that
    // stays as long as the thread.
    has_own || unsafe { syscall!(Sysno::sigaltstack, stack.as_ptr(), 0) }.is_ok()
}

impl ThreadBlock {
    fn is_given(&self, base: u64) -> bool {
        self.given_stack.as_ref().is_some_and(|given| given.start + PAGE == base)
    }

    /// Whether an address is on it.
    fn given_contains(&self, address: u64) -> bool {
        self.given_stack
            .as_ref()
            .is_some_and(|given| address.wrapping_sub(given.start) <= given.len)
    }
}

/// sigaltstack, which the kernel has executed.
pub(crate) fn sigaltstack_done(block: &mut ThreadBlock, call: &Call, result: i64) {
    if result != 0 {
        return;
    }
    let [new, old, ..] = call.args;
    let told = read(old).filter(|told| block.is_given(told[0]));
    if told.is_some() {
        sys::write_guest(old, &[0, block.no_stack_flags | SS_DISABLE, 0]);
    }
    let Some(wanted) = read(new) else {
        return;
    };
    if is_none(&wanted) {
        block.no_stack_flags = wanted[1];
        // A handler on ours has it disarmed.
        if let Some(given) = block.given_stack.as_ref().filter(|_| !block.given_contains(call.rsp))
        {
            install(given);
        }
    }
}

fn read(address: u64) -> Option<Stack> {
    if address == 0 {
        return None;
    }
    let mut stack: Stack = sys::read_guest_words(address)?;
    stack[1] &= u64::from(u32::MAX);
    Some(stack)
}

/// Whether a stack says that there is none.
fn is_none(stack: &Stack) -> bool {
    stack[1] & !SS_AUTODISARM == SS_DISABLE
}

/// What a handler is not shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hidden {
    Nothing,
    /// Our stack, on which it runs or could run.
    Given,
    /// That the thread lost ours when a handler left it.
    Lost,
}

/// Before a handler is called: it is not shown what is not the program's.
pub(super) fn hide(block: Option<&mut ThreadBlock>, context: &mut UContext) -> Hidden {
    let Some(block) = block.filter(|block| block.given_stack.is_some()) else {
        return Hidden::Nothing;
    };
    if block.is_given(context.stack[0]) {
        context.stack = [0, block.no_stack_flags, 0];
        Hidden::Given
    } else if context.stack[2] == 0 && !block.given_contains(context.rsp) {
        Hidden::Lost
    } else {
        Hidden::Nothing
    }
}

/// When the handler has returned: what the thread is going to have. The kernel sets
/// what the context says, if it is not refused.
pub(super) fn show_again(block: Option<&mut ThreadBlock>, context: &mut UContext, hidden: Hidden) {
    let Some(block) = block.filter(|_| hidden != Hidden::Nothing) else {
        return;
    };
    let Some(given) = block.given_stack.as_ref().map(as_stack) else {
        return;
    };
    if is_none(&context.stack) {
        block.no_stack_flags = context.stack[1];
        context.stack = given;
    } else if context.stack[2] == 0 && sys::alternate_stack()[2] == 0 {
        // Refused, and the handler has set none.
        context.stack = given;
    }
}
