//! One schedule: which thread takes the next step.
//!
//! One thread runs at a time. At each step it decides, as the schedule says, who is
//! next, and waits until it is its turn again.

use std::boxed::Box;
use std::cell::RefCell;
use std::panic::resume_unwind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::vec::Vec;

use crate::explore::Killed;

/// What was decided at one step.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    /// Threads that could have gone on, the one that did not have to be preempted
    /// first.
    pub choices: Vec<usize>,
    /// Which of them did.
    pub chosen: usize,
    /// Whether another choice than the first takes the turn from a thread.
    pub preempts: bool,
}

/// The state of one run, shared by its threads.
pub(crate) struct Run {
    state: Mutex<State>,
    turn: Condvar,
}

struct State {
    current: usize,
    has_ended: Vec<bool>,
    /// Steps that each thread has taken.
    steps: Vec<usize>,
    /// What was decided in the run before, up to what is to be different now.
    prefix: Vec<usize>,
    decisions: Vec<Decision>,
    /// A thread, and the step that it does not take any more.
    kill: Option<(usize, usize)>,
    was_killed: bool,
    limit: usize,
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
    ) -> Arc<Run> {
        let state = State {
            current: 0,
            has_ended: std::vec![false; threads],
            steps: std::vec![0; threads],
            prefix,
            decisions: Vec::new(),
            kill,
            was_killed: false,
            limit,
        };
        Arc::new(Run { state: Mutex::new(state), turn: Condvar::new() })
    }

    /// Makes the calling thread one of the run, and waits for its first turn.
    pub(crate) fn enter(self: &Arc<Run>, thread: usize) {
        SELF.with(|it| *it.borrow_mut() = Some((Arc::clone(self), thread)));
        let state = self.lock();
        drop(self.wait(state, thread));
    }

    /// The calling thread takes no further step.
    pub(crate) fn leave(&self, thread: usize) {
        SELF.with(|it| it.borrow_mut().take());
        let mut state = self.lock();
        state.has_ended[thread] = true;
        if !state.has_ended.iter().all(|ended| *ended) {
            state.decide(None);
        }
        self.turn.notify_all();
    }

    pub(crate) fn trace(&self) -> Trace {
        let state = self.lock();
        Trace { decisions: state.decisions.clone(), was_killed: state.was_killed }
    }

    fn step(&self, thread: usize) {
        let mut state = self.lock();
        let taken = state.steps[thread];
        if state.kill == Some((thread, taken)) {
            state.was_killed = true;
            drop(state);
            resume_unwind(Box::new(Killed));
        }
        state.steps[thread] += 1;
        assert!(taken < state.limit, "a thread does not come to an end");
        state.decide(Some(thread));
        if state.current != thread {
            self.turn.notify_all();
            drop(self.wait(state, thread));
        }
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
    /// Decides who is next; `running` is who could go on.
    fn decide(&mut self, running: Option<usize>) {
        let others = (0..self.has_ended.len())
            .filter(|thread| !self.has_ended[*thread] && Some(*thread) != running);
        let choices: Vec<usize> = running.into_iter().chain(others).collect();
        let chosen = self.prefix.get(self.decisions.len()).copied().unwrap_or(0);
        self.current = choices[chosen];
        self.decisions.push(Decision { choices, chosen, preempts: running.is_some() });
    }
}

/// The calling thread is about to access an atomic.
pub(crate) fn step() {
    let run = SELF.with(|it| it.borrow().clone());
    if let Some((run, thread)) = run {
        run.step(thread);
    }
}
