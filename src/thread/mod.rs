//! What the runtime keeps for each thread.
//!
//! A [`ThreadBlock`] lies at the top of a mapping that also holds the thread's
//! private stacks, one for each level:
//!
//! ```text
//! low    guard page | environment | signals | stack 3 | stack 2 | stack 1 | stack 0 (largest) | block   high
//! ```
//!
//! Below the stack in use there is always room for the frames of all signals: the kernel
//! builds one for each that it has to deliver, one on another, before a handler of ours
//! can hold the others off.
//!
//! Each stack ends with that level's [`SyscallFrame`]. That of level 0 lies on one page
//! with the words of the block that every call needs, so that a thread has one page to
//! touch and a forked child one to copy. The block is made at the
//! thread's first intercepted call and goes back to a pool when the thread
//! exits; see [`pool`]. Which stacks may be entered is the matter of [`levels`].

mod errno;
mod in_flight;
#[cfg(feature = "capi")]
mod inside;
mod left;
mod levels;
mod parent;
mod place;
mod pool;
pub(crate) mod seats;
pub(crate) mod sharers;

use core::ffi::c_int;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use syscalls::Sysno;

use crate::frame::SyscallFrame;
use crate::group::{Expected, Membership, TGSTAT};
use crate::hook::Thread;
use crate::interest;
use crate::lifecycle::{self, Birth};
use crate::net;
use crate::stat;
use crate::sys::{self, Mapping, PAGE, page_up};
use crate::thunk;
use crate::tls::{self, LEVELS, Tls};
use crate::trace::PendingLine;
use crate::vector;

pub(crate) use errno::{keeping_errno, libc_errno};
#[cfg(feature = "capi")]
pub(crate) use in_flight::CAPACITY as CALLS_IN_FLIGHT;
pub(crate) use in_flight::{Call, InFlight};
#[cfg(feature = "capi")]
pub(crate) use inside::{note_entry, wait_until_left};
#[cfg(feature = "capi")]
pub(crate) use levels::is_in_hook;
pub(crate) use levels::{
    are_levels_parked, forget_other_levels, hooked, is_level_free, is_level_ready, leave_by_thunk,
    on_private_stack, park_levels, release_level, take_level_for, unhooked, unpark_levels,
    unpark_one_level,
};
#[cfg(feature = "capi")]
pub(crate) use seats::let_hooks_run_anywhere;
pub(crate) use seats::{
    are_there as has_seats, is_caller_foreign, is_caller_on_one as is_on_seat, lacks_libc_storage,
    storage_of_caller, words_of_caller,
};

/// Bytes of stack of the lowest level, or a few more; a hook written in C may
/// use most of it.
const STACK_0: u64 = 192 * 1024;
/// Bytes of stack of each further level.
const STACK_N: u64 = 16 * 1024;
/// Bytes for an environment that exec gets.
const ENVIRONMENT: u64 = 4 * PAGE;
/// Bytes of the whole mapping, but for the room for signals.
const REGION: u64 = page_up(PAGE + ENVIRONMENT + (LEVELS as u64 - 1) * STACK_N + STACK_0 + BLOCK);
/// Bytes reserved for the block.
const BLOCK: u64 = SHARED + 5 * PAGE;
/// Bytes of the block that lie on a page with the frame of level 0 and the top
/// of its stack: what nearly all calls need, to the first of those in flight.
const SHARED: u64 = 1856;

