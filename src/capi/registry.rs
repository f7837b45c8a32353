//! Hook libraries register their hooks, change what these see, and take them back.
//!
//! Forbidden here: waiting for a hook with the registry's lock held.

use core::ffi::{CStr, c_char, c_int, c_long, c_void};
use core::hint::spin_loop;
use core::sync::atomic::{
    AtomicU8, AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};
use core::time::Duration;

use interceptor_calls::CallSet;
use syscalls::Errno;

use super::chain::{
    self, FREE, Functions, HOOKS, LEAVING, ORDER, SLOTS, Slot, TAKEN, VARIABLE, VARIABLE_CALLS,
};
use super::errno::returned;
use super::numbers::Numbers;
use super::{ALLOWED, CHAINED, MODE, NOTING};
use crate::diagnostics::{Lossy, say};
use crate::group::{self, TGSTAT};
use crate::hook::Signals;
use crate::interest;
use crate::lifecycle;
use crate::patch;
use crate::signal;
use crate::startup;
use crate::thread;

/// `struct interceptor_hook` of the header.
#[repr(C)]
pub struct Description {
    size: usize,
    name: *const c_char,
    calls: *const c_char,
    priority: c_int,
    data: *mut c_void,
    functions: Functions<*mut ()>,
}

/// Bits of a handle that hold the slot; the others hold its generation.
const SLOT_BITS: u32 = 4;
const GENERATIONS: u32 = (i32::MAX as u32) >> SLOT_BITS;

/// Whether a registered hook wants to know of threads and processes.
static HAS_LIFECYCLE: AtomicU8 = AtomicU8::new(0);

#[inline(always)]
pub(super) fn observes_lifecycle() -> bool {
    HAS_LIFECYCLE.load(Relaxed) != 0
}

/// The process that changes the registry, 0 for none. Another process's id was left
/// by a parent.
static LOCK: AtomicU32 = AtomicU32::new(0);

struct Locked;

impl Locked {
    /// EAGAIN when the holder does not come to an end: a signal handler may have
    /// interrupted it.
    fn begin() -> Result<Locked, Errno> {
        const TRIES: u32 = 1 << 20;
        let process = TGSTAT.tgid.load(Relaxed).max(1);
        for _ in 0..TRIES {
            let holder = LOCK.load(Relaxed);
            if holder != process && LOCK.compare_exchange(holder, process, Acquire, Relaxed).is_ok()
            {
                return Ok(Locked);
            }
            spin_loop();
        }
        Err(Errno::EAGAIN)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        LOCK.store(0, Release);
    }
}

/// Registers a hook. Returns its handle; -1 and errno when it cannot be.
///
/// # Safety
///
/// As the header says of `struct interceptor_hook`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn interceptor_register(description: *const Description) -> c_int {
    // SAFETY: the caller's.
    returned(unsafe { register(description) }) as c_int
}

unsafe fn register(description: *const Description) -> Result<usize, Errno> {
    if ALLOWED.load(Relaxed) == 0 {
        if !startup::has_begun() {
            // musl runs constructors in the order of the list.
            say(format_args!(
                "a hook library registers before the runtime has started, and is refused; it \
                 has to stand behind libinterceptor.so in LD_PRELOAD"
            ));
        }
        return Err(Errno::ENOSYS);
    }
    // SAFETY: the caller's.
    let description = unsafe { complete(description)? };
    let _locked = Locked::begin()?;
    let free = SLOTS.iter().enumerate().find(|(_, slot)| slot.state.load(Acquire) == FREE);
    let (index, slot) = free.ok_or(Errno::ENOSPC)?;
    // SAFETY: the caller's.
    unsafe { set_calls(&slot.calls, &description)? };
    let generation = slot.generation.load(Relaxed).wrapping_add(1) & GENERATIONS;
    slot.generation.store(generation, Relaxed);
    slot.priority.store(description.priority, Relaxed);
    slot.data.store(description.data, Relaxed);
    fill_in(slot, &description.functions);
    slot.state.store(TAKEN, Relaxed);
    // Pairs with the acquire of whoever walks the order.
    ORDER.store(with(ORDER.load(Relaxed), index as u64 + 1), Release);
    MODE.fetch_or(CHAINED, Relaxed);
    refresh();
    if !description.functions.signal.is_null() {
        signal::watch_more(Signals::DELIVERED);
    }
    if !description.functions.remote.is_null() {
        patch::watch_remote();
        if group::segment().is_some() {
            lifecycle::subscribe_remote();
        }
    }
    Ok((generation as usize) << SLOT_BITS | (index + 1))
}

