//! Slots of threads, from being [reserved](super::reserve) to being free again.
//!
//! ```text
//! Free ─reserve─▶ Reserved ─born─▶ Unwatched ─watch─▶ Watched ─exec─▶ InExec
//!  ▲                 │cancel           │                 │              │
//!  └─────────────────┴─────────────────┴──────bury───────┴──────────────┘
//! ```
//!
//! The parent reserves before it makes the call, so that a thread is counted as
//! soon as either side has come out of it, and a failing call leaves nothing
//! behind. Who changes a slot adds that to the counts ([`counts`](super::counts)).

use core::sync::atomic::{
    AtomicU32,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use interceptor_abi::segment::{
    DIED, Life, Population, Segment, THREADS, TID, Thread, ThreadState,
};

use super::counts::{Change, Counts, recount_as};
use super::reserve::{self, Init};
use crate::sys;

/// A thread's place in the segment.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Member {
    /// Index in the segment's threads.
    pub(super) index: u32,
    /// `ThreadState::owner`.
    pub(super) owner: u32,
    /// Its number, from 1.
    pub(crate) number: u64,
}

/// The two halves of a slot's state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) word: u32,
    pub(super) high: ThreadState,
}

impl State {
    #[inline(always)]
    pub(super) fn of(bits: u64) -> Option<Self> {
        let high = ThreadState::from_bits((bits >> 32) as u32)?;
        Some(Self { word: bits as u32, high })
    }

    #[inline(always)]
    pub(super) fn bits(self) -> u64 {
        u64::from(self.high.bits()) << 32 | u64::from(self.word)
    }

    fn with(self, life: Life) -> Self {
        Self { high: ThreadState { life, ..self.high }, ..self }
    }
}

/// A slot with its segment. Two words, so that it is handed on in registers.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    segment: &'static Segment,
    index: u32,
    /// Whose it has to be, or [`ANYBODYS`].
    owner: u32,
}

/// No `ThreadState::owner`.
const ANYBODYS: u32 = u32::MAX;

impl Member {
    /// Nobody.
    pub(crate) const NONE: Self = Self { index: 0, owner: 0, number: 0 };

    /// One word that says where its slot is; not 0.
    pub(crate) fn token(self) -> u64 {
        u64::from(self.owner) << 32 | u64::from(self.index + 1)
    }

    /// The member that a token stands for, as long as the slot is its own.
    pub(crate) fn of_token(token: u64, segment: &'static Segment) -> Option<Self> {
        let index = (token as u32).checked_sub(1)?;
        let member = Self { index, owner: (token >> 32) as u32, number: 0 };
        let slot = member.slot(segment)?;
        Some(Self { number: slot.thread().number.load(Relaxed), ..member })
    }

    /// Its slot, if it is still this member's.
    pub(crate) fn slot(self, segment: &'static Segment) -> Option<Slot> {
        if self.index as usize >= THREADS {
            return None;
        }
        let slot = Slot { segment, index: self.index, owner: self.owner };
        slot.state().map(|_| slot)
    }
}

