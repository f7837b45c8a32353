//! fork, vfork, clone, clone3: threads and processes are born.
//!
//! The child's place in the group is reserved before the call. A process finds
//! it in the record of the call, of which it has a copy or which it shares; a
//! thread finds it in its own storage, where the parent has left a token.

mod asked;

use core::sync::atomic::Ordering::Relaxed;

use syscalls::Sysno;

pub(crate) use asked::Birth;
use asked::Seated;

use super::{Observing, Step};
use crate::diagnostics::say;
use crate::frame::SyscallFrame;
use crate::group::{self, Expected};
use crate::hook::Thread;
use crate::interest;
use crate::net;
use crate::patch;
use crate::signal;
use crate::sys;
use crate::thread::{self, Call, ThreadBlock, seats, sharers};
use crate::tls;
use crate::trace;

/// What a new thread is told when nobody counts it.
const UNCOUNTED: u64 = u64::MAX;

/// A birth on its way in.
pub(super) fn enter(
    block: &mut ThreadBlock,
    frame: &mut SyscallFrame,
    observing: &Observing<'_>,
) -> Step {
    let mut birth = Birth::of(frame.rax, &frame.args, patch::stack_of_libc(frame));
    if birth.is_refused {
        return Step::Forward;
    }
    birth.is_sigill_blocked = block.is_sigill_blocked;
    birth.parent = block.tid;
    seats::sweep();
    if birth.is_vfork_elsewhere() {
        keep_parents_storage(frame, &mut birth);
    }
    let is_libc = patch::is_in_libc(frame.address_after_site());
    if let Some(seated) = birth.seated(birth.has_storage(frame.rax, is_libc)) {
        return enter_seated(block, frame, birth, &seated);
    }
    let is_expected = group::segment().is_some()
        || observing.is_wanted()
        || signal::are_given()
        // It is told its id, too, which it must not ask for.
        || sys::is_confined();
    if birth.is_told() && !is_expected {
        // Its first call makes its block.
        birth.note_place_of_id();
        return Step::Forward;
    }
    let new_namespace = birth.is_in_new_namespace();
    let expected = block.membership().expect(!birth.is_thread(), new_namespace);
    if birth.is_told() {
        let token = if expected.number() == 0 { UNCOUNTED } else { expected.token() };
        birth.tell(token);
    }
    if birth.is_vfork() {
        block.leave_to_child(frame.level);
    }
    (block.birth, block.expected) = (birth, expected);
    Step::ForwardAndExit
}

/// Lets a vfork child run on its parent's storage, although it asks for some of its
/// own: as a rule an area of zeros, so that libc's words in the parent's stay as they
/// are (Chromium's `ChrootToSafeEmptyDir`). Not with clone3, whose flags are in the
/// program's memory.
#[cold]
fn keep_parents_storage(frame: &mut SyscallFrame, birth: &mut Birth) {
    if super::sysno(frame.rax) == Some(Sysno::clone) {
        frame.keep_original();
        birth.keep_storage(&mut frame.args);
    }
}

/// The birth of one that needs a seat.
#[cold]
fn enter_seated(
    block: &mut ThreadBlock,
    frame: &mut SyscallFrame,
    mut birth: Birth,
    seated: &Seated,
) -> Step {
    birth.is_sharer = true;
    let new_namespace = birth.is_in_new_namespace();
    let expected = block.membership().expect(!birth.is_thread(), new_namespace);
    let newborn = sharers::Newborn {
        storage: seated.storage,
        is_foreign: seated.is_foreign,
        anchor: frame.anchor,
        rsp: birth.stack_of_child(frame.rsp),
        is_alias: birth.is_alias(),
        is_process: !birth.is_thread(),
        shares_descriptors: birth.shares_descriptors(),
        expected,
        token: if expected.number() == 0 { UNCOUNTED } else { expected.token() },
    };
    let why = if new_namespace && birth.shares_memory() {
        // Two namespaces could have the same ids.
        Some(StandsBack::AmbiguousIds)
    } else if sys::is_confined() {
        Some(StandsBack::Confined)
    } else if !sharers::expect(block, frame, &newborn) {
        Some(StandsBack::NoSeat)
    } else {
        None
    };
    if let Some(why) = why {
        block.membership().cancel(&expected);
        stand_back(block, why);
        return Step::Forward;
    }
    if birth.is_vfork() {
        block.leave_to_child(frame.level);
    }
    (block.birth, block.expected) = (birth, expected);
    Step::ForwardAndExit
}

/// Why threads that are found by their ids cannot be found.
pub(super) enum StandsBack {
    NoSeat,
    AmbiguousIds,
    /// The process is confined, or about to be.
    Confined,
}

