//! Hooks in a row: those that libraries have registered, and the hook variable.
//!
//! Each registered hook has a slot. In which order they are asked is one word,
//! [`ORDER`], so that a call sees one order from beginning to end without a lock. A
//! slot is filled in before it gets into the order, and emptied when it is out of it
//! and no thread is inside a hook any more (`registry`).
//!
//! What a hook keeps from its `enter` to its `exit` lies in the thread's block, beside
//! the record that the call gets; what comes back with the record says where, and
//! which hooks are to be told.

use core::ffi::{c_int, c_long, c_ulong, c_void};
use core::sync::atomic::{
    AtomicI32, AtomicPtr, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed},
};

use super::errno::Errno;
use super::numbers::Numbers;
use crate::hook::{Decision, RemoteEffect, SignalDelivery, SyscallEntry, SyscallExit, Thread};
use crate::own_calls;
use crate::thread::{self, CALLS_IN_FLIGHT, keeping_errno};

/// Hooks that can be registered at once.
pub(super) const HOOKS: usize = 8;

/// Bits of an item of [`ORDER`].
const ITEM: u32 = 4;
/// The item that stands for the hook variable; a slot's is its index and 1.
pub(super) const VARIABLE: u64 = HOOKS as u64 + 1;

/// The slots in the order in which they are asked, the first in the lowest bits; 0 ends
/// it. 0 altogether while nothing is registered.
pub(super) static ORDER: AtomicU64 = AtomicU64::new(0);

/// What a registered hook decides of a call.
const FORWARD: c_int = 0;
const FORWARD_AND_EXIT: c_int = 1;
const ANSWER: c_int = 2;

/// A call as hooks see it: `struct interceptor_call` of the header.
#[repr(C)]
pub struct CCall {
    pub nr: c_long,
    pub args: [c_long; 6],
    pub result: c_long,
    pub word: c_ulong,
    pub return_address: c_ulong,
    pub stack_pointer: c_ulong,
}

/// `struct interceptor_thread`.
#[repr(C)]
pub struct CThread {
    tid: c_int,
    tgid: c_int,
    number: u64,
}

impl CThread {
    fn of(thread: &Thread) -> Self {
        Self { tid: thread.tid as c_int, tgid: thread.tgid as c_int, number: thread.number }
    }
}

pub(super) type Enter = unsafe extern "C" fn(*mut CCall, *mut c_void) -> c_int;
pub(super) type Exit = unsafe extern "C" fn(*mut CCall, *mut c_void);
pub(super) type Start = unsafe extern "C" fn(*const CThread, c_int, *mut c_void);
pub(super) type End = unsafe extern "C" fn(*const CThread, *mut c_void);
pub(super) type Born = unsafe extern "C" fn(c_int, *mut c_void);
pub(super) type ProcessExit = unsafe extern "C" fn(*const CThread, c_int, *mut c_void);
pub(super) type Remote = unsafe extern "C" fn(*const RemoteEffect, *mut c_void);
pub(super) type Signal =
    unsafe extern "C" fn(c_int, *mut c_void, *mut c_void, *mut c_void) -> c_int;

/// The functions of a hook, each null or of the type above, in the header's order.
#[repr(C)]
pub struct Functions<P> {
    pub enter: P,
    pub exit: P,
    pub thread_start: P,
    pub thread_exit: P,
    pub process_start: P,
    pub child_born: P,
    pub process_exec: P,
    pub process_exit: P,
    pub signal: P,
    pub remote: P,
}

impl<P> Functions<P> {
    /// Of those about threads and processes, any that `is_there`.
    pub(super) fn any_lifecycle(&self, is_there: impl Fn(&P) -> bool) -> bool {
        [
            &self.thread_start,
            &self.thread_exit,
            &self.process_start,
            &self.child_born,
            &self.process_exec,
            &self.process_exit,
        ]
        .into_iter()
        .any(is_there)
    }
}

