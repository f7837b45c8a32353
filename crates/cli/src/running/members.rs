//! Who is alive in a tree, by its slots and what the kernel knows.
//!
//! A slot whose death word is marked is one of a dead thread, although nobody in
//! the tree may have noticed yet; for a thread whose death word nobody watches,
//! and for one in exec, the kernel is asked. So counts taken here are right at
//! each look, whatever the members do.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::Ordering;

use interceptor_abi::segment::{DIED, Life, TID, Thread, ThreadState};

use crate::tree_segment::TreeSegment;

/// Who is alive.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Threads ever born.
    pub born: u64,
    /// Threads alive.
    pub threads: u64,
    /// Processes alive, by their PID namespace's number in the tree and their id in
    /// it.
    pub processes: BTreeMap<(u32, u32), Process>,
}

/// A process that is alive.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Ids of its live threads.
    pub threads: Vec<u32>,
}

impl Members {
    /// Looks at a tree.
    pub fn of(segment: &TreeSegment) -> Members {
        Members::among(segment.threads(), segment.born(), &mut is_running)
    }

    /// `is_running` tells of thread `tid` of process `tgid` whether the kernel knows it.
    fn among(slots: &[Thread], born: u64, is_running: &mut dyn FnMut(u32, u32) -> bool) -> Members {
        let mut members = Members::default();
        let mut ever = 0;
        for slot in slots {
            // Pairs with the exchange of whoever changes it.
            let bits = slot.state.load(Ordering::Acquire);
            let Some(state) = ThreadState::from_bits((bits >> 32) as u32) else {
                continue;
            };
            ever += u64::from(state.births) + u64::from(state.is_alive());
            let (word, tgid) = (bits as u32, slot.tgid.load(Ordering::Relaxed));
            let namespace = slot.namespace.load(Ordering::Relaxed);
            // The tree's first namespace is taken for ours; ids in others mean nothing here.
            let outer_namespace = slot.outer_namespace.load(Ordering::Relaxed);
            let outer = slot.outer_tid.load(Ordering::Relaxed);
            let may_run =
                |is_running: &mut dyn FnMut(u32, u32) -> bool, tid| match (namespace, tgid) {
                    (0, 0) => true,
                    (0, tgid) => is_running(tgid, tid),
                    _ => outer == 0 || outer_namespace != 0 || is_running(outer, outer),
                };
            let is_alive = match state.life {
                Life::Free | Life::Reserved => false,
                Life::Watched => word & DIED == 0,
                Life::Unwatched => word & DIED == 0 && may_run(is_running, word & TID),
                // Only the process's id is certain: exec gives it to the thread.
                Life::InExec => may_run(is_running, tgid),
            };
            if is_alive {
                members.threads += 1;
                let process = members.processes.entry((namespace, tgid)).or_default();
                process.threads.push(word & TID);
            }
        }
        // The births of a slot start anew after some millions.
        members.born = born.max(ever);
        members
    }
}

/// Whether a thread has not ended; one that nobody has waited for has.
fn is_running(tgid: u32, tid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{tgid}/task/{tid}/stat")) else {
        return false;
    };
    // The state comes after the command, which may hold anything.
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    !matches!(state, Some('Z' | 'X'))
}

/// The command of a process, as `/proc` abbreviates it.
pub fn command(pid: u32) -> String {
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    // A program may call itself what it likes.
    let comm: String = comm.trim_end_matches('\n').chars().map(printable).collect();
    if comm.is_empty() { "-".to_owned() } else { comm }
}

fn printable(character: char) -> char {
    if character.is_control() { '?' } else { character }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, AtomicU64};

    fn slot(life: Life, word: u32, tgid: u32, namespace: u32) -> Thread {
        let high = ThreadState { life, is_first: false, cancelled: 0, births: 2 };
        Thread {
            state: AtomicU64::new(u64::from(high.bits()) << 32 | u64::from(word)),
            tgid: AtomicU32::new(tgid),
            namespace: AtomicU32::new(namespace),
            outer_tid: AtomicU32::new(0),
            links: Default::default(),
            number: AtomicU64::new(1),
            mail: AtomicU32::new(0),
            is_monitor: AtomicU32::new(0),
            outer_namespace: AtomicU32::new(0),
            init: AtomicU32::new(0),
        }
    }

    #[test]
    fn a_marked_death_word_is_a_dead_thread_s_before_anybody_buries_it() {
        let slots = [slot(Life::Watched, 7, 7, 0), slot(Life::Watched, 8 | DIED, 7, 0)];
        let members = Members::among(&slots, 0, &mut |_, _| unreachable!("nobody is asked for"));
        assert_eq!((members.threads, members.born), (1, 6));
        assert_eq!(members.processes[&(0, 7)].threads, [7]);
    }

    #[test]
    fn the_kernel_is_asked_for_threads_that_nobody_watches_and_for_those_in_exec() {
        let slots = [
            slot(Life::Unwatched, 7, 7, 0),
            slot(Life::Unwatched, 8, 8, 0),
            slot(Life::InExec, 9 | DIED, 10, 0),
            slot(Life::Reserved, 11, 11, 0),
        ];
        let members = Members::among(&slots, 0, &mut |tgid, tid| (tgid, tid) != (8, 8));
        let processes: Vec<(u32, u32)> = members.processes.into_keys().collect();
        assert_eq!(processes, [(0, 7), (0, 10)]);
    }

    #[test]
    fn ids_of_another_namespace_are_not_asked_for() {
        let slots = [slot(Life::Unwatched, 1, 1, 3), slot(Life::Unwatched, 1, 1, 4)];
        // But the id that its parent knows is one of ours.
        slots[1].outer_tid.store(77, Ordering::Relaxed);
        let members = Members::among(&slots, 100, &mut |tgid, tid| {
            assert_eq!((tgid, tid), (77, 77));
            false
        });
        assert_eq!((members.threads, members.born), (1, 100));
    }

    #[test]
    fn this_process_runs_and_one_that_cannot_be_does_not() {
        assert!(is_running(std::process::id(), std::process::id()));
        assert!(!is_running(std::process::id(), u32::MAX));
        assert_ne!(command(std::process::id()), "-");
    }
}