impl StandsBack {
    fn line(&self) -> &'static str {
        match self {
            Self::NoSeat => {
                "the program has more than 512 threads that do not have libc's storage, or no \
                 memory; interception ends here"
            }
            Self::AmbiguousIds => {
                "the program makes a process on its memory in another PID namespace; \
                 interception ends here"
            }
            Self::Confined => {
                "the program restricts its system calls (seccomp) and has threads that do not \
                 have libc's storage; interception ends here"
            }
        }
    }
}

/// A thread is about to be born whose words cannot be found through FS, and there is no
/// seat for it. So nobody is interested in any call any more: then no stub leads to us.
#[cold]
pub(super) fn stand_back(block: &mut ThreadBlock, why: StandsBack) {
    // A confined process may not survive a line.
    if interest::is_any() && !sys::is_confined() {
        trace::stop(block, why.line());
        say(format_args!("{}", why.line()));
    }
    interest::clear();
    signal::leave_faults_unblocked();
    sys::confine();
}

/// A birth came out: in the parent, or (`result` 0) in a child process.
pub(super) fn exit(block: &mut ThreadBlock, call: &Call, result: i64, observing: &Observing<'_>) {
    let birth = &call.birth;
    if result == 0 {
        process_begins(block, call, observing);
        return;
    }
    if is_vfork(call) {
        // The child is gone, perhaps before it has said that it was there.
        block.take_back(call.depth, observing.level);
    }
    take_back_identity(block, call);
    if birth.is_sharer {
        sharers::came_out(block, result, birth.is_alias());
    }
    if result < 0 {
        block.membership().cancel(&call.expected);
        if birth.is_told() && !birth.is_sharer {
            birth.tell(0);
        }
        return;
    }
    let tid = result as u32;
    call.expected.born(tid);
    observing.call(block, |hook| hook.child_born(tid));
}

/// The calling thread, which has made this call, is who runs on the block again.
fn take_back_identity(block: &mut ThreadBlock, call: &Call) {
    if block.depth != call.depth {
        // What the child wrote here was the truth for it.
        trace::interrupt(block);
        block.depth = call.depth;
        block.tid = call.birth.parent;
        block.is_sigill_blocked = call.birth.is_sigill_blocked;
        crate::stat::process_begin(block);
        publish_identity(block);
    }
}

/// A handler of the program is about to run, outside of the entry: perhaps in the parent of a
/// vfork child, which is gone, before that call has come out.
pub(crate) fn handler_runs(block: &mut ThreadBlock) {
    if block.depth != 0 && !sys::is_confined() {
        take_back_early(block);
    }
}

#[cold]
fn take_back_early(block: &mut ThreadBlock) {
    /// The call comes out by none yet.
    const NO_LEVEL: u64 = u64::MAX;
    let (own, depth) = (sys::gettid(), block.depth);
    let is_own = |call: &Call| is_vfork_of(call, own) && call.depth < depth;
    let Some(number) = block.in_flight.newest(is_own) else {
        return;
    };
    // Another handler would find half of it.
    let mask = signal::block_all();
    let call = *block.in_flight.get(number);
    block.take_back_outside(call.depth, NO_LEVEL);
    take_back_identity(block, &call);
    // What is newer is the child's.
    block.in_flight.remove_from(number.wrapping_add(1));
    signal::set_mask(mask);
}

/// The child process, before its first instruction.
fn process_begins(block: &mut ThreadBlock, call: &Call, observing: &Observing<'_>) {
    let birth = &call.birth;
    let tid = sys::gettid();
    let parent_tgid = group::TGSTAT.tgid.load(Relaxed);
    if birth.shares_memory() {
        // Before anything else changes: by this the parent knows that the child was there.
        block.depth = call.depth + 1;
    }
    block.tid = tid;
    block.shares_descriptors = birth.shares_descriptors();
    block.sigill.forget();
    // The program's memory is accessed by this id, and the parent's would lead to the
    // parent's memory.
    publish_identity(block);
    if birth.shares_memory() {
        // What the child of a hook calls is the hook's, on whatever stack.
        block.hooks_outside += u32::from(block.hook_level != 0);
    } else {
        thread::after_fork();
        signal::after_fork();
        block.membership().leave_to_parent();
        block.settle_descriptors();
        block.depth = 0;
        block.dispatch = net::Dispatch::default();
    }
    block.membership().begin_expected(&call.expected, tid);
    if !birth.shares_memory() {
        group::begin_process(block.membership(), tid);
    }
    crate::stat::process_begin(block);
    publish_identity(block);
    if birth.clears_handlers() {
        signal::handlers_cleared();
    }
    net::catch(block);
    let thread = Thread { tid, tgid: tid, number: block.membership().number() };
    observing.call(block, |hook| hook.process_start(&thread, parent_tgid));
}

