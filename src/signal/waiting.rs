//! A SIGILL that was sent while the program has it blocked, and sites are trapped.
//!
//! The kernel has it unblocked then (`traps`), so it does not wait there, but in the
//! thread's block. What asks the kernel for signals that wait gets its answer here:
//! rt_sigpending and rt_sigtimedwait. A call that waits with a mask that lets it in finds
//! it at the kernel's: it is sent again, with everything blocked up to the call.
//!
//! One that comes after such a call has looked for it, and before it is in the kernel,
//! makes it begin again; so does a handler that returns there, if one has come meanwhile.

use syscalls::{Sysno, syscall};

use super::alternate::{self, ASYNCHRONOUS};
use super::context::{self, SigInfo};
use super::defer::send_to_self;
use super::traps::{self, EFAULT, SIG_BLOCK};
use super::words::{INFO_WORDS, Info};
use crate::frame::SyscallFrame;
use crate::patch;
use crate::sys;
use crate::thread::ThreadBlock;
use crate::tls;

/// The one of a thread: as of each signal that is not queued, there is no second.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct WaitingIll {
    pub(super) waits: bool,
    /// It came after the last call that looked for it had done so.
    pub(super) is_new: bool,
    /// The call that goes in could not be prepared, and is to begin again.
    is_to_look: bool,
    /// The id of the thread that it came to.
    to: u32,
    info: Info,
}

impl WaitingIll {
    /// One has come.
    pub(super) fn wait(&mut self, info: *const SigInfo) {
        self.is_new = true;
        if !self.waits {
            self.waits = true;
            self.to = if sys::is_confined() { 0 } else { sys::gettid() };
            // SAFETY: the kernel's siginfo_t, which is as long.
            self.info = unsafe { info.cast::<Info>().read() };
        }
    }

    /// The calling process has begun, without its parent's.
    pub(crate) fn forget(&mut self) {
        self.waits = false;
    }

    /// Whether one waits that came to the thread `tid`.
    pub(crate) fn is_of(&self, tid: u32) -> bool {
        self.waits && self.to == tid
    }

    fn take(&mut self) -> Option<&Info> {
        core::mem::take(&mut self.waits).then_some(&self.info)
    }
}

/// Sends the one that waits again.
pub(super) fn send(block: &mut ThreadBlock) {
    if let Some(info) = block.sigill.take() {
        send_to_self(info);
    }
}

/// The same, to come when the caller leaves by rt_sigreturn: everything is blocked until
/// then, if the process may survive that.
pub(super) fn send_to_come(block: &mut ThreadBlock) {
    if !sys::is_confined() {
        alternate::block(u64::MAX);
    }
    send(block);
}

/// rt_sigpending, which the kernel has executed.
pub(crate) fn rt_sigpending_done(block: &ThreadBlock, args: &[u64; 6], result: i64) {
    let [set, size, ..] = *args;
    // A set may be shorter than there are signals.
    let (byte, bit) = ((traps::signal() - 1) / 8, 1 << ((traps::signal() - 1) % 8));
    if result == 0 && size > byte && block.sigill.waits && block.is_sigill_blocked {
        let (at, mut bits) = (set + byte, [0u8]);
        sys::read_guest(at, &mut bits);
        sys::write_guest_bytes(at, &[bits[0] | bit]);
    }
}

/// rt_sigtimedwait on its way in. Returns its result if it waits for what is here.
pub(crate) fn rt_sigtimedwait(block: &mut ThreadBlock, args: &[u64; 6]) -> Option<i64> {
    const SECOND_NS: u64 = 1_000_000_000;
    let [set, info, timeout, size, ..] = *args;
    block.sigill.is_new = false;
    if !block.sigill.waits || size != 8 {
        return None;
    }
    let [set] = sys::read_guest_words(set)?;
    let timeout = if timeout == 0 { [0; 2] } else { sys::read_guest_words(timeout)? };
    if set & traps::bit() == 0 || timeout[0] as i64 <= -1 || timeout[1] >= SECOND_NS {
        return None;
    }
    let taken = block.sigill.take()?;
    let is_told = info == 0 || sys::write_guest(info, taken) == size_of::<Info>();
    Some(if is_told { traps::signal() as i64 } else { EFAULT })
}

