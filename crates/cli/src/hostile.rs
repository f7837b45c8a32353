//! A segment that a hostile program has written, and files that claim to be programs:
//! whatever is in them, reports are made of it, in bounded time and space.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use interceptor_abi::segment;

use crate::clock::Moment;
use crate::coverage;
use crate::observe;
use crate::stat::table;
use crate::tree_segment::{TreeSegment, calls_between};

/// Longest report that anybody would read.
const LONGEST: usize = 1 << 20;

/// Words that break what is computed from them.
#[cfg(test)]
const WORDS: [u64; 6] = [0, 1, u64::MAX, 1 << 63, 0xffff_ffff, 0x0000_0002_0000_0002];

/// Makes every report of a segment, and of what it has more than another, and the other way
/// round.
fn read_all(segment: &TreeSegment, other: &TreeSegment) {
    let start = Moment::now();
    let (counts, others) = (segment.calls(), other.calls());
    assert!(counts.len() <= segment::CALLS);
    let (more, less) = (calls_between(&others, &counts), calls_between(&counts, &others));
    for counts in [counts, more, less] {
        let rate = start.rate_until(&Moment::now());
        assert!(table::format(observe::rows(&counts, None, rate)).len() < LONGEST);
    }
    let lines = coverage::lines(segment);
    assert!(!lines.is_empty() && lines.iter().map(String::len).sum::<usize>() < LONGEST);
    assert!(segment.objects().len() <= segment::OBJECTS);
    assert!(segment.threads().len() <= segment::THREADS);
    assert_eq!(segment.lanes().len(), segment::LANES);
}

/// Segments that are made once: to map and fill anew what nobody has written takes far
/// longer than reports.
struct Desk {
    empty: TreeSegment,
    segment: TreeSegment,
    file: File,
}

impl Desk {
    fn new() -> Desk {
        let (empty, _) = TreeSegment::create().expect("a segment");
        let (segment, inherited) = TreeSegment::create().expect("a segment");
        Desk { empty, segment, file: File::from(inherited) }
    }

    /// Puts words at places. Returns what was there, in the same order.
    fn exchange(&self, places: impl Iterator<Item = (u64, [u8; 8])>) -> Vec<(u64, [u8; 8])> {
        let put = |(at, word): (u64, [u8; 8])| {
            let mut before = [0; 8];
            self.file.read_exact_at(&mut before, at).expect("a segment is read");
            self.file.write_all_at(&word, at).expect("a segment is written");
            (at, before)
        };
        places.map(put).collect()
    }
}

/// Makes the reports of a segment with words at places: each 8 bytes of a place, each 8 of
/// a word.
///
/// # Panics
///
/// When a report does harm.
pub fn report(words: &[u8]) {
    thread_local!(static DESK: Desk = Desk::new());
    let end = segment::SIZE as u64 - 8;
    let places = words.chunks_exact(16).take(64).map(|place| {
        let [at, word] = [0, 8].map(|half| place[half..].first_chunk().expect("8 bytes"));
        (u64::from_be_bytes(*at) % end / 8 * 8, *word)
    });
    DESK.with(|desk| {
        let before = desk.exchange(places);
        read_all(&desk.segment, &desk.empty);
        // The last one first: a place may have been written twice.
        desk.exchange(before.into_iter().rev());
    });
}

/// Looks at a file as `interceptor doctor` does.
///
/// # Panics
///
/// When that does harm.
pub fn examine(content: &[u8]) {
    let flags = nix::sys::memfd::MFdFlags::MFD_CLOEXEC;
    let file = File::from(nix::sys::memfd::memfd_create(c"program", flags).expect("a file"));
    file.write_all_at(content, 0).expect("a file is written");
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let _ = crate::program::elf::Head::read(Path::new(&path));
    let _ = crate::doctor::look_at(Path::new(&path));
}

#[test]
fn whatever_a_segment_holds_reports_are_made_of_it() {
    let (empty, _) = TreeSegment::create().expect("a segment");
    let (segment, inherited) = TreeSegment::create().expect("a segment");
    let file = File::from(inherited);
    read_all(&segment, &empty);
    let mut seed = 1u64;
    let mut next = || {
        // xorshift64*
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        seed.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    let constant = WORDS.into_iter().map(Some);
    for constant in constant.chain([None; 6]) {
        let mut words = Vec::with_capacity(segment::SIZE);
        while words.len() < segment::SIZE {
            let word = match constant {
                Some(word) => word,
                None if next() % 3 == 0 => next(),
                None => WORDS[(next() % 6) as usize],
            };
            words.extend(word.to_le_bytes());
        }
        words.truncate(segment::SIZE);
        file.write_all_at(&words, 0).expect("a segment is written");
        read_all(&segment, &empty);
    }
}

#[test]
fn only_a_whole_segment_of_this_version_is_attached() {
    let (_, inherited) = TreeSegment::create().expect("a segment");
    let file = File::from(inherited);
    assert!(TreeSegment::attach(&file).expect("a file").is_some());
    // Magic, version and size come first.
    for at in 0..16 {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).expect("a byte");
        file.write_all_at(&[!byte[0]], at).expect("a byte");
        assert!(TreeSegment::attach(&file).expect("a file").is_none(), "byte {at}");
        file.write_all_at(&byte, at).expect("a byte");
    }
    let other = File::open("/proc/self/exe").expect("a file");
    assert!(!TreeSegment::attach(&other).is_ok_and(|attached| attached.is_some()));
}