/// The first intercepted call of a thread makes its block: this completes it.
/// Runs on the program's stack.
pub(crate) fn thread_begins(block: &mut ThreadBlock) {
    let tls = tls::current();
    // SAFETY: this thread's own words.
    let token = unsafe { (&raw const (*tls).birth).read_volatile() };
    let tid = block.tid;
    group::begin(block.membership(), token, tid);
    publish_identity(block);
    signal::give_stack(block);
    block.dispatch = net::Dispatch::default();
    net::catch(block);
}

/// The first call of a thread on shared storage comes out: of `process`, if it is one.
pub(crate) fn sharer_begins(block: &mut ThreadBlock, process: Option<&Expected>) {
    match process {
        Some(expected) => {
            // On the memory of its parent, like a vfork child.
            block.depth = 1;
            let tid = block.tid;
            block.membership().begin_expected(expected, tid);
            publish_identity(block);
            net::catch(block);
        }
        None => {
            thread_begins(block);
            // libc does not know it, and registers nothing.
            block.membership().watch_unwatched();
        }
    }
}

/// The group of the first thread was founded after it had begun.
pub(crate) fn joins_late(block: &mut ThreadBlock) {
    group::begin_image(block.membership());
    publish_identity(block);
}

/// Whether the call that comes out has made the calling thread, which then has started, and
/// nobody is to be told. Asked in the first stage of a call.
#[inline(always)]
pub(crate) fn is_unobserved_start() -> bool {
    // SAFETY: this thread's own words.
    tls::at_pointer().is_some_and(|tls| unsafe { tls::take(&raw mut (*tls).birth) })
}

/// A call came out that this thread did not send in: it is the thread that the
/// call made.
pub(super) fn thread_starts(block: &mut ThreadBlock, observing: &Observing<'_>) {
    // SAFETY: this thread's own words.
    if !unsafe { tls::take(&raw mut (*tls::current()).birth) } {
        return;
    }
    let thread = block.thread();
    if block.depth > 0 {
        let parent_tgid = group::TGSTAT.tgid.load(Relaxed);
        observing.call(block, |hook| hook.process_start(&thread, parent_tgid));
    } else {
        observing.call(block, |hook| hook.thread_start(&thread, thread.tgid));
    }
}

/// `exit`: the thread's block may be used again once the kernel has ended it.
pub(super) fn exit_thread(
    block: &mut ThreadBlock,
    frame: &mut SyscallFrame,
    observing: &Observing<'_>,
) -> Step {
    let thread = block.thread();
    observing.call(block, |hook| hook.thread_exit(&thread));
    if block.depth == 0 {
        crate::stat::thread_exit(block);
        block.membership().end();
        let status = &mut frame.args[0];
        observing.call(block, |hook| *status = hook.thread_gone(*status));
        sharers::leaves();
        thread::leave_for_good(block);
    }
    Step::NeverReturns
}

/// Tells the thread's own variable who it is.
fn publish_identity(block: &mut ThreadBlock) {
    let number = block.membership().number();
    let tls = tls::current();
    // SAFETY: this thread's own words; hooks only read them.
    unsafe {
        (&raw mut (*tls).identity.tid).write_volatile(block.tid);
        (&raw mut (*tls).identity.number).write_volatile(number);
    }
}

/// Whether a call's child runs on its parent's block until the call comes out.
pub(super) fn is_vfork(call: &Call) -> bool {
    may_share_memory(call) && call.birth.is_vfork()
}

/// Whether it is that of a thread.
pub(super) fn is_vfork_of(call: &Call, parent: u32) -> bool {
    is_vfork(call) && call.birth.parent == parent
}

/// Whether the child of this call may run on its parent's memory and TLS.
pub(super) fn may_share_memory(call: &Call) -> bool {
    is_birth(call) && call.birth.shares_memory()
}

/// Whether the child of this call comes out of it with this stack pointer.
pub(super) fn child_comes_out_with(call: &Call, rsp: u64) -> bool {
    is_birth(call) && call.birth.stack_of_child(call.rsp) == rsp
}

fn is_birth(call: &Call) -> bool {
    let sysno = super::sysno(call.nr);
    matches!(sysno, Some(Sysno::fork | Sysno::vfork | Sysno::clone | Sysno::clone3))
        && call.watchers & u32::from(interest::LIFECYCLE) != 0
}
