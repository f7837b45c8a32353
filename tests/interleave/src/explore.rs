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
    /// How often in a schedule others see a store late.
    pub delays: usize,
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
            let trace = run_once(&model, threads, prefix, kill, bounds);
            check(&model, kill.map(|(thread, _)| thread).filter(|_| trace.was_killed));
            schedules += 1;
            was_killed |= trace.was_killed;
            match next(trace.decisions, bounds) {
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
    bounds: Bounds,
) -> Trace {
    let run = Run::new(threads.len(), prefix, kill, bounds.steps, bounds.delays > 0);
    std::thread::scope(|scope| {
        let running: Vec<_> = threads
            .iter()
            .enumerate()
            .map(|(thread, body)| {
                let run = Arc::clone(&run);
                scope.spawn(move || {
                    run.enter(thread);
                    let ended = catch_unwind(AssertUnwindSafe(|| {
                        body(model);
                        run.settle(thread);
                    }));
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
                let decisions = run.trace().decisions;
                let unusual = decisions.iter().enumerate().filter(|(_, it)| it.chosen > 0);
                for (step, decision) in unusual {
                    std::eprintln!("step {step}: {:?}", decision.choices[decision.chosen]);
                }
                resume_unwind(why);
            }
        }
    });
    run.trace()
}

/// The choices that make the next schedule; `None` after the last.
fn next(mut decisions: Vec<Decision>, bounds: Bounds) -> Option<Vec<usize>> {
    while let Some(last) = decisions.pop() {
        let made = |costs: fn(&Decision, usize) -> bool| {
            decisions.iter().filter(|decision| costs(decision, decision.chosen)).count()
        };
        let may_preempt = made(Decision::preempts) < bounds.preemptions;
        let may_delay = made(Decision::delays) < bounds.delays;
        let is_within = |choice: &usize| {
            (may_preempt || !last.preempts(*choice)) && (may_delay || !last.delays(*choice))
        };
        if let Some(other) = (last.chosen + 1..last.choices.len()).find(is_within) {
            let chosen = decisions.iter().map(|decision| decision.chosen);
            return Some(chosen.chain([other]).collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::atomic::{
        AtomicU32,
        Ordering::{Relaxed, SeqCst},
    };

    const BOUNDS: Bounds = Bounds { preemptions: 2, delays: 0, kills: false, steps: 100 };

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

    /// Two threads that each say something and then look at what the other says.
    #[derive(Default)]
    struct Said {
        words: [AtomicU32; 2],
        seen: [AtomicU32; 2],
    }

    fn say_and_look<const SELF: usize>(said: &Said) {
        said.words[SELF].store(1, Relaxed);
        said.seen[SELF].store(said.words[1 - SELF].load(Relaxed), Relaxed);
    }

    /// Whether in some schedule neither sees the other.
    fn both_miss(bounds: Bounds, threads: [fn(&Said); 2]) -> bool {
        let missed = std::sync::Mutex::new(false);
        explore(bounds, Said::default, &threads, |said, _| {
            *missed.lock().unwrap() |= said.seen.iter().all(|seen| seen.load(Relaxed) == 0);
        });
        *missed.lock().unwrap()
    }

    #[test]
    fn a_store_that_others_see_late_is_found() {
        let threads = [say_and_look::<0>, say_and_look::<1>];
        assert!(!both_miss(BOUNDS, threads), "in order, one of them sees the other");
        assert!(both_miss(Bounds { delays: 1, ..BOUNDS }, threads));
    }

    #[test]
    fn a_barrier_of_one_is_enough_if_it_is_for_all() {
        let barrier: fn(&Said) = |said| {
            said.words[0].store(1, Relaxed);
            crate::barrier_everywhere();
            said.seen[0].store(said.words[1].load(Relaxed), Relaxed);
        };
        assert!(!both_miss(Bounds { delays: 2, ..BOUNDS }, [barrier, say_and_look::<1>]));
    }

    #[test]
    fn stores_take_effect_in_their_order() {
        let write: fn(&Said) = |said| {
            said.words[0].store(1, Relaxed);
            said.words[1].store(1, Relaxed);
        };
        let read: fn(&Said) = |said| {
            said.seen[1].store(said.words[1].load(Relaxed), Relaxed);
            said.seen[0].store(said.words[0].load(Relaxed), Relaxed);
        };
        explore(Bounds { delays: 2, ..BOUNDS }, Said::default, &[write, read], |said, _| {
            let [first, second] = [0, 1].map(|word: usize| said.seen[word].load(Relaxed));
            assert!(first >= second, "{first} {second}");
        });
    }

    #[test]
    fn who_waits_for_others_lets_them_come() {
        let wait: fn(&AtomicU32) = |word| {
            while word.load(Relaxed) == 0 {
                crate::hint::spin_loop();
            }
        };
        let set: fn(&AtomicU32) = |word| word.store(1, Relaxed);
        let bounds = Bounds { delays: 1, ..BOUNDS };
        assert!(explore(bounds, AtomicU32::default, &[wait, wait, set], |_, _| {}) > 3);
    }
}
