//! The mailbox: what members did to other members.
//!
//! A fixed number of entries for the whole group. A sender takes a free one,
//! fills it in, and flags the slots of the threads that may read it; one of them
//! takes it out. An entry is busy only while somebody copies; should that one be
//! killed, its id tells, and the entry is freed when room is scarce.

use core::sync::atomic::{
    AtomicU32,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use core::time::Duration;

use interceptor_abi::segment::{Effect, Segment};
use syscalls::{Sysno, syscall};

use super::slots::{self, Slot};
use crate::hook::RemoteEffect;
use crate::sys;

/// `Effect::state`: nothing in it.
const FREE: u32 = 0;
/// Somebody may take it out.
const READY: u32 = 1;
/// Somebody copies: this bit and that thread's id.
const BUSY: u32 = 1 << 31;

/// Who is told of an effect.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Concerned {
    /// One thread.
    Thread(u32),
    /// A process, whichever of its threads comes first.
    Process(u32),
    /// A thread of a process that waits for effects.
    Monitor(u32),
}

impl Concerned {
    fn of(entry: &Effect) -> Self {
        let id = entry.target.load(Relaxed);
        match entry.reader.load(Relaxed) {
            1 => Self::Thread(id),
            2 => Self::Monitor(id),
            _ => Self::Process(id),
        }
    }

    fn includes(self, slot: &Slot) -> bool {
        match self {
            Self::Thread(tid) => slot.tid() == Some(tid),
            Self::Process(tgid) => slot.tid().is_some() && slot.tgid() == tgid,
            Self::Monitor(tgid) => {
                Self::Process(tgid).includes(slot) && slot.monitor_flag().load(Relaxed) != 0
            }
        }
    }
}

/// Tells a member what was done to it, and its process's monitor. Somebody who is
/// not a member is not told, nor is the sender's own process of what was done to all of it.
pub(super) fn send(
    segment: &'static Segment,
    sender: Slot,
    mut concerned: Concerned,
    effect: &RemoteEffect,
) {
    let namespace = sender.namespace();
    let members = || slots::used(segment).filter(|slot| slot.namespace() == namespace);
    // A process may be named by the id of any of its threads (`find_task_by_vpid`).
    let is_named = |slot: &Slot| match concerned {
        Concerned::Process(id) => concerned.includes(slot) || slot.tid() == Some(id),
        _ => concerned.includes(slot),
    };
    let Some(target) = members().find(is_named) else {
        return;
    };
    let tgid = target.tgid();
    if let Concerned::Process(id) = &mut concerned {
        if tgid == sender.tgid() {
            return;
        }
        *id = tgid;
    }
    send_to(segment, namespace, concerned, effect);
    let monitor = Concerned::Monitor(tgid);
    if members().any(|slot| monitor.includes(&slot)) {
        send_to(segment, namespace, monitor, effect);
    }
}

fn send_to(segment: &'static Segment, namespace: u32, concerned: Concerned, effect: &RemoteEffect) {
    let Some(entry) = claim(segment, effect.caller_tid) else {
        segment.header.lost_effects.fetch_add(1, Relaxed);
        return;
    };
    let (id, reader) = match concerned {
        Concerned::Process(tgid) => (tgid, 0),
        Concerned::Thread(tid) => (tid, 1),
        Concerned::Monitor(tgid) => (tgid, 2),
    };
    entry.target.store(id, Relaxed);
    entry.reader.store(reader, Relaxed);
    entry.namespace.store(namespace, Relaxed);
    entry.caller.store(effect.caller_tid, Relaxed);
    entry.nr.store(effect.nr, Relaxed);
    for (to, from) in entry.args.iter().zip(effect.args) {
        to.store(from, Relaxed);
    }
    entry.result.store(effect.result as u64, Relaxed);
    entry.state.store(READY, Release);
    if let Concerned::Monitor(_) = concerned {
        segment.header.effects_sent.fetch_add(1, AcqRel);
        if segment.header.effect_readers.load(Acquire) > 0 {
            wake(&segment.header.effects_sent);
        }
        return;
    }
    // After the entry can be read, so that whoever sees the flag finds it.
    for slot in slots::used(segment).filter(|slot| is_for(entry, slot)) {
        slot.mail().store(1, Release);
    }
}

