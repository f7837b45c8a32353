//! A signalfd that names SIGILL, where sites are trapped.
//!
//! Such a descriptor is told by the kernel, which must have the signal waiting for that.
//! So while a thread in which the program has blocked SIGILL reads one, or waits for
//! descriptors, the kernel has it blocked there, too, together with one that waits here
//! (`waiting`). No site is executed meanwhile; a handler that interrupts the call may come
//! to some, so it gets SIGILL unblocked as ever, and the call begins again behind it.
//!
//! Nothing of this is done before the process, or one that it was forked from, has made
//! such a descriptor.

use core::fmt::Write;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use syscalls::{Sysno, syscall};

use super::alternate;
use super::context::{self, SigInfo, UContext};
use super::entry;
use super::traps::{self, MaskChange};
use super::waiting;
use crate::interest::{self, LIFECYCLE};
use crate::line::Line;
use crate::patch::Phase;
use crate::sys;
use crate::thread::ThreadBlock;

/// Calls that wait for descriptors.
const WAITS: [Sysno; 7] = [
    Sysno::poll,
    Sysno::ppoll,
    Sysno::select,
    Sysno::pselect6,
    Sysno::epoll_wait,
    Sysno::epoll_pwait,
    Sysno::epoll_pwait2,
];
/// Calls that read one.
const READS: [Sysno; 3] = [Sysno::read, Sysno::readv, Sysno::preadv2];

/// The program has made one.
static IS_MADE: AtomicBool = AtomicBool::new(false);

/// signalfd and signalfd4, on their way in.
pub(crate) fn signalfd(args: &[u64; 6]) {
    let [_, set, size, ..] = *args;
    let names_it = || matches!(sys::read_guest_words(set), Some([set]) if set & traps::bit() != 0);
    if traps::are_caught() && size == 8 && !IS_MADE.load(Relaxed) && names_it() {
        IS_MADE.store(true, Relaxed);
        for sysno in WAITS.into_iter().chain(READS) {
            interest::add(sysno as usize, LIFECYCLE);
        }
    }
}

/// Whether a call may be one that the kernel is to have SIGILL blocked in.
pub(crate) fn may_be_told(block: &ThreadBlock, sysno: Sysno) -> bool {
    IS_MADE.load(Relaxed)
        && block.is_sigill_blocked
        && (WAITS.contains(&sysno) || READS.contains(&sysno))
}

/// One of them on its way in, without a mask of its own. Returns whether SIGILL is blocked.
pub(crate) fn call_is_told(block: &mut ThreadBlock, sysno: Sysno, args: &[u64; 6]) -> bool {
    if !may_be_told(block, sysno) || READS.contains(&sysno) && !is_signalfd(args[0]) {
        return false;
    }
    let before = hold(block);
    if let Some(before) = before {
        block.mask_change = MaskChange::Told { before, mask: before | traps::bit() };
    }
    before.is_some()
}

/// The same of one that has a mask, which names SIGILL. Returns what was blocked before.
pub(super) fn hold_with_mask(block: &mut ThreadBlock, sysno: Sysno) -> Option<u64> {
    let is_told = IS_MADE.load(Relaxed) && WAITS.contains(&sysno);
    if is_told { hold(block) } else { None }
}

fn hold(block: &mut ThreadBlock) -> Option<u64> {
    let before = waiting::block_up_to_call(block)?;
    block.aside.leave_with_mask(before | traps::bit());
    waiting::send(block);
    Some(before)
}

/// Whether a descriptor is one, also when it cannot be known.
fn is_signalfd(fd: u64) -> bool {
    const NAME: [u8; 21] = *b"anon_inode:[signalfd]";
    let (mut path, mut name) = (Line::<64>::new(), [0u8; NAME.len()]);
    if write!(path, "/proc/thread-self/fd/{}\0", fd as u32).is_err() {
        return true;
    }
    // SAFETY: the kernel reads a path that ends with 0, and writes at most what fits.
    let read = unsafe {
        let path = path.bytes().as_ptr();
        syscall!(Sysno::readlink, path, name.as_mut_ptr(), name.len())
    };
    read.is_err() || name == NAME
}

/// A signal is about to be handled that has interrupted what may be such a call, or the
/// delivery of another one that has, before that was handled.
///
/// # Safety
///
/// The arguments are the kernel's, and `delivered` as in [`entry::stage`].
pub(super) unsafe fn let_go(
    block: Option<&mut ThreadBlock>,
    info: *mut SigInfo,
    context: *mut UContext,
    delivered: u64,
) {
    // SAFETY: the caller's. One that is prepared has been let go.
    let (mask, is_prepared) = unsafe { ((*context).mask, (*context).is_prepared()) };
    if mask & traps::bit() == 0 || is_prepared || !IS_MADE.load(Relaxed) {
        return;
    }
    let Some(block) = block else {
        return;
    };
    let beneath = || {
        // SAFETY: the caller's; frames lie one above the other.
        let ahead = unsafe { entry::ahead(&*context, delivered) }.map(|handler| handler.frame());
        ahead.take_while(|frame| !frame.context().is_prepared())
    };
    let (mut first, mut first_info) = (context, info);
    if let Some(frame) = beneath().last() {
        first = frame.context_at() as *mut UContext;
        first_info = frame.info_at() as *mut SigInfo;
    }
    // SAFETY: as above.
    let Some((change, place)) = context::change_in_kernel(unsafe { &*first }) else {
        return;
    };
    let is_told = match *change {
        MaskChange::Told { mask, .. } => {
            *change = MaskChange::Wait(mask);
            true
        }
        // It is being let go.
        MaskChange::Wait(_) => false,
        _ => return,
    };
    if is_told {
        waiting::take_back(block);
    }
    alternate::unblock(traps::bit());
    for at in [context as u64].into_iter().chain(beneath().map(entry::Frame::context_at)) {
        // SAFETY: as above.
        unsafe { (*(at as *mut UContext)).mask &= !traps::bit() };
    }
    if is_told && place.phase == Phase::AtGate {
        // SAFETY: as above.
        unsafe { context::begin_again(&mut *first_info, &mut *first, &place) };
    }
}