/// The description as long as we know it. A library that was compiled for an older
/// header has fewer fields; what a newer one has more must be empty.
unsafe fn complete(description: *const Description) -> Result<Description, Errno> {
    const LEAST: usize = core::mem::offset_of!(Description, functions);
    // SAFETY: the caller's: the size is there, and so much after it.
    unsafe {
        let size = (&raw const (*description).size).read();
        if size < LEAST {
            return Err(Errno::EINVAL);
        }
        let bytes = core::slice::from_raw_parts(description.cast::<u8>(), size);
        let known = size.min(size_of::<Description>());
        if bytes.iter().skip(known).any(|byte| *byte != 0) {
            say(format_args!(
                "a hook was compiled for a newer libinterceptor.so, and needs what this one lacks"
            ));
            return Err(Errno::E2BIG);
        }
        let mut complete = core::mem::zeroed::<Description>();
        (&raw mut complete).cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), known);
        Ok(complete)
    }
}

unsafe fn set_calls(calls: &Numbers, description: &Description) -> Result<(), Errno> {
    let Description { functions, name, .. } = description;
    if functions.enter.is_null() && functions.exit.is_null() {
        calls.become_set(&CallSet::EMPTY, false);
        return Ok(());
    }
    if description.calls.is_null() {
        calls.become_set(&CallSet::ALL, true);
        return Ok(());
    }
    // SAFETY: the caller's.
    unsafe { set_list(calls, description.calls, *name) }
}

/// # Safety
///
/// `list` is a string; `name` is null or one.
unsafe fn set_list(calls: &Numbers, list: *const c_char, name: *const c_char) -> Result<(), Errno> {
    // SAFETY: the caller's.
    let (list, name) = unsafe {
        let name = if name.is_null() { c"without a name" } else { CStr::from_ptr(name) };
        (CStr::from_ptr(list), name.to_bytes())
    };
    let list = list.to_str().map_err(|_| Errno::EINVAL)?;
    calls.become_list(list).map_err(|error| {
        say(format_args!("hook {}: {error}", Lossy(name)));
        Errno::EINVAL
    })
}

fn fill_in(slot: &Slot, from: &Functions<*mut ()>) {
    let to = &slot.functions;
    to.enter.store(from.enter, Relaxed);
    to.exit.store(from.exit, Relaxed);
    to.thread_start.store(from.thread_start, Relaxed);
    to.thread_exit.store(from.thread_exit, Relaxed);
    to.process_start.store(from.process_start, Relaxed);
    to.child_born.store(from.child_born, Relaxed);
    to.process_exec.store(from.process_exec, Relaxed);
    to.process_exit.store(from.process_exit, Relaxed);
    to.signal.store(from.signal, Relaxed);
    to.remote.store(from.remote, Relaxed);
}

/// The order with one more item: after those of the same priority.
fn with(order: u64, item: u64) -> u64 {
    let order = if order == 0 { VARIABLE } else { order };
    let before = |other: &u64| rank(*other) <= rank(item);
    let first = chain::items(order).take_while(before).count();
    let all = (0..HOOKS + 1).filter_map(|place| match place {
        _ if place < first => chain::items(order).nth(place),
        _ if place == first => Some(item),
        _ => chain::items(order).nth(place - 1),
    });
    chain::order_of(all)
}

/// Where an item stands: by its priority, the variable before all that have 0.
fn rank(item: u64) -> i64 {
    match SLOTS.get(item as usize - 1) {
        Some(slot) => 2 * i64::from(slot.priority.load(Relaxed)) + 1,
        None => 0,
    }
}

/// The slot of a handle.
fn slot_of(handle: c_int) -> Result<(usize, &'static Slot), Errno> {
    let handle = u32::try_from(handle).map_err(|_| Errno::EINVAL)?;
    let index = (handle & ((1 << SLOT_BITS) - 1)) as usize;
    let slot = index.checked_sub(1).and_then(|index| SLOTS.get(index));
    let slot = slot.filter(|slot| slot.generation.load(Relaxed) == handle >> SLOT_BITS);
    let slot = slot.filter(|slot| slot.state.load(Acquire) != FREE);
    Ok((index, slot.ok_or(Errno::EINVAL)?))
}

/// The index of a handle's slot, and 1.
pub(super) fn slot_index(handle: c_int) -> Option<usize> {
    slot_of(handle).ok().map(|(index, _)| index)
}

/// Takes a hook back and waits until no thread is inside a hook that was entered
/// before. Returns 0, or -1 and errno.
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_unregister(handle: c_int, timeout_ms: c_int) -> c_int {
    returned(unregister(handle, timeout_ms)) as c_int
}

