//! What a handler is shown: the program, as if it had never left its text.

use syscalls::Sysno;

use super::defer::bit;
use super::entry::{self, CONTEXT_IN_FRAME, INFO_IN_FRAME, Stage};
use super::traps::{self, MaskChange};
use super::words::{MASK, OLD_MASK};
use crate::patch::{self, Phase, Place};
use crate::sys;
use crate::thread::{Call, ThreadBlock};
use crate::tls;

/// Signals whose siginfo names the address of an instruction.
const SIGILL: i32 = 4;
const SIGTRAP: i32 = 5;
const SIGFPE: i32 = 8;
const SIGSYS: i32 = 31;

/// The parts of a `ucontext_t` that matter here: see ucontext(3) and the
/// kernel's `struct sigcontext`.
#[repr(C)]
pub(super) struct UContext {
    /// uc_flags, uc_link.
    head: [u64; 2],
    /// uc_stack: base, flags, size.
    pub stack: [u64; 3],
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub rdx: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rsp: u64,
    pub rip: u64,
    pub eflags: u64,
    /// Segments, err, trapno.
    fault: [u64; 3],
    /// The mask once more. Nobody reads it back.
    pub old_mask: u64,
    /// cr2, floating point pointer, reserved.
    more: [u64; 10],
    /// Signals that were blocked where the signal arrived.
    pub mask: u64,
}

/// Offsets, for `asm/signal.S`.
pub(crate) const MASK_AT: usize = core::mem::offset_of!(UContext, mask);
pub(crate) const OLD_MASK_AT: usize = core::mem::offset_of!(UContext, old_mask);
/// Of r8, which the other registers follow.
pub(crate) const REGISTERS_AT: usize = core::mem::offset_of!(UContext, r8);

const _: () = assert!(MASK_AT == MASK * 8 && OLD_MASK_AT == OLD_MASK * 8);
const _: () = assert!(core::mem::offset_of!(UContext, rip) == REGISTERS_AT + 16 * 8);

/// In `UContext::old_mask`, which is no signal's that can be blocked.
const PREPARED: u64 = bit(9);
/// The same: what else differs from the mask is to stay blocked.
const STAYING: u64 = bit(19);

impl UContext {
    /// Whether the frame has been prepared, and its handler not been called since (`stacked`).
    pub(super) fn is_prepared(&self) -> bool {
        self.old_mask & PREPARED != 0
    }

    /// Marks it as that.
    pub(super) fn set_prepared(&mut self) {
        self.old_mask |= PREPARED;
    }

    /// Notes signals that are to be blocked when its handler is called, whatever that one's
    /// action says.
    pub(super) fn have_stay(&mut self, signals: u64) {
        if signals != 0 {
            self.old_mask = (self.mask ^ signals) & !PREPARED | STAYING | self.old_mask & PREPARED;
        }
    }

    /// Those signals.
    pub(super) fn staying(&self) -> u64 {
        let differing = (self.old_mask ^ self.mask) & !(PREPARED | STAYING);
        if self.old_mask & STAYING != 0 { differing } else { 0 }
    }

    /// Makes it what the kernel has laid.
    pub(super) fn set_unprepared(&mut self) {
        self.old_mask = self.mask;
    }

    /// Arguments of a system call.
    fn args(&self) -> [u64; 6] {
        [self.rdi, self.rsi, self.rdx, self.r10, self.r8, self.r9]
    }

    fn set_args(&mut self, args: &[u64; 6]) {
        [self.rdi, self.rsi, self.rdx, self.r10, self.r8, self.r9] = *args;
    }
}

/// Goes on where a context says, and not where the handler was called from. The
/// program's restorer makes a call, which may be seen; this is none of the
/// program's.
///
/// # Safety
///
/// It is the kernel's, of the innermost handler that runs.
pub(super) unsafe fn resume(context: *const UContext) -> ! {
    // SAFETY: the kernel's frame lies just below the context, where rt_sigreturn
    // looks for it from here.
    unsafe {
        core::arch::asm!(
            "mov rsp, {context}",
            "syscall",
            "ud2",
            context = in(reg) context,
            in("rax") Sysno::rt_sigreturn as usize,
            options(noreturn),
        )
    }
}

/// The part of a `siginfo_t` that names an address: si_addr and si_call_addr
/// are both at offset 16.
#[repr(C)]
pub(super) struct SigInfo {
    pub signal: i32,
    errno: i32,
    pub code: i32,
    padding: i32,
    pub address: u64,
    /// Of SIGSYS: number and architecture of the call.
    number: i32,
    architecture: u32,
}

impl SigInfo {
    /// Whether it is of a call that the net has caught (`net`).
    pub(super) fn is_of_dispatch(&self) -> bool {
        const SYS_USER_DISPATCH: i32 = 2;
        self.signal == SIGSYS && self.code == SYS_USER_DISPATCH
    }

