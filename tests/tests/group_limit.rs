//! More threads than there are slots for run, and are counted as lost.
//!
//! So many threads are more than a machine for tests bears. So the test takes the slots
//! itself: it opens the tree's segment, as any member can, and reserves them.

use std::fs::{self, File, OpenOptions};
use std::mem::{offset_of, size_of};
use std::os::unix::fs::FileExt as _;
use std::process::Command;

use interceptor_abi::segment::{Life, Segment, THREADS, Thread, ThreadState};
use interceptor_tests::{Dist, Scratch, Tree, need};

/// In the word of a reserved slot: a thread with this id has reserved it (`group::slots`).
const BY_ITSELF: u32 = 1 << 31;

fn segment_of(pid: &str) -> File {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("descriptors");
    let path = descriptors
        .map(|entry| entry.expect("a descriptor").path())
        .find(|path| {
            fs::read_link(path).is_ok_and(|to| to.as_os_str() == "/memfd:interceptor (deleted)")
        })
        .expect("a segment");
    OpenOptions::new().read(true).write(true).open(path).expect("a segment")
}

/// Changes the state of each slot that holds `from` to `to`; returns how many did.
fn replace(segment: &File, from: u64, to: u64) -> usize {
    let mut changed = 0;
    for index in 0..THREADS {
        let at = (offset_of!(Segment, threads)
            + index * size_of::<Thread>()
            + offset_of!(Thread, state)) as u64;
        let mut state = [0; 8];
        segment.read_exact_at(&mut state, at).expect("a slot");
        if u64::from_le_bytes(state) == from {
            segment.write_all_at(&to.to_le_bytes(), at).expect("a slot");
            changed += 1;
        }
    }
    changed
}

#[test]
fn threads_without_a_slot_run_and_are_counted_as_lost() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let report = scratch.path("report");
    // Two: who has written to one may not have closed it yet when the shell reads again.
    let fifos = [scratch.path("go"), scratch.path("on")];
    assert!(Command::new("mkfifo").args(&fifos).status().expect("mkfifo").success());
    let script = format!(
        "echo $$; read go < {}; (exit 3); echo $?; (exit 4); echo $?; \
         read go < {}; (exit 5); echo $?",
        fifos[0].display(),
        fifos[1].display()
    );
    let options = ["stat", "-o", report.to_str().expect("a name in UTF-8")];
    let mut tree = Tree::start(&dist, &options, &script);
    let segment = segment_of(&tree.line());

    let high = ThreadState { life: Life::Reserved, is_first: false, cancelled: 0, births: 0 };
    let ours = u64::from(high.bits()) << 32 | u64::from(BY_ITSELF | std::process::id());
    // The shell has one.
    assert_eq!(replace(&segment, 0, ours), THREADS - 1);
    fs::write(&fifos[0], "go\n").expect("a reader");
    assert_eq!((tree.line().as_str(), tree.line().as_str()), ("3", "4"));

    assert_eq!(replace(&segment, ours, 0), THREADS - 1);
    fs::write(&fifos[1], "go\n").expect("a reader");
    assert_eq!(tree.line(), "5");
    tree.wait();
    let report = fs::read_to_string(&report).expect("a report");
    assert!(report.contains("interceptor: 2 threads of the counts were lost"), "{report}");
}
