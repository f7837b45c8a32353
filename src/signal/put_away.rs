//! The alternate stack, while a hook runs for a call that is made on it.
//!
//! A hook runs on a stack of ours. A fault in it, a trap that it comes to, and a signal of
//! these that is sent, are handled on the alternate stack, and the kernel, which knows by rsp
//! whether a thread is on it, would begin it anew: over the frames of the handler whose call
//! the hook sees. So the kernel is told that there is none, on the careful way (`alternate`,
//! `asm/entry.S`), until the entry leaves: rt_sigreturn brings it back, with registers and
//! mask. A handler of the program's that interrupts the hook finds it as ever.

use syscalls::{Sysno, syscall};

use super::alternate::{self, SS_DISABLE};
use super::context::UContext;
use super::defer::{Aside, SYNCHRONOUS};
use super::words::{Context, STACK};
use crate::frame::SyscallFrame;
use crate::sys;
use crate::thread::ThreadBlock;

/// A `stack_t` that says that there is none.
#[unsafe(no_mangle)]
static interceptor_no_stack: [u64; 3] = NO_STACK;
const NO_STACK: [u64; 3] = [0, SS_DISABLE, 0];

/// One that changes nothing, in a context: rt_sigreturn passes over what sigaltstack refuses.
const AS_IT_IS: [u64; 3] = [0, SS_DISABLE | 1, 0];

/// In what the careful way is told: a frame, and the alternate stack is to be put away.
pub(crate) const PUTS_AWAY: u64 = 1;

impl ThreadBlock {
    /// A call comes the careful way, with signals from elsewhere blocked; `rsp` is the program's.
    /// If its alternate stack is to be put away on that way, all others are blocked, too. Returns
    /// which are to be let in then. `before` is what was blocked before, if all are already.
    pub(crate) fn holds_to_put_away(&self, rsp: u64, before: Option<u64>) -> Option<u64> {
        let is_on_it = alternate::is_on(&self.alternate, rsp) && !self.region().contains(&rsp);
        let puts_away = !sys::is_confined() && is_on_it;
        let is_let_in = |before: u64| SYNCHRONOUS & !before;
        if !puts_away {
            before.into_iter().for_each(|before| alternate::unblock(is_let_in(before)));
            return None;
        }
        Some(is_let_in(before.unwrap_or_else(|| alternate::block(SYNCHRONOUS))))
    }

    /// It goes on at the frame of a level. Returns what the way is told.
    pub(crate) fn puts_away(&mut self, frame: u64, let_in: Option<u64>) -> u64 {
        let Some(let_in) = let_in else {
            return frame;
        };
        // SAFETY: the frame of a level that has been taken for the call.
        unsafe { (*(frame as *mut SyscallFrame)).scratch = let_in };
        self.aside.is_stack_away = true;
        frame | PUTS_AWAY
    }

    /// Notes which alternate stack the calling thread has.
    pub(crate) fn note_alternate(&mut self) {
        self.alternate = self.aside.alternate_stack();
    }
}

impl Aside {
    /// The alternate stack of the calling thread.
    pub(crate) fn alternate_stack(&self) -> [u64; 3] {
        match self.is_stack_away {
            true => [0, 1, 2].map(|n| self.context[STACK + n]),
            false => sys::alternate_stack(),
        }
    }

    /// Makes the entry leave by rt_sigreturn, which leaves the alternate stack as it is, if it
    /// is not away.
    pub(super) fn leave_with_stack_as_it_is(&mut self, mask: u64) {
        let stack = if self.is_stack_away { self.alternate_stack() } else { AS_IT_IS };
        self.leave_with(mask, &stack);
    }

    /// Handlers are about to be called with this context, and look where the stack is.
    pub(super) fn complete_stack(&self, context: &mut Context) {
        if context[STACK..STACK + 3] == AS_IT_IS {
            context[STACK..STACK + 3].copy_from_slice(&sys::alternate_stack());
        }
    }

    /// Puts it away, on a stack of ours.
    pub(super) fn put_away(&mut self) {
        if !sys::is_confined() {
            let mask = alternate::block(SYNCHRONOUS);
            // SAFETY: the kernel reads a stack_t.
            let _ = unsafe { syscall!(Sysno::sigaltstack, &raw const interceptor_no_stack, 0) };
            self.is_stack_away = true;
            alternate::set_mask(mask);
        }
    }

    /// A handler of the program's is about to interrupt a hook, with this context.
    pub(super) fn show_stack(&self, context: &mut UContext) {
        if self.is_stack_away {
            context.stack = self.alternate_stack();
        }
    }

    /// It goes back to it. The kernel looks at rsp before or after rt_sigreturn has brought it back,
    /// from Linux 6.12 on before.
    pub(super) fn hide_stack(&self, context: &mut UContext) {
        if self.is_stack_away {
            context.stack = NO_STACK;
            alternate::block(u64::MAX);
            // SAFETY: all signals are blocked until the context continues, so nothing is put where
            // rsp is meanwhile; the kernel reads a stack_t.
            unsafe {
                core::arch::asm!(
                    "mov {here}, rsp",
                    "mov rsp, {there}",
                    "syscall",
                    "mov rsp, {here}",
                    here = out(reg) _,
                    there = in(reg) context.rsp,
                    inlateout("rax") Sysno::sigaltstack as usize => _,
                    in("rdi") &raw const interceptor_no_stack,
                    in("rsi") 0,
                    lateout("rcx") _,
                    lateout("r11") _,
                );
            }
        }
    }
}
