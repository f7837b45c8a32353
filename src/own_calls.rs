//! Calls that a hook makes itself: `interceptor_syscall`, `syscall_no_intercept`.
//!
//! Many hooks execute each call themselves, to see its result. So the runtime
//! does here what it does for the program's own calls: it keeps the books of
//! births, signals, mappings and exec. What cannot be executed from inside a hook
//! (the birth of a thread, whose stack knows nothing of the hook's frames; the
//! return from a signal handler, and waiting for one) is put off: it is executed
//! when the hook is done, whatever that returns.
//!
//! Neighbours: `capi` and `drop_in`, the two faces that lead here. Forbidden here: the
//! hook, which must not see these calls.

use core::mem::MaybeUninit;

use syscalls::{Errno, Sysno};

use crate::frame::SyscallFrame;
use crate::interest::{self, LIFECYCLE};
use crate::lifecycle::{self, Observing, Step};
use crate::signal;
use crate::sys;
use crate::thread::{self, Call, ThreadBlock};
use crate::tls;

const CLONE_VM: u64 = 0x100;
/// Words of `struct clone_args`.
pub(crate) const CLONE3_STACK: usize = 5;
const CLONE3_FLAGS: usize = 0;

/// Executes a system call that no hook sees. Returns what the kernel does: a
/// value, or an error number, negative; 0 for a call that is put off.
///
/// # Safety
///
/// As the call that is made.
pub(crate) unsafe fn make(nr: u64, args: &[u64; 6]) -> i64 {
    let Some(block) = thread::own_block() else {
        return execute(nr, args);
    };
    if belongs_to_program(block, nr, args) && put_off(block, nr, args) {
        return 0;
    }
    if interest::of(nr) & LIFECYCLE != 0 {
        return keep_books(block, nr, args);
    }
    execute_or_put_off(block, nr, args)
}

/// Executes a call; one that was shown to the hook is put off if a signal comes
/// that the program is to handle before, or after which it goes on.
fn execute_or_put_off(block: &ThreadBlock, nr: u64, args: &[u64; 6]) -> i64 {
    let Some(frame) = shown(block, nr, args).filter(|frame| {
        // SAFETY: the frame of the call that was shown to the hook.
        unsafe { (**frame).args == *args }
    }) else {
        return execute(nr, args);
    };
    if is_put_off(frame) {
        // Tried again, as after a signal that was handled.
        return 0;
    }
    let result = signal::wait_call(block, nr, args);
    if result != signal::WAIT_OFF {
        return result;
    }
    // SAFETY: as above.
    unsafe { (&raw mut (*frame).word).write_volatile(PUT_OFF) };
    -i64::from(Errno::EINTR.into_raw())
}

/// Whether a call ends what the program runs in, or asks for the alternate stack from there,
/// or waits for signals with a mask of its own, or for a signalfd: those that come then are
/// the program's to handle, which it cannot while a hook runs.
fn belongs_to_program(block: &ThreadBlock, nr: u64, args: &[u64; 6]) -> bool {
    match Sysno::new(nr as u32 as usize) {
        Some(Sysno::rt_sigreturn | Sysno::exit | Sysno::rt_sigsuspend) => true,
        // The kernel's answer depends on where rsp is.
        Some(Sysno::sigaltstack) => thread::are_levels_parked(),
        Some(Sysno::ppoll) if args[3] != 0 => true,
        Some(Sysno::epoll_pwait | Sysno::epoll_pwait2 | Sysno::io_uring_enter) if args[4] != 0 => {
            true
        }
        Some(Sysno::pselect6 | Sysno::io_pgetevents) if args[5] != 0 => true,
        Some(sysno) => signal::may_be_told(block, sysno),
        None => false,
    }
}

