//! fork, vfork, clone, clone3: threads and processes are born.
//!
//! The child's place in the group is reserved before the call. A process finds
//! it in the record of the call, of which it has a copy or which it shares; a
//! thread finds it in its own storage, where the parent has left a token.

use core::sync::atomic::Ordering::Relaxed;

use syscalls::Sysno;

use super::{Observing, Step};
use crate::diagnostics::say;
use crate::frame::SyscallFrame;
use crate::group::{self, Expected};
use crate::hook::Thread;
use crate::interest;
use crate::patch;
use crate::signal;
use crate::sys;
use crate::thread::{self, Call, ThreadBlock, seats, sharers};
use crate::tls;
use crate::trace;

const CLONE_VM: u64 = 0x100;
const CLONE_VFORK: u64 = 0x4000;
const CLONE_SETTLS: u64 = 0x8_0000;
const CLONE_THREAD: u64 = 0x1_0000;
const CLONE_DETACHED: u64 = 0x40_0000;
const CLONE_FS: u64 = 0x200;
const CLONE_SIGHAND: u64 = 0x800;
const CLONE_PARENT: u64 = 0x8000;
const CLONE_NEWNS: u64 = 0x2_0000;
const CLONE_NEWUSER: u64 = 0x1000_0000;
const CLONE_NEWPID: u64 = 0x2000_0000;
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;

/// The flags with which glibc and musl make a thread: VM, FS, FILES, SIGHAND,
/// THREAD, SYSVSEM, SETTLS, PARENT_SETTID, CHILD_CLEARTID.
const PTHREAD: u64 = 0x3d_0f00;

/// What a new thread is told when nobody counts it.
const UNCOUNTED: u64 = u64::MAX;

/// A birth as its caller asks for it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Birth {
    flags: u64,
    /// The new thread's pointer; 0 for its parent's.
    thread_pointer: u64,
    /// The stack pointer with which the child comes out; 0 for its parent's.
    stack: u64,
    /// The kernel will say that what is asked for cannot be.
    is_refused: bool,
    /// `ThreadBlock::is_sigill_blocked` of the parent.
    is_sigill_blocked: bool,
    /// The child has a seat, see `thread::sharers`.
    is_sharer: bool,
    /// Its parent's id.
    parent: u32,
}

impl Birth {
    /// `near` is the caller's stack, if it may be read directly.
    fn of(nr: u64, args: &[u64; 6], near: Option<u64>) -> Self {
        let mut birth = Self {
            flags: 0,
            thread_pointer: 0,
            stack: 0,
            is_refused: false,
            is_sigill_blocked: false,
            is_sharer: false,
            parent: 0,
        };
        match super::sysno(nr) {
            Some(Sysno::clone) => {
                (birth.flags, birth.thread_pointer, birth.stack) = (args[0], args[4], args[1]);
                birth.is_refused = excludes_itself(args[0]);
            }
            Some(Sysno::vfork) => birth.flags = CLONE_VM | CLONE_VFORK,
            Some(Sysno::clone3) => {
                let mut bytes = [0; 8 * CLONE_ARGS];
                if sys::read_guest_near(near, args[0], &mut bytes) < bytes.len() {
                    birth.is_refused = true;
                    return birth;
                }
                let mut words = [0; CLONE_ARGS];
                for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
                    *word = u64::from_le_bytes(*bytes);
                }
                (birth.flags, birth.thread_pointer) = (words[0], words[7]);
                birth.stack = words[5].wrapping_add(words[6]);
                birth.is_refused = is_wrong(&words, args[1]);
            }
            _ => {}
        }
        if birth.flags & CLONE_SETTLS == 0 {
            birth.thread_pointer = 0;
        }
        birth
    }

    fn is_thread(&self) -> bool {
        self.flags & CLONE_THREAD != 0
    }

    fn shares_memory(&self) -> bool {
        self.flags & CLONE_VM != 0
    }

    /// The stack pointer with which the child comes out of a call that its parent makes with
    /// `rsp`.
    fn stack_of_child(&self, rsp: u64) -> u64 {
        if self.stack == 0 { rsp } else { self.stack }
    }

    /// Whether the parent waits until the child has other memory.
    fn is_vfork(&self) -> bool {
        self.flags & CLONE_VFORK != 0
    }

    /// Whether the child runs at once on its parent's memory: then it needs storage
    /// of its own, in which it is told what is expected.
    fn is_told(&self) -> bool {
        self.shares_memory() && !self.is_vfork()
    }

    /// Whether the child needs a seat (`thread::seats`), and where its storage is then.
    fn seated(&self, has_storage: bool) -> Option<Seated> {
        let own = thread::storage_of_caller();
        let storage = self.thread_pointer;
        if self.flags & CLONE_SETTLS == 0 || storage == own {
            let needs_one = self.is_told() || thread::is_on_seat();
            let is_foreign = needs_one && thread::is_caller_foreign();
            return needs_one.then_some(Seated { storage: own, is_foreign });
        }
        let needs_one = !has_storage || self.is_told() && seats::are_on(storage);
        needs_one.then_some(Seated { storage, is_foreign: !has_storage })
    }

    /// Whether the child runs on its parent's block: at once, or in a copy.
    fn is_alias(&self) -> bool {
        !self.is_told()
    }

    /// Whether a new thread gets storage in which libc has made room for our words. glibc's
    /// pthread_create is the only one there to use clone3; where it is clone, which programs
    /// call, too, the storage begins as libc's does: with its address and, in glibc, with
    /// it once more (`tcbhead_t`), in musl with a vector of modules (`struct pthread`).
    fn has_storage(&self, nr: u64, is_libc: bool) -> bool {
        if !is_libc || self.flags & !CLONE_DETACHED != PTHREAD {
            return false;
        }
        let own = self.thread_pointer;
        nr == Sysno::clone3 as u64
            || sys::read_guest_words(own).is_some_and(|[first, second, third]| {
                first == own && if sys::is_libc_musl() { second != 0 } else { third == own }
            })
    }

    /// Whether a vfork child gets storage that is not its parent's.
    fn is_vfork_elsewhere(&self) -> bool {
        let is_on_own =
            self.thread_pointer == 0 || self.thread_pointer == thread::storage_of_caller();
        self.shares_memory() && self.is_vfork() && !is_on_own
    }

    /// Leaves a token in the storage of the thread that is about to be born.
    fn tell(&self, token: u64) {
        let tls = tls::of(self.thread_pointer);
        // SAFETY: `has_storage` holds, and nobody runs on that storage.
        unsafe { (&raw mut (*tls).birth).write_volatile(token) };
    }
}

