//! One schedule: which thread takes the next step, and when its stores take effect.
//!
//! One thread runs at a time. At each step it decides, as the schedule says, who is
//! next, and waits until it is its turn again.

use std::boxed::Box;
use std::cell::RefCell;
use std::panic::resume_unwind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::vec::Vec;

use crate::buffer::{Buffer, Store};
use crate::explore::Killed;

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// A thread goes on.
    Run(usize),
    /// The oldest store that a thread has not made yet takes effect.
    Commit(usize),
    /// A store takes effect at once.
    Through,
    /// A store takes effect later.
    Hold,
}

/// What was decided at one step.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    /// What could have happened, the usual first.
    pub choices: Vec<Choice>,
    /// Which of them did.
    pub chosen: usize,
    /// The thread that goes on unless it is preempted.
    pub running: Option<usize>,
}

impl Decision {
    /// Whether a choice takes the turn from a thread.
    pub(crate) fn preempts(&self, choice: usize) -> bool {
        let running = self.running.map(Choice::Run);
        running.is_some_and(|running| {
            matches!(self.choices[choice], Choice::Run(_)) && self.choices[choice] != running
        })
    }

    /// Whether a choice lets others see a store late.
    pub(crate) fn delays(&self, choice: usize) -> bool {
        self.choices[choice] == Choice::Hold
    }
}

/// The state of one run, shared by its threads.
pub(crate) struct Run {
    state: Mutex<State>,
    turn: Condvar,
}

struct State {
    current: usize,
    threads: Vec<Thread>,
    /// What was decided in the run before, up to what is to be different now.
    prefix: Vec<usize>,
    decisions: Vec<Decision>,
    /// A thread, and the step that it does not take any more.
    kill: Option<(usize, usize)>,
    was_killed: bool,
    limit: usize,
    /// Whether stores may be held.
    may_hold: bool,
}

#[derive(Default)]
struct Thread {
    has_ended: bool,
    /// It waits for others to write something.
    rests: bool,
    steps: usize,
    buffer: Buffer,
}

std::thread_local! {
    static SELF: RefCell<Option<(Arc<Run>, usize)>> = const { RefCell::new(None) };
}

/// What a run came to.
pub(crate) struct Trace {
    pub decisions: Vec<Decision>,
    /// Whether the thread that was to be killed came as far.
    pub was_killed: bool,
}

impl Run {
    pub(crate) fn new(
        threads: usize,
        prefix: Vec<usize>,
        kill: Option<(usize, usize)>,
        limit: usize,
        may_hold: bool,
    ) -> Arc<Run> {
        let state = State {
            current: 0,
            threads: (0..threads).map(|_| Thread::default()).collect(),
            prefix,
            decisions: Vec::new(),
            kill,
            was_killed: false,
            limit,
            may_hold,
        };
        Arc::new(Run { state: Mutex::new(state), turn: Condvar::new() })
    }

    /// Makes the calling thread one of the run, and waits for its first turn.
    pub(crate) fn enter(self: &Arc<Run>, thread: usize) {
        SELF.with(|it| *it.borrow_mut() = Some((Arc::clone(self), thread)));
        let state = self.lock();
        drop(self.wait(state, thread));
    }

    /// The calling thread has done all it does: others may come in before its last stores
    /// take effect.
    pub(crate) fn settle(&self, thread: usize) {
        if !self.lock().threads[thread].buffer.is_empty() {
            drop(self.step(thread, false));
        }
    }

    /// The calling thread takes no further step.
    pub(crate) fn leave(&self, thread: usize) {
        SELF.with(|it| it.borrow_mut().take());
        let mut state = self.lock();
        state.threads[thread].has_ended = true;
        state.drain(thread);
        if !state.threads.iter().all(|thread| thread.has_ended) {
            state.pass_on(thread);
        }
        self.turn.notify_all();
    }

    pub(crate) fn trace(&self) -> Trace {
        let state = self.lock();
        Trace { decisions: state.decisions.clone(), was_killed: state.was_killed }
    }