/// A call that the runtime must know of.
#[cold]
fn keep_books(block: &mut ThreadBlock, nr: u64, args: &[u64; 6]) -> i64 {
    let shares_memory = |flags: u64| flags & CLONE_VM != 0;
    let is_birth = match Sysno::new(nr as u32 as usize) {
        Some(Sysno::vfork) => true,
        Some(Sysno::clone) => shares_memory(args[0]) || args[1] != 0,
        Some(Sysno::clone3) => {
            clone3_word(args, CLONE3_FLAGS).is_some_and(shares_memory)
                || clone3_word(args, CLONE3_STACK).is_some_and(|stack| stack != 0)
        }
        _ => false,
    };
    if is_birth && !put_off(block, nr, args) {
        return -i64::from(Errno::ENOSYS.into_raw());
    }
    if is_birth {
        return 0;
    }

    // SAFETY: numbers and a pointer, for all of which 0 is valid.
    let mut frame = unsafe { MaybeUninit::<SyscallFrame>::zeroed().assume_init() };
    (frame.rax, frame.args, frame.block) = (nr, *args, &raw mut *block);
    (frame.rsp, frame.anchor) = ((&raw const frame) as u64, NO_STUB.as_ptr() as u64);
    match lifecycle::enter(block, &mut frame, &Observing::nothing()) {
        Step::Answer(result) => return result,
        Step::Forward | Step::NeverReturns => return execute(frame.rax, &frame.args),
        Step::ForwardAndExit => {}
    }
    let call = Call {
        rsp: frame.rsp,
        anchor: frame.anchor,
        nr,
        args: *args,
        began: 0,
        word: 0,
        watchers: if frame.changed != 0 { Call::CHANGED } else { 0 },
        depth: block.depth,
        birth: block.birth,
        expected: block.expected,
        mask_change: core::mem::take(&mut block.mask_change),
    };
    frame.rax = match Sysno::new(nr as u32 as usize) {
        Some(Sysno::wait4 | Sysno::waitid) => execute_or_put_off(block, nr, args),
        _ => execute(frame.rax, &frame.args),
    } as u64;
    lifecycle::exit(block, &frame, &call, &Observing::nothing())
}

/// What stands for the stub of a call that no stub makes: the address after the
/// site is somewhere in here, in nobody's text.
static NO_STUB: [u8; 32] = [0; 32];

/// In `SyscallFrame::word`: the hook has asked for its own call.
const PUT_OFF: u64 = 1;

/// The hook that is about to be called has not asked for anything yet.
pub(crate) fn nothing_is_put_off(frame: *mut SyscallFrame) {
    // SAFETY: the frame of the call that is shown to the hook.
    unsafe { (&raw mut (*frame).word).write_volatile(0) };
}

/// Whether it has asked for the call that it was shown.
pub(crate) fn is_put_off(frame: *const SyscallFrame) -> bool {
    // SAFETY: as above.
    unsafe { (&raw const (*frame).word).read_volatile() == PUT_OFF }
}

/// Puts a call off, if it is the one that the calling hook was shown.
fn put_off(block: &ThreadBlock, nr: u64, args: &[u64; 6]) -> bool {
    let frame = shown(block, nr, args);
    if let Some(frame) = frame {
        // SAFETY: the frame of the call that was shown to the hook.
        unsafe { (&raw mut (*frame).word).write_volatile(PUT_OFF) };
    }
    frame.is_some()
}

/// The call that the calling hook was shown, if it is this one. What a call does not
/// use need not be the same.
fn shown(block: &ThreadBlock, nr: u64, args: &[u64; 6]) -> Option<*mut SyscallFrame> {
    let level = (block.hook_level & !ThreadBlock::OBSERVES).checked_sub(1)?;
    // SAFETY: this thread's own words; a hook runs at that level, on a frame that
    // its entry has filled in.
    unsafe {
        let base = (&raw const (*tls::current()).base[level as usize]).read_volatile();
        let frame = base as *mut SyscallFrame;
        let [first, second, ..] = (*frame).args;
        let is_same = (*frame).rax as u32 == nr as u32 && [first, second] == args[..2];
        is_same.then_some(frame)
    }
}

/// A word of the structure that clone3 is given, if it can be read.
pub(crate) fn clone3_word(args: &[u64; 6], word: usize) -> Option<u64> {
    sys::read_guest_words(args[0] + 8 * word as u64).map(|[word]| word)
}

fn execute(nr: u64, args: &[u64; 6]) -> i64 {
    let nr = nr as usize;
    let [a0, a1, a2, a3, a4, a5] = args.map(|argument| argument as usize);
    // SAFETY: the caller of `make` answers for the call. The number is
    // passed as it is: the type has the layout of a number.
    unsafe {
        syscalls::raw::syscall6(core::mem::transmute_copy(&nr), a0, a1, a2, a3, a4, a5) as i64
    }
}