impl Slot {
    fn thread(&self) -> &'static Thread {
        &self.segment.threads[self.index as usize % THREADS]
    }

    #[inline(always)]
    pub(super) fn state(&self) -> Option<State> {
        let state = State::of(self.thread().state.load(Acquire))?;
        (self.owner == ANYBODYS || self.owner == state.high.owner()).then_some(state)
    }

    fn population(&self) -> &'static Population {
        &self.segment.header.population
    }

    /// Changes the state from `from` to `to`, unless somebody was faster.
    fn change(&self, from: State, to: State) -> bool {
        self.thread().state.compare_exchange(from.bits(), to.bits(), AcqRel, Relaxed).is_ok()
    }

    /// Its process, 0 while that is not known.
    pub(crate) fn tgid(&self) -> u32 {
        self.thread().tgid.load(Relaxed)
    }

    /// Says which process it is, if that is not known.
    pub(crate) fn set_tgid(&self, tgid: u32) {
        let _ = self.thread().tgid.compare_exchange(0, tgid, Relaxed, Relaxed);
    }

    pub(crate) fn namespace(&self) -> u32 {
        self.thread().namespace.load(Relaxed)
    }

    /// The thread's id, while it lives.
    pub(super) fn tid(&self) -> Option<u32> {
        let state = self.state().filter(|state| state.high.is_alive() && state.word & DIED == 0)?;
        Some(state.word & TID)
    }

    /// Whether it stands for its process.
    pub(super) fn is_first(&self) -> bool {
        self.state().is_some_and(|state| state.high.is_alive() && state.high.is_first)
    }

    /// The word that says that it waits for effects.
    pub(super) fn monitor_flag(&self) -> &'static AtomicU32 {
        &self.thread().is_monitor
    }

    /// The word that says that there may be an effect for it.
    pub(super) fn mail(&self) -> &'static AtomicU32 {
        &self.thread().mail
    }

    /// The death word.
    fn word(&self) -> u64 {
        self.thread().state.as_ptr() as u64
    }

    /// Where the node of a robust list lies whose futex words have this offset
    /// from their nodes, if the slot has room for it.
    pub(crate) fn node(&self, futex_offset: i64) -> Option<u64> {
        let links = &self.thread().links;
        let first = links.as_ptr() as u64;
        let node = self.word().wrapping_sub(futex_offset as u64);
        // The list's owner writes to the eight bytes before.
        let fits = first + 8 <= node && node + 8 <= first + size_of_val(links) as u64;
        (fits && node.is_multiple_of(4)).then_some(node)
    }

    /// What is known of the thread with whose end its namespace ends.
    pub(super) fn init(&self) -> Init {
        match self.thread().init.load(Relaxed) {
            0 => Init::Unknown,
            number => Init::Number(number),
        }
    }

    /// It is born, as thread `tid` of its parent's namespace, which is another. What it
    /// is called in its own it says itself.
    pub(crate) fn born_outside(&self, tid: u32, namespace: u32) {
        self.thread().outer_namespace.store(namespace, Relaxed);
        self.thread().outer_tid.store(tid, Release);
        self.born(0);
    }

    /// It is born. Both the parent and the child say so. Returns whether the slot
    /// is still the child's, and whether this was the first to say so.
    pub(crate) fn born(&self, tid: u32) -> Born {
        let counts = Counts::of(self.population());
        let Some(state) = self.state() else {
            return Born::TooLate;
        };
        if state.high.life == Life::Reserved {
            let alive = State { word: tid & TID, ..state }.with(Life::Unwatched);
            if self.change(state, alive) {
                counts.add(
                    self.segment,
                    1,
                    Change { threads: 1, groups: i64::from(state.high.is_first) },
                );
                return Born::Now;
            }
        }
        // The other side was faster, or it was cancelled after the parent's death.
        let Some(now) = self.state().filter(|now| now.high.is_alive()) else {
            return Born::TooLate;
        };
        if tid != 0 && now.word == 0 {
            // Its parent did not know what it is called here. A mark would be its death.
            self.change(now, State { word: tid & TID, ..now });
        }
        Born::Before
    }

    /// It will not be born.
    pub(crate) fn cancel(&self) {
        if let Some(state) = self.state().filter(|state| state.high.life == Life::Reserved)
            && self.change(state, State { word: 0, high: state.high.freed() })
        {
            self.lower_hint();
        }
    }

    /// Its death word is on a robust list now, or no longer.
    pub(crate) fn watch(&self, is_watched: bool) {
        use Life::{Unwatched, Watched};
        let (from, to) = if is_watched { (Unwatched, Watched) } else { (Watched, Unwatched) };
        if let Some(state) = self.state().filter(|state| state.high.life == from) {
            self.change(state, state.with(to));
        }
    }

    /// It is about to enter exec. Returns what it was.
    pub(crate) fn enter_exec(&self) -> Option<Life> {
        let state = self.state()?;
        let alive = matches!(state.high.life, Life::Unwatched | Life::Watched);
        (alive && self.change(state, state.with(Life::InExec))).then_some(state.high.life)
    }

    /// exec has failed.
    pub(crate) fn leave_exec(&self, was: Life) {
        if let Some(state) = self.state().filter(|state| state.high.life == Life::InExec) {
            self.change(state, state.with(was));
        }
    }

    /// It is about to end by itself. Of all who say so one counts it.
    ///
    /// Of a process's slots at most one stands for it. Only its owner takes that off,
    /// and only who has taken it off gives it to another: else two threads that end
    /// together would each rely on the other.
    pub(crate) fn bury(&self) {
        let counts = Counts::of(self.population());
        let mut stands = false;
        while let Some(state) = self.state().filter(|state| state.high.is_alive()) {
            if state.high.is_first {
                let high = ThreadState { is_first: false, ..state.high };
                stands = self.change(state, State { high, ..state }) && !self.pass_on();
                continue;
            }
            // Fails when another one that ends has just let this one stand.
            if self.change(state, State { word: 0, high: state.high.freed() }) {
                let groups = if stands { -1 } else { 0 };
                counts.add(self.segment, 0, Change { threads: -1, groups });
                self.lower_hint();
                return;
            }
        }
    }

    /// Lets another thread of the process stand for it. Whether there is one.
    fn pass_on(&self) -> bool {
        let (tgid, namespace) = (self.tgid(), self.namespace());
        let is_other = |slot: &Slot| {
            slot.index != self.index && slot.tgid() == tgid && slot.namespace() == namespace
        };
        used(self.segment).filter(is_other).any(|slot| {
            let may_stand = |state: &State| state.high.is_alive() && !state.high.is_first;
            while let Some(state) = slot.state().filter(may_stand) {
                let high = ThreadState { is_first: true, ..state.high };
                if slot.change(state, State { high, ..state }) {
                    return true;
                }
            }
            false
        })
    }

    fn lower_hint(&self) {
        self.population().free_threads.fetch_min(self.index, Relaxed);
    }

    /// Frees the slot if it was reserved by a thread that is no more.
    fn cancel_orphan(&self, word: u32) {
        if !reserve::is_there(word, self.segment) {
            self.cancel();
        }
    }

    /// Whether the first process of its namespace is gone. The kernel kills all others
    /// before anybody can have waited for that one (`zap_pid_ns_processes`).
    fn has_namespace_ended(&self) -> bool {
        let init = self.thread().init.load(Relaxed);
        init != 0
            && used(self.segment).all(|slot| {
                let is_it = slot.thread().number.load(Relaxed) as u32 == init;
                let state = slot.state().map(|state| (state.high.life, state.word & DIED != 0));
                !is_it || matches!(state, None | Some((Life::Free, _) | (Life::Watched, true)))
            })
    }

    /// Asks the kernel for a thread whose death word says nothing.
    fn is_gone(&self, state: State, namespace: u32) -> bool {
        let tgid = self.tgid();
        // Pairs with the release in `born_outside`.
        let outer = self.thread().outer_tid.load(Acquire);
        if outer != 0 && self.thread().outer_namespace.load(Relaxed) == namespace {
            return sys::process_is_gone(outer);
        }
        if self.namespace() != namespace {
            return self.has_namespace_ended();
        }
        if tgid == 0 {
            return false;
        }
        if state.high.life == Life::InExec {
            // Only the process's id is certain: exec gives it to the thread.
            return sys::process_is_gone(tgid);
        }
        sys::thread_is_gone(tgid, state.word & TID)
    }
}

