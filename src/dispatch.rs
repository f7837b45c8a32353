//! The way of one call: lifecycle, trace, statistics, hook, and out again.
//!
//! The entry calls `route_*` first. They touch no vector register, and do all
//! that can be done without: for most calls everything. When a call needs code
//! that may touch vector registers they change nothing and return how much is
//! to be saved; the entry saves it and calls `run_*`, which do everything.
//!
//! Forbidden here: locks, allocation, formatting, panics; all are on the path of
//! every call that somebody observes.

use core::ffi::c_int;

use crate::frame::{SyscallFrame, copy_words};
use crate::hook::{Decision, Hook, Observer, SyscallEntry, SyscallExit, Vectors};
use crate::interest::{self, HOOK, LIFECYCLE, NET, STAT, TRACE};
use crate::lifecycle::{self, Observing, Step};
use crate::net;
use crate::patch;
use crate::signal;
use crate::stat;
use crate::thread::{self, Call, ThreadBlock};
use crate::tls;
use crate::trace;

/// Asks the entry to save everything a C function can clobber.
const STAGE_ALL: u64 = 0;
/// Asks the entry to save the xmm registers.
const STAGE_SSE: u64 = 1;

const CHANGED: u32 = Call::CHANGED;
/// Set in `SyscallFrame::halfway` beside the watchers.
const HALFWAY: u32 = 1 << 9;
const WATCH_HOOK: u32 = HOOK as u32;
const WATCH_TRACE: u32 = TRACE as u32;
const WATCH_STAT: u32 = STAT as u32;
const WATCH_LIFECYCLE: u32 = LIFECYCLE as u32;
/// Calls are caught again.
const WATCH_NET: u32 = NET as u32;

/// First stage of a call on its way in.
#[inline(always)]
pub fn route_enter<H: Hook>(hook: &H, frame: &mut SyscallFrame) -> u64 {
    let who = interest::of(frame.rax);
    if who == HOOK && frame.level == 0 && hook.vectors() == Vectors::None && !hook.observes_remote()
    {
        return match H::VECTORS {
            Vectors::All => enter_for_foreign_hook(hook, frame),
            _ => enter_for_hook(hook, frame),
        };
    }
    route_enter_rarely(hook, frame, who)
}

/// For hooks that call code which is not ours, the C API's: no check of this
/// library can prove that to be vector-free, so this function has a name. Apart
/// from the one before, which then needs no prologue.
#[inline(never)]
fn enter_for_foreign_hook<H: Hook>(hook: &H, frame: &mut SyscallFrame) -> u64 {
    enter_for_hook(hook, frame)
}

/// A call that nobody but a vector-free hook is interested in: the shortest way.
#[inline(always)]
fn enter_for_hook<H: Hook>(hook: &H, frame: &mut SyscallFrame) -> u64 {
    frame.changed = 0;
    match ask_hook::<H, EARLY>(hook, frame) {
        Decision::Answer(result) if frame.changed == 0 => {
            frame.rax = result as u64;
            frame.resume()
        }
        Decision::Forward if frame.changed == 0 => frame.native(),
        other => settle::<H, EARLY>(hook, frame, HOOK, 0, other),
    }
}

#[inline(always)]
fn ask_hook<H: Hook, const IS_EARLY: bool>(hook: &H, frame: &mut SyscallFrame) -> Decision {
    // In the first stage only hooks come that run anywhere now (`Hook::vectors`).
    if !IS_EARLY && H::NEEDS_LIBC_STORAGE && thread::lacks_libc_storage() {
        return Decision::Forward;
    }
    // SAFETY: the block outlives the thread's frames, and only this thread
    // uses it. Not through a reference: the hook gets one to the frame.
    let hook_level = unsafe { &raw mut (*frame.block).hook_level };
    // SAFETY: as above.
    unsafe { hook_level.write_volatile(frame.level as u32 + 1) };
    let call = SyscallEntry::of(frame);
    let errno = errno_of::<H>(call);
    let decision = if IS_EARLY { hook.enter_early(call) } else { hook.enter(call) };
    put_back(errno);
    // SAFETY: as above.
    unsafe { hook_level.write_volatile(0) };
    decision
}