/// The storage of a child that needs a seat.
struct Seated {
    storage: u64,
    /// The program has made it.
    is_foreign: bool,
}

/// Words of the first version of `struct clone_args`: flags, pidfd, child_tid,
/// parent_tid, exit_signal, stack, stack_size, tls.
const CLONE_ARGS: usize = 8;

/// Whether the kernel refuses clone with these flags.
fn excludes_itself(flags: u64) -> bool {
    let has = |wanted: u64| flags & wanted == wanted;
    has(CLONE_NEWNS | CLONE_FS)
        || has(CLONE_NEWUSER | CLONE_FS)
        || has(CLONE_THREAD) && !has(CLONE_SIGHAND)
        || has(CLONE_SIGHAND) && !has(CLONE_VM)
        || has(CLONE_THREAD) && flags & (CLONE_NEWUSER | CLONE_NEWPID) != 0
        || has(CLONE_SIGHAND | CLONE_CLEAR_SIGHAND)
}

/// Whether the kernel refuses clone3 with this structure of this size.
fn is_wrong(words: &[u64; CLONE_ARGS], size: u64) -> bool {
    const SIGNALS: u64 = 64;
    let [flags, _, _, _, exit_signal, stack, stack_size, _] = *words;
    let shares_exit = flags & (CLONE_THREAD | CLONE_PARENT) != 0;
    size < size_of_val(words) as u64
        || size > sys::PAGE
        || flags & CLONE_DETACHED != 0
        || exit_signal > SIGNALS
        || exit_signal != 0 && shares_exit
        || (stack == 0) != (stack_size == 0)
        || excludes_itself(flags)
}

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
    let is_expected = group::segment().is_some() || observing.is_wanted() || signal::are_given();
    if birth.is_told() && !is_expected {
        // Its first call makes its block.
        return Step::Forward;
    }
    let new_namespace = birth.flags & CLONE_NEWPID != 0;
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
        frame.args[0] &= !CLONE_SETTLS;
        birth.flags &= !CLONE_SETTLS;
        birth.thread_pointer = 0;
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
    let new_namespace = birth.flags & CLONE_NEWPID != 0;
    let expected = block.membership().expect(!birth.is_thread(), new_namespace);
    let newborn = sharers::Newborn {
        storage: seated.storage,
        is_foreign: seated.is_foreign,
        anchor: frame.anchor,
        rsp: birth.stack_of_child(frame.rsp),
        is_alias: birth.is_alias(),
        is_process: !birth.is_thread(),
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
    if block.depth != call.depth {
        // What it wrote here was the truth for it.
        trace::interrupt(block);
        block.depth = call.depth;
        block.tid = birth.parent;
        block.is_sigill_blocked = birth.is_sigill_blocked;
        crate::stat::process_begin(block);
        publish_identity(block);
    }
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
        block.depth = 0;
    }
    block.membership().begin_expected(&call.expected, tid);
    if !birth.shares_memory() {
        group::begin_process(block.membership(), tid);
    }
    crate::stat::process_begin(block);
    publish_identity(block);
    if birth.flags & CLONE_CLEAR_SIGHAND != 0 {
        signal::handlers_cleared();
    }
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

/// A call came out that this thread did not send in: it is the thread that the
/// call made.
pub(super) fn thread_starts(block: &mut ThreadBlock, observing: &Observing<'_>) {
    let tls = tls::current();
    // SAFETY: this thread's own words.
    unsafe {
        if (&raw const (*tls).birth).read_volatile() == 0 {
            return;
        }
        (&raw mut (*tls).birth).write_volatile(0);
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
        thread::leave_for_reuse(block);
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