/// The state of one thread that outlives a call.
#[repr(C, align(64))]
pub struct ThreadBlock {
    /// Thread id, 0 until known.
    pub(crate) tid: u32,
    /// How many processes share this block: 0 for a thread by itself, 1 while
    /// its vfork child runs, 2 while that one's does.
    pub(crate) depth: u32,
    /// Where that process has descriptors of ours that it has moved.
    pub(crate) moved: lifecycle::Moved,
    /// It has its parent's descriptors, not a copy of them.
    pub(crate) shares_descriptors: bool,
    /// The thread has a table of descriptors that other threads of its process do not have.
    pub(crate) has_own_descriptors: bool,
    /// The level at which a hook of the user runs, plus one; 0 when none does.
    pub(crate) hook_level: u32,
    /// Whether the kernel catches calls (`net`), which it reads here itself.
    pub(crate) selector: u8,
    /// The anchor of the rt_sigreturn that was made last, if the net would catch it.
    pub(crate) returning: u64,
    /// Statistics lane, null when not counting.
    pub(crate) lane: *const interceptor_abi::segment::Lane,
    /// Calls counted, for sampling.
    pub(crate) counted: u64,
    /// Descriptor, start and end of the last mapping of a file from its
    /// beginning, see
    /// `lifecycle::mapping`.
    pub(crate) last_image: (u64, u64, u64),
    /// Signal sets that the kernel gets in place of the program's, and pointers to
    /// them; used in turn, since handlers interrupt calls.
    scratch: [[u64; 3]; SCRATCHES],
    next_scratch: u32,
    /// Signals that wait until the thread is out of the runtime.
    pub(crate) aside: crate::signal::Aside,
    /// Where the mark of the handler is that has interrupted a hook; 0 without one.
    pub(crate) interrupted_at: u64,
    /// Hooks that run outside of any call, in signal handlers.
    pub(crate) hooks_outside: u32,
    /// It is being made.
    pub(crate) is_beginning: bool,
    /// The alternate signal stack that a handler was last called on: base,
    /// flags, size.
    pub(crate) alternate: [u64; 3],
    /// Flags of the alternate stack while the program has none.
    pub(crate) no_stack_flags: u64,
    /// Of a program that steps through itself.
    pub(crate) last_step: crate::signal::LastStep,
    /// The program has blocked SIGILL, which traps need unblocked.
    pub(crate) is_sigill_blocked: bool,
    /// One that was sent while it was blocked.
    pub(crate) sigill: crate::signal::WaitingIll,
    /// What the call that goes in changes of that.
    pub(crate) mask_change: crate::signal::MaskChange,
    /// libc's errno of this thread; null without one that is its own.
    pub(crate) errno: *mut c_int,
    /// Start and end of thread storage that the program has unmapped and that
    /// is still mapped, for the thread's last call.
    pub(crate) storage: (u64, u64),
    /// Places in the group, one for each process that shares this block; the
    /// last is for all deeper ones.
    memberships: [Membership; DEPTHS],
    /// A hook library has used the words of this thread.
    #[cfg(feature = "capi")]
    pub(crate) has_words: bool,
    /// The birth that goes in.
    pub(crate) birth: Birth,
    /// The child that it makes.
    pub(crate) expected: Expected,
    /// Where environments for exec are composed that need more room than there
    /// is in the region; without a length there is none.
    pub(crate) large_environment: Mapping,
    /// It has tried an exec without ours, see `lifecycle::exec`.
    pub(crate) is_let_go: bool,
    /// A word of the thread's that belongs to the hook.
    hook_word: u64,
    /// Whether the thread that gave it up has left it.
    left: left::Left,
    /// Next block in the pool.
    next: *mut ThreadBlock,
    /// Its place among all blocks, which others read at any time.
    #[cfg(feature = "capi")]
    listed: inside::Listed,
    /// Calls between their way in and their way out.
    pub(crate) in_flight: InFlight,
    /// The trace line begun and not yet ended.
    pub(crate) pending: PendingLine,
    /// Signals that were put aside; `aside` says how many.
    pub(crate) kept: [crate::signal::Kept; crate::signal::KEPT],
    /// Hooks that the program's handlers have interrupted, by level.
    pub(crate) suspended: [crate::signal::Suspended; LEVELS],
    /// Processes on this block that wait for a child on it, see `memberships`.
    parents: parent::Parents,
    /// What the program wants to have caught itself.
    pub(crate) dispatch: net::Dispatch,
    /// Its alternate stack, if it was given one: also the next thread's.
    pub(crate) given_stack: Option<Mapping>,
    /// What hook libraries keep, see `capi::chain`.
    #[cfg(feature = "capi")]
    pub(crate) words: crate::capi::Words,
}

const _: () = assert!(size_of::<ThreadBlock>() as u64 <= BLOCK);
const _: () = assert!(offset_of!(ThreadBlock, in_flight) as u64 + 512 <= SHARED);
const _: () = assert!((REGION - BLOCK).is_multiple_of(align_of::<ThreadBlock>() as u64));

/// Signal sets in calls that interrupt each other.
const SCRATCHES: usize = 8;
/// Processes on one block that are told apart.
const DEPTHS: usize = 3;

impl ThreadBlock {
    /// In `hook_level`: the hook is told of something and must not be left.
    pub(crate) const OBSERVES: u32 = 1 << 16;

    /// Who the thread that runs on this block is.
    pub(crate) fn thread(&mut self) -> Thread {
        let tgid = if self.depth == 0 { TGSTAT.tgid.load(Relaxed) } else { self.tid };
        Thread { tid: self.tid, tgid, number: self.membership().number() }
    }

    /// Puts words where the kernel can read them while a call is in it. Returns their
    /// address.
    pub(crate) fn scratch_for(&mut self, words: [u64; 3]) -> u64 {
        let index = self.next_scratch as usize % SCRATCHES;
        self.next_scratch = self.next_scratch.wrapping_add(1);
        self.scratch[index] = words;
        (&raw const self.scratch[index]) as u64
    }