fn claim(segment: &'static Segment, tid: u32) -> Option<&'static Effect> {
    let take = |from: u32| {
        segment
            .effects
            .iter()
            .find(|entry| entry.state.compare_exchange(from, BUSY | tid, AcqRel, Relaxed).is_ok())
    };
    take(FREE).or_else(|| {
        free_abandoned(segment);
        take(FREE)
    })
}

/// Frees the entries of senders and readers that were killed, and of targets
/// that are gone.
fn free_abandoned(segment: &'static Segment) {
    for entry in &segment.effects {
        let state = entry.state.load(Acquire);
        let is_abandoned = match state {
            FREE => false,
            READY => !slots::used(segment).any(|slot| is_for(entry, &slot)),
            _ => sys::process_is_gone(state & !BUSY),
        };
        if is_abandoned {
            let _ = entry.state.compare_exchange(state, FREE, AcqRel, Relaxed);
        }
    }
}

fn is_for(entry: &Effect, slot: &Slot) -> bool {
    slot.namespace() == entry.namespace.load(Relaxed) && Concerned::of(entry).includes(slot)
}

/// Takes the next effect out that a thread is to be told of, as itself or as the
/// monitor.
pub(super) fn take(
    segment: &'static Segment,
    slot: Slot,
    as_monitor: bool,
) -> Option<RemoteEffect> {
    let reader = slot.tid()?;
    segment.effects.iter().find_map(|entry| {
        let for_monitor = entry.reader.load(Relaxed) == 2;
        if entry.state.load(Acquire) != READY || for_monitor != as_monitor || !is_for(entry, &slot)
        {
            return None;
        }
        entry.state.compare_exchange(READY, BUSY | reader, AcqRel, Relaxed).ok()?;
        if !is_for(entry, &slot) {
            // Another one by now, for somebody else.
            entry.state.store(READY, Release);
            return None;
        }
        let mut args = [0; 6];
        for (to, from) in args.iter_mut().zip(&entry.args) {
            *to = from.load(Relaxed);
        }
        let effect = RemoteEffect {
            caller_tid: entry.caller.load(Relaxed),
            target: entry.target.load(Relaxed),
            nr: entry.nr.load(Relaxed),
            args,
            result: entry.result.load(Relaxed) as i64,
        };
        entry.state.store(FREE, Release);
        Some(effect)
    })
}

/// Waits until an effect has been sent since the count was `seen`; without a
/// deadline (of CLOCK_MONOTONIC) for ever. Returns false when a signal or the
/// time has ended the wait.
pub(super) fn wait(segment: &'static Segment, seen: u32, deadline: Option<Duration>) -> bool {
    const FUTEX_WAIT_BITSET: usize = 9;
    const ANY: u32 = u32::MAX;
    let time = deadline.map(|time| [time.as_secs(), u64::from(time.subsec_nanos())]);
    let time = time.as_ref().map_or(core::ptr::null(), |time| time.as_ptr());
    let word = segment.header.effects_sent.as_ptr();
    segment.header.effect_readers.fetch_add(1, AcqRel);
    // SAFETY: the word is in the segment, which stays mapped.
    let waited = unsafe { syscall!(Sysno::futex, word, FUTEX_WAIT_BITSET, seen, time, 0, ANY) };
    segment.header.effect_readers.fetch_sub(1, AcqRel);
    matches!(waited, Ok(_) | Err(syscalls::Errno::EAGAIN))
}

fn wake(word: &AtomicU32) {
    const FUTEX_WAKE: usize = 1;
    // SAFETY: the kernel only looks for waiters.
    let _ = unsafe { syscall!(Sysno::futex, word.as_ptr(), FUTEX_WAKE, i32::MAX, 0, 0, 0) };
}