    /// Whether that is no `int 0x80`.
    pub(super) fn is_of_64_bits(&self) -> bool {
        const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
        self.architecture == AUDIT_ARCH_X86_64
    }
}

/// Registers that differ between what a handler is shown and what is so.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Registers {
    rip: u64,
    rcx: u64,
    r11: u64,
    rax: u64,
    args: [u64; 6],
}

impl Registers {
    fn of(context: &UContext) -> Self {
        let UContext { rip, rcx, r11, rax, .. } = *context;
        Self { rip, rcx, r11, rax, args: context.args() }
    }

    fn put(&self, context: &mut UContext) {
        (context.rip, context.rcx, context.r11, context.rax) =
            (self.rip, self.rcx, self.r11, self.rax);
        context.set_args(&self.args);
    }
}

/// rsp, rbx, rbp, r12 to r15: what differs, too, when our handling of another signal was
/// interrupted.
type Kept = [u64; 7];

impl UContext {
    fn kept(&self) -> Kept {
        [self.rsp, self.rbx, self.rbp, self.r12, self.r13, self.r14, self.r15]
    }

    fn set_kept(&mut self, kept: &Kept) {
        [self.rsp, self.rbx, self.rbp, self.r12, self.r13, self.r14, self.r15] = *kept;
    }

    /// Shows the program where our handling of another signal was interrupted. Returns
    /// whether it was.
    fn show_delivery(&mut self, delivered: u64) -> bool {
        match entry::stage(self, delivered) {
            Some(Stage::Ahead(handler)) => {
                let Some(address) = handler.of_program() else {
                    return false;
                };
                let (frame, interrupted) = (handler.frame(), handler.frame().context());
                let [_, _, _, r10, r8, r9] = interrupted.args();
                self.set_kept(&interrupted.kept());
                self.set_args(&[frame.signal(), frame.info_at(), frame.context_at(), r10, r8, r9]);
                (self.rip, self.rsp, self.rax) = (address, frame.address(), 0);
                (self.rcx, self.r11) = (interrupted.rcx, interrupted.r11);
                true
            }
            // It goes to the restorer, which is the program's.
            Some(Stage::Returned(frame)) => {
                (self.rip, self.rsp) = (frame.restorer(), frame.address() + 8);
                true
            }
            None => false,
        }
    }
}

/// A context as it is shown to a handler, and how to go back.
pub(super) struct View {
    real: Registers,
    shown: Registers,
    place: Option<Place>,
    /// There is a record of the call.
    has_record: bool,
    /// Our handling of another signal was interrupted, and this is so.
    delivery: Option<Kept>,
}

impl View {
    /// Makes a context show the program; `delivered` as in [`entry::stage`].
    pub(super) fn show(info: &mut SigInfo, context: &mut UContext, delivered: u64) -> Self {
        let real = Registers::of(context);
        let place = patch::place_of(real.rip, real.rcx, real.r11);
        let mut shown = real;
        let mut has_record = false;
        if let Some(place) = &place {
            shown.rip = place.address;
            if place.phase != Phase::Moved {
                // As the kernel leaves them, and as good as anything before.
                (shown.rcx, shown.r11) = (place.after, context.eflags);
            }
            if let Some(call) = call_at_gate(place, context.rsp) {
                has_record = true;
                if call.is_changed() {
                    shown.args = call.args;
                    if place.phase == Phase::AtGate {
                        shown.rax = call.nr;
                    }
                }
            }
        }
        shown.put(context);
        let mut delivery = place.is_none().then(|| context.kept());
        if delivery.is_some() {
            match context.show_delivery(delivered) {
                true => shown = Registers::of(context),
                false => delivery = None,
            }
        }
        if matches!(info.signal, SIGILL | SIGTRAP | SIGFPE | SIGSYS)
            && info.code > 0
            && info.address == real.rip
        {
            info.address = shown.rip;
        }
        Self { real, shown, place, has_record, delivery }
    }