    /// Whether a thread, not the caller, is inside a hook.
    ///
    /// # Safety
    ///
    /// The block is mapped.
    #[cfg(feature = "capi")]
    unsafe fn is_inside_hook(block: *const Self) -> bool {
        // SAFETY: the caller's; these words are whole at any time.
        unsafe {
            let level = (&raw const (*block).hook_level).read_volatile();
            let outside = (&raw const (*block).hooks_outside).read_volatile();
            level != 0 || outside != 0
        }
    }

    /// The thread is inside of nothing any more.
    fn leave_hooks(&mut self) {
        (self.hook_level, self.hooks_outside) = (0, 0);
    }

    /// Whether an address is on the stack of a level above 0.
    pub(crate) fn is_on_further_stack(&self, address: u64) -> bool {
        self.region().contains(&address) && address < self as *const Self as u64 - STACK_0
    }

    /// Makes a used block like a new one. What only counts tell to be used keeps
    /// what it holds.
    fn clear(&mut self) {
        #[cfg(feature = "capi")]
        let small = offset_of!(Self, listed);
        #[cfg(not(feature = "capi"))]
        let small = offset_of!(Self, in_flight);
        #[cfg(feature = "capi")]
        if self.has_words {
            self.words.clear();
        }
        // SAFETY: zeroes are valid for all fields up to there.
        unsafe { (&raw mut *self).cast::<u8>().write_bytes(0, small) };
        self.in_flight.clear();
        self.pending.clear();
        self.forget_children();
    }

    /// The place in the group of the process that runs on this block now.
    pub(crate) fn membership(&mut self) -> &mut Membership {
        let depth = (self.depth as usize).min(DEPTHS - 1);
        &mut self.memberships[depth]
    }

    /// Where environments for exec are composed, if they are not too large.
    pub(crate) fn environment(&self) -> Mapping {
        Mapping { start: self.region().start + PAGE, len: ENVIRONMENT }
    }

    /// The mapping that holds this block and its stacks.
    pub(crate) fn region(&self) -> core::ops::Range<u64> {
        Self::region_of(self)
    }

    /// The same of a block that need not be there any more.
    fn region_of(block: *const Self) -> core::ops::Range<u64> {
        let end = (block as u64).wrapping_add(BLOCK);
        end.wrapping_sub(region_len())..end
    }
}

/// Bytes of the whole mapping.
fn region_len() -> u64 {
    REGION + vector::all_frames()
}

/// Makes a block for the calling thread, if it has none.
///
/// Called by the entry's cold path, on the program's stack, with the number of
/// the call that goes in, or [`NO_NUMBER`] and the program's stack pointer, the anchor and the
/// result of one that comes out; and by start-up. Returns 1 when the
/// thread has a block now, 0 when there is no memory, or no need: the call goes
/// to the kernel, or on without us.
#[unsafe(no_mangle)]
extern "C" fn interceptor_thread_begin(nr: u64, rsp: u64, anchor: u64, result: u64) -> u64 {
    if is_on_seat() {
        // The thunk will take the careful way.
        sharers::mark_own_storage();
        return 1;
    }
    let tls = tls::current();
    // SAFETY: this thread's own words and block.
    if let Some(block) = unsafe { (&raw const (*tls).block).read_volatile().as_mut() } {
        let has_level = is_level_ready() || are_levels_parked();
        if has_level || lifecycle::comes_out_without_level(block, rsp, anchor, result) {
            return 1;
        }
        // SAFETY: as above.
        unsafe { (&raw mut (*tls).lost).write_volatile(1) };
        return 0;
    }
    if is_unobserved_end(nr, tls) {
        return 0;
    }
    let tid = own_tid(tls);
    let Ok(block) = pool::take(tid) else {
        return 0;
    };
    // SAFETY: the TLS block is this thread's own; volatile, since a signal
    // handler of the same thread may run this function at any point.
    unsafe {
        if !(&raw const (*tls).block).read_volatile().is_null() {
            pool::give_back(block);
            return 1;
        }
        (*block).tid = tid;
        (*block).errno = libc_errno();
        stat::process_begin(&mut *block);
        lifecycle::thread_begins(&mut *block);
        (&raw mut (*block).is_beginning).write_volatile(true);
        lay_out(block, tls);
        for level in 0..LEVELS {
            (&raw mut (*tls).ready[level]).write_volatile(1);
        }
        (&raw mut (*block).is_beginning).write_volatile(false);
    }
    1
}

/// How far behind its thread pointer libc has the kernel write a new thread's id; 0 for
/// nowhere.
static PLACE_OF_ID: AtomicU64 = AtomicU64::new(0);

/// libc makes a thread, and has the kernel write its id there.
pub(crate) fn note_place_of_id(distance: u64) {
    PLACE_OF_ID.store(distance, Relaxed);
}