/// A registered hook.
pub(super) struct Slot {
    /// [`FREE`], or not.
    pub state: AtomicU8,
    /// Grows with each hook that has this slot.
    pub generation: AtomicU32,
    pub priority: AtomicI32,
    pub calls: Numbers,
    pub functions: Functions<AtomicPtr<()>>,
    pub data: AtomicPtr<c_void>,
}

/// Nobody has the slot.
pub(super) const FREE: u8 = 0;
/// A hook has it.
pub(super) const TAKEN: u8 = 1;
/// A hook has had it, which threads may be inside of.
pub(super) const LEAVING: u8 = 2;

const fn null() -> AtomicPtr<()> {
    AtomicPtr::new(core::ptr::null_mut())
}

#[unsafe(link_section = ".bss.tables")]
pub(super) static SLOTS: [Slot; HOOKS] = [const {
    Slot {
        state: AtomicU8::new(FREE),
        generation: AtomicU32::new(0),
        priority: AtomicI32::new(0),
        calls: Numbers::none(),
        functions: Functions {
            enter: null(),
            exit: null(),
            thread_start: null(),
            thread_exit: null(),
            process_start: null(),
            child_born: null(),
            process_exec: null(),
            process_exit: null(),
            signal: null(),
            remote: null(),
        },
        data: AtomicPtr::new(core::ptr::null_mut()),
    }
}; HOOKS];

/// The calls that the hook variable is subscribed to.
#[unsafe(link_section = ".bss.tables")]
pub(super) static VARIABLE_CALLS: Numbers = Numbers::none();

/// The words that hooks keep in a thread's block.
#[repr(C)]
pub struct Words {
    /// One for each hook, the first for the variable.
    thread: [u64; HOOKS + 1],
    /// For each call in flight one for each hook.
    calls: [CallWords; CALLS_IN_FLIGHT],
}

impl Words {
    /// Those of a new thread.
    pub(crate) fn clear(&mut self) {
        self.thread = [0; HOOKS + 1];
    }
}

/// Where the calling thread keeps the word of a hook; 0 stands for the variable.
pub(super) fn thread_word(hook: usize) -> *mut u64 {
    let word = thread::own_block().and_then(|block| {
        block.has_words = true;
        block.words.thread.get_mut(hook)
    });
    word.map_or(core::ptr::null_mut(), |word| word)
}

/// The items of the order, first to last.
pub(super) fn items(order: u64) -> impl Iterator<Item = u64> {
    let mut rest = order;
    core::iter::from_fn(move || {
        let item = rest & ((1 << ITEM) - 1);
        rest >>= ITEM;
        (item != 0).then_some(item)
    })
}

/// An order of these items.
pub(super) fn order_of(items: impl DoubleEndedIterator<Item = u64>) -> u64 {
    items.rev().fold(0, |order, item| order << ITEM | item)
}

/// The slots of the order, with their indices.
fn slots(order: u64) -> impl Iterator<Item = (usize, &'static Slot)> {
    items(order).filter_map(|item| {
        let index = item as usize - 1;
        Some((index, SLOTS.get(index)?))
    })
}

/// A function of a slot, if the hook has it.
///
/// # Safety
///
/// `F` is the type of that function.
unsafe fn function<F: Copy>(pointer: &AtomicPtr<()>) -> Option<F> {
    let pointer = pointer.load(Relaxed);
    // SAFETY: the caller's; the header says that only such a function, or NULL, is
    // registered.
    (!pointer.is_null()).then(|| unsafe { core::mem::transmute_copy::<*mut (), F>(&pointer) })
}

/// The words of hooks, and whose they are.
type CallWords = [(u64, u32); HOOKS];

/// What comes back with the record of a call: where its words are, and the hooks to be told.
struct Pending {
    record: usize,
    hooks: u8,
}

impl Pending {
    fn to_word(&self) -> u64 {
        self.record as u64 | u64::from(self.hooks) << 8
    }

    fn of_word(word: u64) -> Self {
        Self { record: usize::from(word as u8), hooks: (word >> 8) as u8 }
    }

    fn has(&self, index: usize) -> bool {
        self.hooks & 1 << index != 0
    }
}