/// Where errno is, and what it is, when the hook may change it.
#[inline(always)]
fn errno_of<H: Hook>(call: &SyscallEntry) -> Option<(*mut c_int, c_int)> {
    // SAFETY: null, or this thread's errno.
    let read = || unsafe { call.errno().as_ref() }.map(|value| (call.errno(), *value));
    if H::USES_LIBC { read() } else { None }
}

#[inline(always)]
fn put_back(errno: Option<(*mut c_int, c_int)>) {
    if let Some((at, value)) = errno {
        // SAFETY: from `errno_of`.
        unsafe { *at = value };
    }
}

#[inline(never)]
fn route_enter_rarely<H: Hook>(hook: &H, frame: &mut SyscallFrame, who: u8) -> u64 {
    frame.halfway = 0;
    if frame.level != 0 {
        return STAGE_SSE.min(stage_of(hook));
    }
    if hook.observes_remote() {
        return stage_of(hook);
    }
    if who == STAT {
        return enter_counted(frame);
    }
    let vectors = if who & HOOK != 0 { hook.vectors() } else { Vectors::None };
    match vectors {
        Vectors::All => STAGE_ALL,
        Vectors::Sse => STAGE_SSE,
        Vectors::None if who & LIFECYCLE != 0 && hook.observes() => stage_of(hook),
        Vectors::None if who & TRACE != 0 => STAGE_SSE,
        Vectors::None if who & LIFECYCLE != 0 && !lifecycle::is_indifferent(frame) => STAGE_SSE,
        Vectors::None if who & HOOK != 0 && H::VECTORS == Vectors::All => {
            enter_with_foreign_hook(hook, frame, who)
        }
        Vectors::None => enter::<H, EARLY>(hook, frame, who & !HOOK | own_hook::<H>(who)),
    }
}

/// A call that is only counted. Of one that is not timed, just errors matter.
#[inline(always)]
fn enter_counted(frame: &mut SyscallFrame) -> u64 {
    // SAFETY: as in `enter`.
    let block = unsafe { &mut *frame.block };
    frame.changed = 0;
    stat::enter(block.lane, frame.rax);
    let began = stat::begin(block);
    remember(block, frame, WATCH_STAT, 0, began);
    if began != 0 || block.depth != 0 || !tls::expect_success(&mut block.in_flight, frame) {
        block.in_flight.count();
    }
    frame.gate()
}

/// As [`enter_for_foreign_hook`], with statistics.
#[inline(never)]
fn enter_with_foreign_hook<H: Hook>(hook: &H, frame: &mut SyscallFrame, who: u8) -> u64 {
    enter::<H, EARLY>(hook, frame, who)
}

/// The interest of a hook whose code is in this library.
#[inline(always)]
fn own_hook<H: Hook>(who: u8) -> u8 {
    match H::VECTORS {
        Vectors::All => 0,
        _ => who & HOOK,
    }
}

#[inline(always)]
fn stage_of<H: Hook>(hook: &H) -> u64 {
    match hook.vectors() {
        Vectors::All => STAGE_ALL,
        Vectors::Sse | Vectors::None => STAGE_SSE,
    }
}

/// Second stage of a call on its way in: vector registers are saved.
#[inline(always)]
pub fn run_enter<H: Hook>(hook: &H, frame: &mut SyscallFrame) -> u64 {
    if thread::take_lost() {
        stat::count_lost_call();
    }
    let who = interest::of(frame.rax);
    if frame.halfway != 0 {
        let watchers = frame.halfway as u32 & !HALFWAY;
        return act::<H, LATE>(hook, frame, who, watchers, frame.word);
    }
    if frame.level != 0
        && let Some(target) = enter_on_further_level(frame, who)
    {
        return target;
    }
    if hook.observes_remote() {
        // SAFETY: as in `enter`.
        let block = unsafe { &mut *frame.block };
        if block.membership().has_mail() {
            lifecycle::read_mail(block, &Observing::new(hook, frame.level));
        }
    }
    enter::<H, LATE>(hook, frame, who)
}

/// In the first stage, with nobody but the hook and the statistics interested.
const EARLY: bool = true;
/// In the second stage.
const LATE: bool = false;