/// The id of the calling thread, which makes its first call. Asked for where nobody has
/// said where it is, and never in a confined process if libc knows it.
fn own_tid(tls: *const Tls) -> u32 {
    // SAFETY: this thread's own words.
    let (is_told, mut at) = unsafe {
        ((&raw const (*tls).birth).read_volatile() != 0, (&raw const (*tls).tid_at).read_volatile())
    };
    let place = PLACE_OF_ID.load(Relaxed);
    if !is_told && sys::is_confined() && place != 0 {
        at = tls::thread_pointer() + place;
    } else if !is_told || at == 0 {
        return sys::gettid();
    }
    // SAFETY: in storage that libc has made, where the kernel has written it; nobody else
    // does before the thread has ended.
    unsafe { (at as *const u32).read_volatile() }
}

/// Makes a thread's words lead to its block and its stacks.
///
/// # Safety
///
/// Both are one thread's, and nobody else uses them.
unsafe fn lay_out(block: *mut ThreadBlock, tls: *mut Tls) {
    let mut top = block as u64;
    // SAFETY: the caller's; stacks and frames lie below the block.
    unsafe {
        for level in 0..LEVELS {
            let frame = (top - size_of::<SyscallFrame>() as u64) as *mut SyscallFrame;
            if level == 0 {
                // The thunk does it for the others.
                (*frame).leave = thunk::leave(level);
                (*frame).level = level as u64;
                (*frame).block = block;
            }
            (&raw mut (*tls).base[level]).write_volatile(frame as u64);
            top -= if level == 0 { STACK_0 } else { STACK_N };
        }
        (&raw mut (*tls).block).write_volatile(block);
    }
}

/// In a forked child: nobody else is there.
pub(crate) fn after_fork() {
    seats::after_fork();
    pool::after_fork();
}

/// What stands for the number of a call that comes out.
const NO_NUMBER: u64 = u64::MAX;

/// Whether a thread that nobody has heard of ends, and nobody wants to hear of
/// it now.
fn is_unobserved_end(nr: u64, tls: *const Tls) -> bool {
    // SAFETY: this thread's own words.
    let is_expected = unsafe { (&raw const (*tls).birth).read_volatile() } != 0;
    nr == Sysno::exit as u64 && !is_expected && interest::of(nr) == interest::LIFECYCLE
}

/// Makes a block for the calling thread outside of any call.
fn begin() -> u64 {
    interceptor_thread_begin(NO_NUMBER, 0, 0, 0)
}

/// Makes the first thread's block. Returns whether there is memory for it.
pub(crate) fn begin_first() -> bool {
    left::look_for_lists();
    begin() != 0
}

/// The calling thread is in its last call, and leaves its block for reuse. It may go on using
/// it until it has exited.
pub(crate) fn leave_for_good(block: &mut ThreadBlock) {
    left::mark(block);
    pool::leave_for_reuse(block);
}

/// The calling thread's block, if it has one or can have one.
pub(crate) fn own_block<'a>() -> Option<&'a mut ThreadBlock> {
    // SAFETY: this thread's own words and block.
    let known = || unsafe { (&raw const (*tls::current()).block).read_volatile().as_mut() };
    known().or_else(|| {
        if !sys::is_confined() {
            begin();
        }
        known()
    })
}

/// Changes the calling thread's word, which belongs to the hook: it is 0 in a new thread,
/// and in a forked child what it was in the parent. Returns what it was; `None` when
/// there is no memory for the thread.
pub fn thread_word(change: impl FnOnce(u64) -> u64) -> Option<u64> {
    let block = own_block()?;
    let before = block.hook_word;
    block.hook_word = change(before);
    Some(before)
}

/// The same without making one.
pub(crate) fn known_block<'a>() -> Option<&'a mut ThreadBlock> {
    // SAFETY: this thread's own words and block.
    unsafe { (&raw const (*tls::current()).block).read_volatile().as_mut() }
}

/// Gives the first thread its place in a group that was founded after it.
pub(crate) fn join_first() {
    // SAFETY: this thread's own words and block.
    unsafe {
        if let Some(block) = (&raw const (*tls::current()).block).read_volatile().as_mut() {
            lifecycle::joins_late(block);
        }
    }
}

/// Offset of the word that the entry's last step looks at.
pub(crate) const ASIDE_WAITS: usize =
    offset_of!(ThreadBlock, aside) + offset_of!(crate::signal::Aside, waits);

/// Offset of the alternate stack.
pub(crate) const ALTERNATE: usize = offset_of!(ThreadBlock, alternate);

/// Whether a thunk of this thread found no level since the last time asked. Thunks know
/// only of the words at the thread pointer.
#[inline(always)]
pub(crate) fn take_lost() -> bool {
    // Where those need not be there, all calls take the careful way.
    // SAFETY: this thread's own words.
    tls::at_pointer().is_some_and(|tls| unsafe { tls::take(&raw mut (*tls).lost) })
}