    /// What the call does to the mask that has come out of the gate and has not been seen
    /// since.
    pub(super) fn returned_change(&self, context: &UContext) -> Option<&'static mut MaskChange> {
        let place = self.place.as_ref().filter(|place| place.phase == Phase::Returned)?;
        call_at_gate(place, context.rsp)?.mask_change()
    }

    /// Makes the context continue where it really was, or where the handler
    /// wants it to.
    #[inline(never)] // from two places
    pub(super) fn leave(&self, context: &mut UContext) {
        let wanted = Registers::of(context);
        if wanted.rip != self.shown.rip {
            context.rip = patch::way_to(wanted.rip);
            return;
        }
        if self.delivery.is_some() {
            self.undo(context);
            return;
        }
        let Some(place) = &self.place else {
            return;
        };
        let is_call_the_same = (wanted.rax, wanted.args) == (self.shown.rax, self.shown.args);
        // A coroutine may have gone on in another thread, or have let too many others make calls.
        let is_lost = self.has_record && call_at_gate(place, context.rsp).is_none();
        match place.phase {
            Phase::Moved => context.rip = self.real.rip,
            // A thunk may be about to jump to where rcx says.
            Phase::Done => {
                Registers { rax: wanted.rax, args: wanted.args, ..self.real }.put(context)
            }
            Phase::Ahead | Phase::AtGate if is_lost || !is_call_the_same => {
                context.rip = place.start;
            }
            Phase::Ahead | Phase::AtGate => self.real.put(context),
            Phase::Returned if is_lost => context.rip = patch::way_to(place.after),
            Phase::Returned => {
                // What the program gets is what the record says; what the kernel got tells whether
                // the call goes in again.
                let mut args = wanted.args;
                if let Some(call) =
                    call_at_gate(place, context.rsp).filter(|call| call.is_changed())
                {
                    (call.args, args) = (args, self.real.args);
                }
                Registers { rax: wanted.rax, args, ..self.real }.put(context);
            }
        }
    }

    /// Puts everything back.
    pub(super) fn undo(&self, context: &mut UContext) {
        self.real.put(context);
        if let Some(kept) = &self.delivery {
            context.set_kept(kept);
        }
    }
}

/// What the call does to the mask out of which a context has come.
pub(super) fn returned_change(context: &UContext) -> Option<&'static mut MaskChange> {
    let (change, place) = change_in_kernel(context)?;
    (place.phase == Phase::Returned).then_some(change)
}

/// What the call does to the mask that a context stands before, at the gate, or has come out
/// of, and where that is.
pub(super) fn change_in_kernel(context: &UContext) -> Option<(&'static mut MaskChange, Place)> {
    let place = patch::place_of(context.rip, context.rcx, context.r11)?;
    let change = call_at_gate(&place, context.rsp)?.mask_change()?;
    Some((change, place))
}

/// Makes a call that a context stands before begin again, as the program has made it.
pub(super) fn begin_again(info: &mut SigInfo, context: &mut UContext, place: &Place) {
    View::show(info, context, 0);
    context.rip = place.start;
    if place.phase == Phase::AtGate
        && let Some(block) = own_block()
    {
        block.in_flight.forget(context.rsp, place.anchor);
    }
}

fn own_block() -> Option<&'static mut ThreadBlock> {
    // SAFETY: this thread's own words; the entry, which uses the records, is not
    // running: it would have put the signal aside.
    unsafe { (&raw const (*tls::current()).block).read_volatile().as_mut() }
}

/// Makes a thunk that has taken no level yet begin anew: the handler may park the levels that
/// it has seen ready.
pub(super) fn begin_anew(context: &mut UContext) {
    if let Some(to) = patch::beginning_of_thunk(context.rip, context.r11) {
        (context.rip, context.rcx) = to;
    }
}

/// Makes a call that a context stands before begin again, if it looks for a SIGILL that
/// waits, or what was prepared for it is gone; also where it is on its way there from a handler.
pub(super) fn look_again(info: &mut SigInfo, context: &mut UContext) {
    let is_ahead = |place: &Place| matches!(place.phase, Phase::Ahead | Phase::AtGate);
    if let Some(Stage::Returned(frame)) = entry::stage(context, 0) {
        return look_again_behind(frame.context_at());
    }
    let view = View::show(info, context, 0);
    let (nr, is_call) = (context.rax, view.place.as_ref().is_some_and(is_ahead));
    view.undo(context);
    if is_call && is_return(nr) {
        look_again_behind(context.rsp);
    } else if is_call
        && let Some(place) = &view.place
        && (traps::looks_for_one(nr)
            || call_at_gate(place, context.rsp).is_some_and(|call| call.begins_again()))
    {
        begin_again(info, context, place);
    }
}

/// Whether a call is rt_sigreturn.
pub(crate) fn is_return(nr: u64) -> bool {
    nr as u32 == Sysno::rt_sigreturn as u32
}

/// The same of the context that rt_sigreturn finds at an address, if there is one.
pub(super) fn look_again_behind(context: u64) {
    let info = context + (INFO_IN_FRAME - CONTEXT_IN_FRAME) as u64;
    let is_there = |at: u64| sys::read_guest_words::<1>(at).is_some();
    if is_there(context) && is_there(info) {
        // SAFETY: where the kernel is about to look, on the calling thread's stack.
        unsafe { look_again(&mut *(info as *mut SigInfo), &mut *(context as *mut UContext)) };
    }
}

/// The record of a call that is at the gate or came out of it.
fn call_at_gate(place: &Place, rsp: u64) -> Option<&'static mut Call> {
    if !matches!(place.phase, Phase::AtGate | Phase::Returned) {
        return None;
    }
    own_block()?.in_flight.peek_mut(rsp, place.anchor)
}