/// Decides a call on its way in. Returns where the program goes on, or the
/// stage that is to go on with [`act`].
#[inline(always)]
fn enter<H: Hook, const IS_EARLY: bool>(hook: &H, frame: &mut SyscallFrame, who: u8) -> u64 {
    // SAFETY: the block outlives the thread's frames, and only this thread
    // uses it.
    let block = unsafe { &mut *frame.block };
    if who & NET != 0 && net::is_dispatched(block, frame) {
        return frame.native();
    }
    let mut watchers = 0;
    frame.changed = 0;
    if who & STAT != 0 {
        watchers |= WATCH_STAT;
        stat::enter(block.lane, frame.rax);
    }
    if !IS_EARLY && who & TRACE != 0 {
        watchers |= WATCH_TRACE;
        trace::enter(block, frame);
    }
    let decision =
        if who & HOOK != 0 { ask_hook::<H, IS_EARLY>(hook, frame) } else { Decision::Forward };
    settle::<H, IS_EARLY>(hook, frame, who, watchers, decision)
}

/// Does what the hook decided.
#[inline(always)]
fn settle<H: Hook, const IS_EARLY: bool>(
    hook: &H,
    frame: &mut SyscallFrame,
    who: u8,
    mut watchers: u32,
    decision: Decision,
) -> u64 {
    // SAFETY: as in `enter`.
    let block = unsafe { &mut *frame.block };
    let mut word = 0;
    match decision {
        Decision::Forward => {}
        Decision::ForwardAndExit(value) => {
            word = value;
            watchers |= WATCH_HOOK;
        }
        Decision::Answer(result) => return answer::<IS_EARLY>(block, frame, watchers, result),
    }
    if frame.changed != 0 {
        watchers |= CHANGED;
        if IS_EARLY {
            // It may have become a call that the runtime must know of.
            frame.halfway = u64::from(watchers | HALFWAY);
            frame.word = word;
            return STAGE_SSE;
        }
    }
    act::<H, IS_EARLY>(hook, frame, who, watchers, word)
}

/// What follows the hook's decision to forward.
#[inline(always)]
fn act<H: Hook, const IS_EARLY: bool>(
    hook: &H,
    frame: &mut SyscallFrame,
    who: u8,
    mut watchers: u32,
    word: u64,
) -> u64 {
    // SAFETY: as in `enter`.
    let block = unsafe { &mut *frame.block };
    // The runtime acts on the call that the kernel will get.
    if !IS_EARLY && (who & LIFECYCLE != 0 || frame.changed != 0) {
        match lifecycle::enter(block, frame, &Observing::new(hook, frame.level)) {
            Step::Forward => {}
            Step::ForwardAndExit => watchers |= WATCH_LIFECYCLE,
            Step::NeverReturns => return never_returns(block, frame, who),
            Step::Answer(result) => return answer::<LATE>(block, frame, watchers, result),
        }
        if frame.changed != 0 {
            watchers |= CHANGED;
        }
    }
    if who & NET != 0 {
        watchers |= WATCH_NET;
        block.selector = net::PASS;
    }
    if watchers == 0 {
        return frame.native();
    }
    let began = if watchers & WATCH_STAT != 0 { stat::begin(block) } else { 0 };
    remember(block, frame, watchers, word, began);
    block.in_flight.count();
    frame.gate()
}

/// Where a call goes on that does not come back to the site. What is behind rt_sigreturn is the
/// program's.
fn never_returns(block: &mut ThreadBlock, frame: &SyscallFrame, who: u8) -> u64 {
    if who & NET != 0 && signal::is_return(frame.rax) {
        block.returning = frame.anchor;
        return signal::sigreturn();
    }
    block.selector = net::PASS;
    frame.native()
}

/// Fills in the record of a call, which does not count yet.
#[inline(always)]
fn remember(block: &mut ThreadBlock, frame: &SyscallFrame, watchers: u32, word: u64, began: u64) {
    let call = block.in_flight.vacant();
    call.rsp = frame.rsp;
    call.anchor = frame.anchor;
    call.watchers = watchers;
    call.word = word;
    call.began = began;
    if watchers & WATCH_LIFECYCLE != 0 {
        call.depth = block.depth;
        call.birth = block.birth;
        call.expected = block.expected;
        call.mask_change = core::mem::take(&mut block.mask_change);
    }
    if watchers & CHANGED != 0 {
        call.nr = frame.original[0];
        copy_words(&frame.original[1..], &mut call.args);
    } else {
        call.nr = frame.rax;
        if watchers != WATCH_STAT {
            copy_words(&frame.args, &mut call.args);
        }
    }
}

