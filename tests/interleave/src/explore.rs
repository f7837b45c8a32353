//! All schedules, depth first.

use std::boxed::Box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::vec::Vec;

use crate::schedule::{Decision, Run, Trace};

/// A thread has been killed: what its closure unwinds with.
pub struct Killed;

/// How far is explored.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How often in a schedule a thread loses its turn.
    pub preemptions: usize,
    /// Whether each thread is also killed, at each of its steps.
    pub kills: bool,
    /// Steps after which a thread does not come to an end.
    pub steps: usize,
}

/// A thread of a model.
type Body<T> = fn(&T);

/// Runs threads on what `begin` makes, in every order of their steps within the bounds,
/// and lets `check` look at what is left; it gets the thread that was killed. Returns
/// the number of schedules.
///
/// # Panics
///
/// When a thread or a check does.
pub fn explore<T: Sync>(
    bounds: Bounds,
    begin: impl Fn() -> T,
    threads: &[Body<T>],
    check: impl Fn(&T, Option<usize>),
) -> usize {
    let mut schedules = 0;
    let mut run = |kill: Option<(usize, usize)>| {
        let mut prefix = Vec::new();
        let mut was_killed = false;
        loop {
            let model = begin();
            let trace = run_once(&model, threads, prefix, kill, bounds.steps);
            check(&model, kill.map(|(thread, _)| thread).filter(|_| trace.was_killed));
            schedules += 1;
            was_killed |= trace.was_killed;
            match next(trace.decisions, bounds.preemptions) {
                Some(next) => prefix = next,
                None => return was_killed,
            }
        }
    };
    run(None);
    if bounds.kills {
        for thread in 0..threads.len() {
            // Until it comes in no schedule as far as the step at which it is to be killed.
            let mut at = 0;
            while run(Some((thread, at))) {
                at += 1;
            }
        }
    }
    schedules
}

fn run_once<T: Sync>(
    model: &T,
    threads: &[Body<T>],
    prefix: Vec<usize>,
    kill: Option<(usize, usize)>,
    limit: usize,
) -> Trace {
    let run = Run::new(threads.len(), prefix, kill, limit);
    std::thread::scope(|scope| {
        let running: Vec<_> = threads
            .iter()
            .enumerate()
            .map(|(thread, body)| {
                let run = Arc::clone(&run);
                scope.spawn(move || {
                    run.enter(thread);
                    let ended = catch_unwind(AssertUnwindSafe(|| body(model)));
                    run.leave(thread);
                    match ended {
                        Err(why) if !why.is::<Killed>() => Err(why),
                        _ => Ok(()),
                    }
                })
            })
            .collect();
        for thread in running {
            let ended: Result<(), Box<dyn std::any::Any + Send>> =
                thread.join().unwrap_or_else(Err);
            if let Err(why) = ended {
                std::eprintln!("schedule: {:?}", run.trace().decisions);
                resume_unwind(why);
            }
        }
    });
    run.trace()
}

/// The choices that make the next schedule; `None` after the last.
fn next(mut decisions: Vec<Decision>, preemptions: usize) -> Option<Vec<usize>> {
    while let Some(last) = decisions.pop() {
        let before = decisions.iter().filter(|it| it.preempts && it.chosen > 0).count();
        let may_differ = !last.preempts || before < preemptions;
        if may_differ && last.chosen + 1 < last.choices.len() {
            let chosen = decisions.iter().map(|decision| decision.chosen);
            return Some(chosen.chain([last.chosen + 1]).collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::atomic::{AtomicU32, Ordering::SeqCst};

    const BOUNDS: Bounds = Bounds { preemptions: 2, kills: false, steps: 100 };

    /// Adds 1 in two steps, as one must not.
    fn add(count: &AtomicU32) {
        let seen = count.load(SeqCst);
        count.store(seen + 1, SeqCst);
    }

    #[test]
    fn a_lost_update_is_found() {
        let lost = std::sync::Mutex::new(false);
        let schedules = explore(BOUNDS, AtomicU32::default, &[add, add], |count, _| {
            *lost.lock().unwrap() |= count.load(SeqCst) == 1;
        });
        assert!(*lost.lock().unwrap() && schedules > 3, "{schedules}");
    }

    #[test]
    fn without_preemption_none_is() {
        let bounds = Bounds { preemptions: 0, ..BOUNDS };
        explore(bounds, AtomicU32::default, &[add, add], |count, _| {
            assert_eq!(count.load(SeqCst), 2);
        });
    }

    #[test]
    fn a_killed_thread_takes_no_further_step() {
        let seen = std::sync::Mutex::new(Vec::new());
        let bounds = Bounds { preemptions: 0, kills: true, ..BOUNDS };
        explore(bounds, AtomicU32::default, &[add], |count, killed| {
            seen.lock().unwrap().push((killed.is_some(), count.load(SeqCst)));
        });
        // Not killed; before its load; before its store; it has no third step.
        assert_eq!(*seen.lock().unwrap(), [(false, 1), (true, 0), (true, 0), (false, 1)]);
    }
}