/// A call on its way in, when anything is registered.
#[inline(never)]
pub(super) fn enter(entry: &mut SyscallEntry) -> Decision {
    let mut call = CCall {
        nr: entry.nr() as c_long,
        args: entry.args().map(|arg| arg as c_long),
        result: 0,
        word: 0,
        return_address: entry.return_address(),
        stack_pointer: entry.stack_pointer(),
    };
    let errno = Errno::save(entry.errno());
    // Calls of a handler that interrupts a hook have others.
    let mut words = [(0, 0); HOOKS];
    let mut pending = Pending { record: 0, hooks: 0 };
    let frame = entry.frame();
    own_calls::nothing_is_put_off(frame);
    // Pairs with the release in `registry`.
    let order = ORDER.load(Acquire);
    let answered = items(order).any(|item| match SLOTS.get(item as usize - 1) {
        Some(slot) => ask(slot, item as usize - 1, &mut call, &mut pending, &mut words),
        None => ask_variable(&mut call, &errno),
    });
    if answered && !own_calls::is_put_off(frame) {
        tell(order, &mut call, &pending, &words);
        errno.restore();
        return Decision::Answer(call.result);
    }
    errno.restore();
    if call.nr != entry.nr() as c_long {
        entry.set_nr(call.nr as u64);
    }
    let args = call.args.map(|arg| arg as u64);
    if args != *entry.args() {
        *entry.args_mut() = args;
    }
    if pending.hooks == 0 {
        return Decision::Forward;
    }
    pending.record = entry.record();
    if let Some(record) = record(pending.record) {
        for (index, (to, from)) in record.iter_mut().zip(&words).enumerate() {
            if pending.has(index) {
                *to = *from;
            }
        }
    }
    Decision::ForwardAndExit(pending.to_word())
}

/// Asks a registered hook. Returns whether it has answered.
fn ask(
    slot: &Slot,
    index: usize,
    call: &mut CCall,
    pending: &mut Pending,
    words: &mut CallWords,
) -> bool {
    if !slot.calls.contains(call.nr as u64) {
        return false;
    }
    (call.result, call.word) = (0, 0);
    let (data, generation) = (slot.data.load(Relaxed), slot.generation.load(Relaxed));
    // SAFETY: the type is that of the field; the hook author's contract.
    let decision = unsafe {
        match function::<Enter>(&slot.functions.enter) {
            Some(enter) => enter(call, data),
            None => FORWARD_AND_EXIT,
        }
    };
    if decision == FORWARD_AND_EXIT
        && let Some(word) = words.get_mut(index)
    {
        *word = (call.word, generation);
        pending.hooks |= 1 << index;
    }
    decision == ANSWER
}

/// Asks the hook that the variable points to.
fn ask_variable(call: &mut CCall, errno: &Errno) -> bool {
    if !VARIABLE_CALLS.contains(call.nr as u64) {
        return false;
    }
    let Some(hook) = super::variable_hook() else {
        return false;
    };
    let (result, forward) = super::call_function(hook, call.nr, &call.args, errno);
    if forward == 0 {
        call.result = result;
    }
    forward == 0
}

/// The words of a call of this thread.
fn record(index: usize) -> Option<&'static mut CallWords> {
    thread::own_block()?.words.calls.get_mut(index)
}

/// Tells the hooks that have asked for it what became of the call, the last one first.
fn tell(order: u64, call: &mut CCall, pending: &Pending, words: &CallWords) {
    let mut told = [0u8; HOOKS];
    let mut count = 0;
    for (index, _) in slots(order).filter(|(index, _)| pending.has(*index)) {
        if let Some(place) = told.get_mut(count) {
            *place = index as u8;
            count += 1;
        }
    }
    for index in told.iter().take(count).rev().map(|index| usize::from(*index)) {
        let (Some(slot), Some((word, generation))) = (SLOTS.get(index), words.get(index)) else {
            continue;
        };
        if slot.generation.load(Relaxed) != *generation {
            continue;
        }
        // SAFETY: the type is that of the field.
        if let Some(exit) = unsafe { function::<Exit>(&slot.functions.exit) } {
            call.word = *word;
            // SAFETY: the hook author's contract.
            unsafe { exit(call, slot.data.load(Relaxed)) };
        }
    }
}