/// The call is answered without the kernel.
#[inline(always)]
fn answer<const IS_EARLY: bool>(
    block: &mut ThreadBlock,
    frame: &mut SyscallFrame,
    watchers: u32,
    result: i64,
) -> u64 {
    if frame.changed != 0 {
        let [nr, args @ ..] = &frame.original;
        frame.rax = *nr;
        copy_words(args, &mut frame.args);
    }
    if watchers & WATCH_STAT != 0 {
        stat::exit(block.lane, frame.rax, result, 0);
    }
    if !IS_EARLY && watchers & WATCH_TRACE != 0 {
        trace::exit(block, frame.rax, &frame.args, result);
    }
    frame.rax = result as u64;
    frame.resume()
}

/// First stage of a call on its way out.
#[inline(always)]
pub fn route_exit<H: Hook>(hook: &H, frame: &mut SyscallFrame) -> u64 {
    // SAFETY: as in `enter`.
    let block = unsafe { &mut *frame.block };
    tls::expect_no_more(&mut block.in_flight);
    if block.depth != 0 {
        // A vfork child's, or its parent's, who tells them apart.
        return if H::VECTORS == Vectors::All { STAGE_ALL } else { STAGE_SSE };
    }
    let Some(number) = block.in_flight.find(frame.rsp, frame.anchor) else {
        if !hook.observes() && lifecycle::is_unobserved_start() {
            return frame.resume();
        }
        return stage_of(hook);
    };
    // The record stays until the hook has returned: what a signal handler
    // records meanwhile is newer.
    let call = block.in_flight.get(number);
    let Call { nr, began, word, watchers, .. } = *call;
    if H::VECTORS == Vectors::All && watchers & WATCH_HOOK != 0 {
        return STAGE_ALL;
    }
    let needs_vectors = match hook.vectors() {
        Vectors::None => WATCH_TRACE | WATCH_LIFECYCLE,
        _ => WATCH_TRACE | WATCH_LIFECYCLE | WATCH_HOOK,
    };
    if watchers & needs_vectors != 0 {
        let runs_hook = watchers & WATCH_HOOK != 0 || hook.observes();
        return if runs_hook { stage_of(hook) } else { STAGE_SSE };
    }
    let mut result = frame.rax as i64;
    if watchers & (CHANGED | WATCH_HOOK) != 0 {
        if watchers & CHANGED != 0 {
            copy_words(&call.args, &mut frame.args);
        }
        if H::VECTORS != Vectors::All && watchers & WATCH_HOOK != 0 {
            let args = &call.args;
            result = hook_exit(hook, frame, exit_of(frame, nr, args, result, word));
        }
    }
    if watchers & WATCH_STAT != 0 {
        stat::exit(block.lane, nr, result, began);
    }
    if watchers & WATCH_NET != 0 {
        block.selector = net::CATCH;
    }
    block.in_flight.remove(number);
    frame.resume()
}

/// What a hook sees of a call that came out.
#[inline(always)]
fn exit_of<'a>(
    frame: &SyscallFrame,
    nr: u64,
    args: &'a [u64; 6],
    result: i64,
    word: u64,
) -> SyscallExit<'a> {
    SyscallExit { nr, args, result, word, anchor: frame.anchor, stack_pointer: frame.rsp }
}

#[inline(always)]
fn hook_exit<H: Hook>(hook: &H, frame: &mut SyscallFrame, exit: SyscallExit<'_>) -> i64 {
    if H::NEEDS_LIBC_STORAGE && thread::lacks_libc_storage() {
        // It has taken other storage in this very call.
        return exit.result;
    }
    // SAFETY: as in `enter`. Not through a reference: the caller has one to
    // another part of the block.
    let hook_level = unsafe { &raw mut (*frame.block).hook_level };
    // SAFETY: as above.
    unsafe { hook_level.write(frame.level as u32 + 1) };
    let errno = errno_of::<H>(SyscallEntry::of(frame));
    let result = hook.exit(&exit);
    put_back(errno);
    // SAFETY: as above.
    unsafe { hook_level.write(0) };
    frame.rax = result as u64;
    result
}