    /// A step, before which others may come in; or `rests`, after which they must.
    fn step(&self, thread: usize, rests: bool) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        let taken = state.threads[thread].steps;
        if state.kill == Some((thread, taken)) {
            state.was_killed = true;
            drop(state);
            resume_unwind(Box::new(Killed));
        }
        state.threads[thread].steps += 1;
        assert!(taken < state.limit, "a thread does not come to an end");
        if rests {
            state.threads[thread].rests = true;
            state.pass_on(thread);
        } else {
            state.go_on(thread);
        }
        if state.current == thread {
            return state;
        }
        self.turn.notify_all();
        self.wait(state, thread)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, thread: usize) -> MutexGuard<'a, State> {
        let is_other = |state: &mut State| state.current != thread;
        self.turn.wait_while(state, is_other).unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    /// Decides who is next, while `running` could go on.
    fn go_on(&mut self, running: usize) {
        let others = self.after(running).filter(|it| !self.threads[*it].rests);
        let choices = [running].into_iter().chain(others).collect();
        self.decide_who(choices, Some(running));
    }

    /// Decides who is next, after a thread that does not go on now.
    fn pass_on(&mut self, from: usize) {
        let is_ready = |it: &usize| !self.threads[*it].rests;
        let mut choices: Vec<usize> = self.after(from).filter(is_ready).collect();
        if choices.is_empty() {
            // Nobody has anything to do but to look again; by then all stores are seen.
            (0..self.threads.len()).for_each(|thread| self.drain(thread));
            self.threads.iter_mut().for_each(|thread| thread.rests = false);
            choices = self.after(from).collect();
            if !self.threads[from].has_ended {
                choices.push(from);
            }
        }
        self.decide_who(choices, None);
    }

    /// Threads that have not ended but `thread`, in the order in which they have turns.
    fn after(&self, thread: usize) -> impl Iterator<Item = usize> {
        let count = self.threads.len();
        let others = (1..count).map(move |distance| (thread + distance) % count);
        others.filter(|other| !self.threads[*other].has_ended)
    }

    fn decide_who(&mut self, threads: Vec<usize>, running: Option<usize>) {
        loop {
            let runs = threads.iter().map(|thread| Choice::Run(*thread));
            let held = (0..self.threads.len()).filter(|it| !self.threads[*it].buffer.is_empty());
            let choices = runs.chain(held.map(Choice::Commit)).collect();
            match self.decide(choices, running) {
                Choice::Commit(thread) => self.commit_oldest(thread),
                Choice::Run(thread) => {
                    self.current = thread;
                    return;
                }
                Choice::Through | Choice::Hold => unreachable!("choices of a store"),
            }
        }
    }

    fn decide(&mut self, choices: Vec<Choice>, running: Option<usize>) -> Choice {
        let chosen = self.prefix.get(self.decisions.len()).copied().unwrap_or(0);
        let choice = choices[chosen];
        self.decisions.push(Decision { choices, chosen, running });
        choice
    }

    fn commit_oldest(&mut self, thread: usize) {
        if self.threads[thread].buffer.commit_oldest() {
            self.written();
        }
    }

    fn drain(&mut self, thread: usize) {
        while self.threads[thread].buffer.commit_oldest() {
            self.written();
        }
    }

    /// Memory has changed: whoever waits for that looks again.
    fn written(&mut self) {
        self.threads.iter_mut().for_each(|thread| thread.rests = false);
    }
}

/// In the calling thread's run, if it is in one.
fn in_run<T>(act: impl FnOnce(&Run, usize) -> T) -> Option<T> {
    if is_being_killed() {
        return None;
    }
    let run = SELF.with(|it| it.borrow().clone());
    run.map(|(run, thread)| act(&run, thread))
}

/// The calling thread is about to read a word. Returns the bits that it has itself
/// stored there and that others do not see yet.
pub(crate) fn load(at: usize) -> Option<u64> {
    in_run(|run, thread| run.step(thread, false).threads[thread].buffer.newest(at)).flatten()
}

/// The calling thread stores a word, which others may see later than what it does then.
pub(crate) fn store(store: Store) {
    let outside = in_run(|run, thread| {
        let mut state = run.step(thread, false);
        let is_behind = !state.threads[thread].buffer.is_empty();
        let is_held = is_behind
            || (state.may_hold
                && state.decide([Choice::Through, Choice::Hold].into(), None) == Choice::Hold);
        state.threads[thread].buffer.push(store);
        if !is_held {
            state.drain(thread);
        }
    });
    if outside.is_none() && !is_being_killed() {
        store.commit();
    }
}

/// The calling thread is about to access a word as nobody else can at the same time,
/// after all that it has stored before. Returns false when it must not.
pub(crate) fn exchange() -> bool {
    in_run(|run, thread| {
        let mut state = run.step(thread, false);
        state.drain(thread);
        state.written();
    });
    !is_being_killed()
}

/// All that any thread has stored is seen.
pub(crate) fn drain_everywhere() {
    in_run(|run, thread| {
        let mut state = run.step(thread, false);
        (0..state.threads.len()).for_each(|thread| state.drain(thread));
    });
}

/// Whether the calling thread unwinds since it was killed: nothing that it does then has
/// an effect.
fn is_being_killed() -> bool {
    std::thread::panicking()
}

/// The calling thread goes on when others have done something.
pub(crate) fn rest() {
    in_run(|run, thread| drop(run.step(thread, true)));
}