/// Gives the one that waits to the kernel, for a call that lets it in. Returns what was
/// blocked before; `None` if there is none, or it cannot be done.
pub(super) fn hold(block: &mut ThreadBlock) -> Option<u64> {
    if !block.sigill.waits {
        return None;
    }
    let before = block_up_to_call(block)?;
    block.aside.leave_with_mask(before | ASYNCHRONOUS | traps::bit());
    send(block);
    Some(before)
}

/// The same for a call that is not made: a mask that lets it in is set when the entry leaves,
/// so that it comes in its order with others that come then.
pub(super) fn hold_for_mask(block: &mut ThreadBlock) -> Option<u64> {
    if !block.sigill.waits {
        return None;
    }
    let before = block_up_to_call(block)?;
    block.is_sigill_blocked = false;
    send(block);
    Some(before)
}

/// Blocks everything, SIGILL at the kernel's, too, until the call goes in. Returns what was
/// blocked before; `None` if it cannot be done.
pub(super) fn block_up_to_call(block: &mut ThreadBlock) -> Option<u64> {
    if block.hook_level != 0 || sys::is_confined() || tls::is_unreliable() {
        return None;
    }
    let before = block.aside.hold_all();
    if block.has_kept() {
        // Their handlers run first, then it is tried again.
        block.aside.leave_with_mask(before);
        block.sigill.is_to_look = true;
        return None;
    }
    traps::set_blocked(SIG_BLOCK);
    Some(before)
}

/// The call has come out, without it: another thing came first.
pub(crate) fn held_call_is_done(block: &mut ThreadBlock, before: u64) {
    take_back(block);
    // Hooks that see the result may come to a trapped site.
    alternate::unblock(traps::bit());
    block.aside.hold_all();
    block.aside.leave_with_mask(before);
}

/// Takes the one that waits at the kernel's, which has it blocked.
pub(super) fn take_back(block: &mut ThreadBlock) {
    let (set, at_once) = (traps::bit(), [0u64; 2]);
    let mut info: Info = [0; INFO_WORDS];
    // SAFETY: the kernel reads a word and a timespec, and writes a siginfo_t.
    let taken = unsafe {
        let (info, at_once) = (&raw mut info, &raw const at_once);
        syscall!(Sysno::rt_sigtimedwait, &raw const set, info, at_once, 8)
    };
    if taken.is_ok() {
        block.sigill.wait((&raw const info).cast());
    }
}

/// Where the entry leaves to, and with which registers: rax and the arguments. A call
/// that is to look again begins again.
pub(super) fn way_of(block: &mut ThreadBlock, frame: &SyscallFrame) -> (u64, [u64; 7]) {
    let [a0, a1, a2, a3, a4, a5] = frame.args;
    let registers = [frame.rax, a0, a1, a2, a3, a4, a5];
    let goes_in = [frame.gate(), frame.native(), traps::sigreturn()].contains(&frame.target);
    let has_missed_one =
        block.sigill.is_new && block.sigill.waits && traps::looks_for_one(frame.rax);
    if goes_in && block.sigill.waits && context::is_return(frame.rax) {
        context::look_again_behind(frame.rsp);
    }
    let is_to_look = goes_in && (core::mem::take(&mut block.sigill.is_to_look) || has_missed_one);
    match is_to_look.then(|| patch::place_of(frame.native(), 0, 0)).flatten() {
        Some(place) => {
            if frame.target == frame.gate() {
                block.in_flight.forget(frame.rsp, frame.anchor);
            }
            (place.start, if frame.changed != 0 { frame.original } else { registers })
        }
        None => (frame.target, registers),
    }
}