/// Second stage of a call on its way out: vector registers are saved.
#[inline(always)]
pub fn run_exit<H: Hook>(hook: &H, frame: &mut SyscallFrame) -> u64 {
    // SAFETY: as in `enter`.
    let block = unsafe { &mut *frame.block };
    let Some(call) = lifecycle::take_call(block, frame) else {
        // A new thread, or a record that had to make room.
        lifecycle::exit_unknown(block, frame, &Observing::new(hook, frame.level));
        return frame.resume();
    };
    let Call { nr, ref args, began, word, watchers, .. } = call;
    let mut result = frame.rax as i64;
    if watchers & WATCH_LIFECYCLE != 0
        && let Some(target) = lifecycle::goes_in_again(block, frame, &call)
    {
        return target;
    }
    if watchers & CHANGED != 0 {
        frame.args = *args;
    }
    if watchers & WATCH_LIFECYCLE != 0 {
        result = lifecycle::exit(block, frame, &call, &Observing::new(hook, frame.level));
        frame.rax = result as u64;
    }
    if watchers & WATCH_HOOK != 0 {
        result = hook_exit(hook, frame, exit_of(frame, nr, args, result, word));
    }
    if watchers & WATCH_STAT != 0 {
        stat::exit(block.lane, nr, result, began);
    }
    if watchers & WATCH_TRACE != 0 {
        trace::exit(block, nr, args, result);
    }
    if watchers & WATCH_NET != 0 {
        block.selector = net::CATCH;
    }
    frame.resume()
}

/// A call that a hook makes itself: only what the runtime must know of.
#[inline(never)]
fn enter_unhooked(frame: &mut SyscallFrame, who: u8) -> u64 {
    // SAFETY: as in `enter`.
    let block = unsafe { &mut *frame.block };
    block.selector = net::PASS;
    if who & LIFECYCLE == 0 {
        return frame.native();
    }
    frame.changed = 0;
    match lifecycle::enter(block, frame, &Observing::nothing()) {
        Step::Forward | Step::NeverReturns => frame.native(),
        Step::ForwardAndExit => {
            let changed = if frame.changed != 0 { CHANGED } else { 0 };
            remember(block, frame, WATCH_LIFECYCLE | changed, 0, 0);
            block.in_flight.count();
            frame.gate()
        }
        Step::Answer(result) => {
            frame.rax = result as u64;
            frame.resume()
        }
    }
}

/// A call on a level above 0 comes from a hook, which ends it here, or from a signal
/// handler that interrupted us.
///
/// Lower levels may also be dead: a handler interrupted them and left by
/// siglongjmp. Code that runs above a live level runs on one of our stacks or,
/// in a handler, on the alternate signal stack, or below the frame of one that has
/// interrupted a hook, or in a child that such a handler has made; from anywhere else the call
/// is an ordinary one, and the lower levels are forgotten. It then begins again on the first
/// of them: calls that its hook makes are known by their level.
#[inline(never)]
fn enter_on_further_level(frame: &mut SyscallFrame, who: u8) -> Option<u64> {
    // SAFETY: as in `enter`.
    let block = unsafe { &mut *frame.block };
    let is_made_by_hook = match block.region().contains(&frame.rsp) {
        true => block.hook_level != 0,
        false => block.hooks_outside != 0,
    };
    if is_made_by_hook {
        return Some(enter_unhooked(frame, who));
    }
    if block.region().contains(&frame.rsp)
        || block.may_be_in_interrupting_handler(frame)
        || block.has_levels_of_parent()
        || signal::is_on(&block.aside.alternate_stack(), frame.rsp)
    {
        return None;
    }
    thread::forget_other_levels(block, frame.level);
    if tls::is_unreliable() || thread::is_on_seat() {
        return None;
    }
    patch::place_of(frame.native(), 0, 0).map(|place| place.start)
}