fn unregister(handle: c_int, timeout_ms: c_int) -> Result<usize, Errno> {
    let slot = {
        let _locked = Locked::begin()?;
        let (index, slot) = slot_of(handle)?;
        let item = index as u64;
        let order = ORDER.load(Relaxed);
        let is_last =
            chain::items(order).filter(|other| *other != item).all(|other| other == VARIABLE);
        let rest = (0..HOOKS + 1).filter_map(|place| chain::items(order).nth(place));
        let order = if is_last { 0 } else { chain::order_of(rest.filter(|other| *other != item)) };
        ORDER.store(order, Release);
        if order == 0 {
            MODE.fetch_and(!CHAINED, Relaxed);
        }
        slot.state.store(LEAVING, Relaxed);
        refresh();
        slot
    };
    wait_until_left(timeout_ms)?;
    slot.state.store(FREE, Release);
    Ok(0)
}

/// Waits until every other thread has left the hook that it is inside of. Returns 0,
/// or -1 and errno.
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_synchronize(timeout_ms: c_int) -> c_int {
    returned(wait_until_left(timeout_ms).map(|()| 0)) as c_int
}

fn wait_until_left(timeout_ms: c_int) -> Result<(), Errno> {
    if ALLOWED.load(Relaxed) == 0 {
        return Ok(());
    }
    let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
    let begin = || {
        MODE.fetch_or(NOTING, Relaxed);
    };
    let end = || {
        MODE.fetch_and(!NOTING, Relaxed);
    };
    thread::wait_until_left(timeout, begin, end)
}

/// Shows a hook exactly the calls of a list; handle 0 is the hook variable. Returns 0,
/// or -1 and errno.
///
/// # Safety
///
/// `list` is a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn interceptor_subscribe_calls(handle: c_int, list: *const c_char) -> c_int {
    // SAFETY: the caller's.
    returned(unsafe { subscribe_calls(handle, list) }.map(|()| 0)) as c_int
}

unsafe fn subscribe_calls(handle: c_int, list: *const c_char) -> Result<(), Errno> {
    let _locked = Locked::begin()?;
    let calls = if handle == 0 { &VARIABLE_CALLS } else { &slot_of(handle)?.1.calls };
    // SAFETY: the caller's.
    unsafe { set_list(calls, list, core::ptr::null())? };
    refresh();
    Ok(())
}

/// Shows the hook variable calls with this number; `nr` -1 stands for all. Returns 0,
/// or -1 and errno for a number that has no entry.
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_subscribe(nr: c_long) -> c_int {
    match usize::try_from(nr) {
        Ok(nr) if nr < interest::NUMBERS => {
            VARIABLE_CALLS.insert(nr);
            interest::add(nr, interest::HOOK);
        }
        Err(_) if nr == -1 => {
            VARIABLE_CALLS.become_set(&CallSet::ALL, true);
            interest::add_all(interest::HOOK);
        }
        _ => return returned(Err(Errno::EINVAL)) as c_int,
    }
    0
}

/// The opposite of [`interceptor_subscribe`].
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_unsubscribe(nr: c_long) -> c_int {
    match usize::try_from(nr) {
        Ok(nr) if nr < interest::NUMBERS => {
            VARIABLE_CALLS.remove(nr);
            refresh_number(nr);
        }
        Err(_) if nr == -1 => {
            VARIABLE_CALLS.become_set(&CallSet::EMPTY, false);
            refresh();
        }
        _ => return returned(Err(Errno::EINVAL)) as c_int,
    }
    0
}

/// Says anew who is interested in what, after the order or a subscription has changed.
fn refresh() {
    let registered = || SLOTS.iter().filter(|slot| slot.state.load(Relaxed) == TAKEN);
    let has_lifecycle = registered()
        .any(|slot| slot.functions.any_lifecycle(|function| !function.load(Relaxed).is_null()));
    HAS_LIFECYCLE.store(u8::from(has_lifecycle), Relaxed);
    (0..interest::NUMBERS).for_each(refresh_number);
    if VARIABLE_CALLS.has_others() || registered().any(|slot| slot.calls.has_others()) {
        interest::add_others(interest::HOOK);
    } else {
        interest::remove_others(interest::HOOK);
    }
}

fn refresh_number(nr: usize) {
    let wants = |calls: &Numbers| calls.contains(nr as u64);
    let mut registered = SLOTS.iter().filter(|slot| slot.state.load(Relaxed) == TAKEN);
    if wants(&VARIABLE_CALLS) || registered.any(|slot| wants(&slot.calls)) {
        interest::add(nr, interest::HOOK);
    } else {
        interest::remove(nr, interest::HOOK);
    }
}