/// A call on its way out, that at least one hook has asked to see again.
#[inline(never)]
pub(super) fn exit(exit: &SyscallExit<'_>) -> i64 {
    let mut call = CCall {
        nr: exit.nr() as c_long,
        args: exit.args().map(|arg| arg as c_long),
        result: exit.result(),
        word: 0,
        return_address: exit.return_address(),
        stack_pointer: exit.stack_pointer(),
    };
    let pending = Pending::of_word(exit.word());
    // A copy: a hook may make calls that use them again.
    if let Some(words) = record(pending.record).map(|words| *words) {
        keeping_errno(|| tell(ORDER.load(Acquire), &mut call, &pending, &words));
    }
    call.result
}

/// Whether a signal goes its way, as far as registered hooks have a say.
pub(super) fn signal_goes_on(delivery: &SignalDelivery) -> bool {
    slots(ORDER.load(Acquire)).all(|(_, slot)| {
        // SAFETY: the type is that of the field.
        let Some(signal) = (unsafe { function::<Signal>(&slot.functions.signal) }) else {
            return true;
        };
        let data = slot.data.load(Relaxed);
        keeping_errno(|| {
            // SAFETY: the hook author's contract.
            unsafe { signal(delivery.signal(), delivery.info(), delivery.context(), data) }
        }) == FORWARD
    })
}

/// Tells the registered hooks what another member of the group did.
pub(super) fn tell_effect(effect: &RemoteEffect) {
    for (_, slot) in slots(ORDER.load(Acquire)) {
        // SAFETY: the type is that of the field; the hook author's contract.
        unsafe {
            if let Some(remote) = function::<Remote>(&slot.functions.remote) {
                remote(effect, slot.data.load(Relaxed));
            }
        }
    }
}

/// Something that happens to threads and processes.
pub(super) enum Life<'a> {
    ThreadStarts(&'a Thread, u32),
    ThreadExits(&'a Thread),
    ProcessStarts(&'a Thread, u32),
    ChildBorn(u32),
    Executes(&'a Thread),
    ProcessExits(&'a Thread, i32),
}

/// Tells the registered hooks.
pub(super) fn tell_life(life: &Life<'_>) {
    keeping_errno(|| {
        for (_, slot) in slots(ORDER.load(Acquire)) {
            let data = slot.data.load(Relaxed);
            let functions = &slot.functions;
            // SAFETY: the types are those of the fields; the hook author's contract.
            unsafe {
                match *life {
                    Life::ThreadStarts(thread, parent) => {
                        start(&functions.thread_start, thread, parent, data);
                    }
                    Life::ProcessStarts(thread, parent) => {
                        start(&functions.process_start, thread, parent, data);
                    }
                    Life::ThreadExits(thread) => end(&functions.thread_exit, thread, data),
                    Life::Executes(thread) => end(&functions.process_exec, thread, data),
                    Life::ChildBorn(tid) => {
                        if let Some(born) = function::<Born>(&functions.child_born) {
                            born(tid as c_int, data);
                        }
                    }
                    Life::ProcessExits(thread, status) => {
                        if let Some(exit) = function::<ProcessExit>(&functions.process_exit) {
                            exit(&CThread::of(thread), status, data);
                        }
                    }
                }
            }
        }
    });
}

/// # Safety
///
/// The function is null or of this type.
unsafe fn start(pointer: &AtomicPtr<()>, thread: &Thread, parent: u32, data: *mut c_void) {
    // SAFETY: the caller's; the hook author's contract.
    unsafe {
        if let Some(start) = function::<Start>(pointer) {
            start(&CThread::of(thread), parent as c_int, data);
        }
    }
}

/// # Safety
///
/// The function is null or of this type.
unsafe fn end(pointer: &AtomicPtr<()>, thread: &Thread, data: *mut c_void) {
    // SAFETY: the caller's; the hook author's contract.
    unsafe {
        if let Some(end) = function::<End>(pointer) {
            end(&CThread::of(thread), data);
        }
    }
}