/// What [`Slot::born`] has found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Born {
    /// Counted by this call.
    Now,
    /// Counted before.
    Before,
    /// The slot is no longer its own.
    TooLate,
}

/// All slots that have ever been used.
pub(super) fn used(segment: &'static Segment) -> impl Iterator<Item = Slot> {
    let used = segment.header.population.used_threads.load(Acquire).min(THREADS as u32);
    (0..used).map(move |index| Slot { segment, index, owner: ANYBODYS })
}

/// Looks at all slots, frees those of the dead, and makes the counts right.
/// `namespace` is the caller's: threads in others cannot be asked for.
pub(crate) fn sync(segment: &'static Segment, namespace: u32) {
    let mut has_free = false;
    recount_as(segment, |slot| {
        let state = slot.state()?;
        let has_died = state.word & DIED != 0;
        let is_dead = match state.high.life {
            Life::Free => {
                // Who freed it may have been killed before it could say so.
                if !core::mem::replace(&mut has_free, true) {
                    slot.lower_hint();
                }
                false
            }
            Life::Reserved => {
                slot.cancel_orphan(state.word);
                return slot.state();
            }
            Life::Watched => has_died,
            // Watched by nobody: a thread of the program's own making, or one
            // whose new image runs without us, or is about to start.
            Life::Unwatched => has_died || slot.is_gone(state, namespace),
            Life::InExec => slot.is_gone(state, namespace),
        };
        if !is_dead {
            return Some(state);
        }
        if slot.change(state, State { word: 0, high: state.high.freed() }) {
            slot.lower_hint();
        }
        slot.state()
    });
}

/// Finds the slot of a process that has executed the caller, and gives it to
/// the thread that is left. `number` is that thread's, or the low half of it; 0 for
/// unknown.
pub(crate) fn adopt_exec(segment: &'static Segment, tgid: u32, number: u32) -> Option<Member> {
    used(segment).find_map(|slot| {
        let state = slot.state().filter(|state| state.high.life == Life::InExec)?;
        let high = ThreadState { life: Life::Unwatched, is_first: true, ..state.high };
        let own = slot.thread().number.load(Relaxed);
        let is_it = slot.tgid() == tgid && (number == 0 || own as u32 == number);
        if !is_it || !slot.change(state, State { word: tgid & TID, high }) {
            return None;
        }
        Some(Member { index: slot.index, owner: high.owner(), number: own })
    })
}

/// A PID namespace that has no number yet.
pub(crate) fn new_namespace(segment: &Segment) -> u32 {
    segment.header.population.namespaces.fetch_add(1, Relaxed) + 1
}
