//! The segment that a tree of intercepted processes writes its numbers to.
//!
//! Every process of the tree can write anything into it, so all that is read is
//! a copy, and every index and length in it is bounded here. Who attaches to a
//! running tree maps it for reading only.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use interceptor_abi::segment::{self, Outcome, Segment};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::ftruncate;

use crate::descriptor;

/// A mapped segment.
pub struct TreeSegment {
    mapping: NonNull<c_void>,
}

impl TreeSegment {
    /// Creates an empty segment whose size cannot change any more. Returns with it
    /// the descriptor that programs inherit.
    pub fn create() -> io::Result<(TreeSegment, OwnedFd)> {
        let (limit, _) = getrlimit(Resource::RLIMIT_FSIZE)?;
        if limit < segment::SIZE as u64 {
            // The kernel would send SIGXFSZ.
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "the limit of a file's size (ulimit -f) is too low",
            ));
        }
        let file =
            memfd_create(c"interceptor", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
        ftruncate(&file, segment::SIZE as i64)?;
        // A process that shrank it would kill all others by SIGBUS.
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        let created = TreeSegment::map(&file, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)?;
        let inherited = descriptor::inheritable(file.as_fd())?;
        let header = &created.shared().header;
        header.version.store(segment::VERSION, Ordering::Relaxed);
        header.size.store(segment::SIZE as u32, Ordering::Relaxed);
        header.magic.store(segment::MAGIC, Ordering::Release);
        Ok((created, inherited))
    }

    /// Maps the segment of a running tree for reading; `None` if the file is not
    /// one of this version.
    pub fn attach(file: &File) -> io::Result<Option<TreeSegment>> {
        // One that could shrink would kill us by SIGBUS.
        let seals = fcntl(file, FcntlArg::F_GET_SEALS)?;
        let is_sealed = SealFlag::from_bits_truncate(seals).contains(SealFlag::F_SEAL_SHRINK);
        if !is_sealed || file.metadata()?.len() != segment::SIZE as u64 {
            return Ok(None);
        }
        let attached = TreeSegment::map(file, ProtFlags::PROT_READ)?;
        let header = &attached.shared().header;
        let is_ours = value(&header.magic) == segment::MAGIC
            && small_value(&header.version) == segment::VERSION
            && small_value(&header.size) as usize == segment::SIZE;
        Ok(is_ours.then_some(attached))
    }

    fn map(file: &impl AsFd, access: ProtFlags) -> io::Result<TreeSegment> {
        let size = NonZeroUsize::new(segment::SIZE).ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let mapping = unsafe { mmap(None, size, access, MapFlags::MAP_SHARED, file, 0) }?;
        Ok(TreeSegment { mapping })
    }

    /// Processes in which interception was armed.
    pub fn armed(&self) -> u64 {
        value(&self.shared().header.armed)
    }

    /// Processes that run untouched although the runtime was loaded.
    pub fn not_armed(&self) -> u64 {
        value(&self.shared().header.not_armed)
    }

    /// Programs that were executed without us.
    pub fn not_followed(&self) -> u32 {
        small_value(&self.shared().header.not_followed)
    }

    /// Trace lines that could not be written.
    pub fn lost_lines(&self) -> u64 {
        value(&self.shared().header.lost_lines)
    }

    /// Calls that were neither counted nor traced.
    pub fn lost_calls(&self) -> u64 {
        value(&self.shared().header.lost_calls)
    }

    /// Threads ever born, as members have counted them.
    pub fn born(&self) -> u64 {
        value(&self.shared().header.population.born_threads)
    }

    /// Threads that were not counted.
    pub fn lost_threads(&self) -> u32 {
        small_value(&self.shared().header.population.lost_threads)
    }

    /// Effects on other members that they were not told of.
    pub fn lost_effects(&self) -> u32 {
        small_value(&self.shared().header.lost_effects)
    }

    /// Objects that found no entry.
    pub fn lost_objects(&self) -> usize {
        (small_value(&self.shared().header.objects_used) as usize).saturating_sub(segment::OBJECTS)
    }

    /// Sites by outcome of each object that was patched.
    pub fn objects(&self) -> Vec<[u32; Outcome::COUNT]> {
        let shared = self.shared();
        shared
            .objects
            .iter()
            // Pairs with the release store of the process that filled it.
            .filter(|object| object.state.load(Ordering::Acquire) == OBJECT_VALID)
            .map(|object| object.sites.each_ref().map(small_value))
            .collect()
    }

    /// What is known of every system call that was made.
    pub fn calls(&self) -> Vec<CallCount> {
        let shared = self.shared();
        let sum = |nr: usize, of: fn(&segment::Lane) -> &[AtomicU64; segment::CALLS]| {
            let lanes = shared.lanes.iter().map(|lane| value(&of(lane)[nr]));
            lanes.fold(0, u64::saturating_add)
        };
        (0..segment::CALLS)
            .zip(&shared.durations)
            .map(|(nr, duration)| (nr, duration, sum(nr, |lane| &lane.calls)))
            .filter(|(_, _, calls)| *calls > 0)
            .map(|(nr, duration, calls)| CallCount {
                nr,
                calls,
                errors: sum(nr, |lane| &lane.errors),
                samples: value(&duration.samples),
                sampled_cycles: value(&duration.total),
                longest_cycles: value(&duration.max),
                buckets: duration.buckets.iter().map(value).collect(),
            })
            .collect()
    }

    /// The id of the thread that counts in each lane, 0 for none, and the calls
    /// counted there.
    pub fn lanes(&self) -> Vec<(u32, u64)> {
        let shared = self.shared();
        let calls = shared.lanes.iter().map(|lane| {
            let counts = lane.calls.iter().map(value);
            counts.fold(0, u64::saturating_add)
        });
        shared.lane_owners.iter().map(small_value).zip(calls).collect()
    }

    /// The slots of threads that have ever been used.
    pub fn threads(&self) -> &[segment::Thread] {
        let threads = &self.shared().threads;
        // Pairs with the release of who claims a slot.
        let used = self.shared().header.population.used_threads.load(Ordering::Acquire);
        &threads[..(used as usize).min(threads.len())]
    }

    fn shared(&self) -> &Segment {
        // SAFETY: the mapping is as long as a segment, page-aligned, sealed
        // against shrinking, and lives as long as `self`. A segment consists of
        // atomics, which others may change and for which all bits are valid.
        unsafe { self.mapping.cast::<Segment>().as_ref() }
    }
}

impl Drop for TreeSegment {
    fn drop(&mut self) {
        // SAFETY: mapped by `map`; no reference outlives `self`.
        let _ = unsafe { munmap(self.mapping, segment::SIZE) };
    }
}

/// `Object::state` of an entry that can be read.
const OBJECT_VALID: u32 = 2;

/// Numbers of one system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallCount {
    /// System call number; the last of the table stands for all beyond.
    pub nr: usize,
    /// Calls begun.
    pub calls: u64,
    /// Calls that returned an error.
    pub errors: u64,
    /// Calls that were timed.
    pub samples: u64,
    /// Sum of their durations.
    pub sampled_cycles: u64,
    /// The longest of them.
    pub longest_cycles: u64,
    /// How many fell into each bucket of the histogram.
    pub buckets: Vec<u64>,
}

impl CallCount {
    /// What has been counted since `earlier`, a count of the same call.
    #[must_use]
    pub fn since(&self, earlier: &CallCount) -> CallCount {
        let buckets: Vec<u64> = self
            .buckets
            .iter()
            .zip(&earlier.buckets)
            .map(|(now, before)| now.saturating_sub(*before))
            .collect();
        // The longest ever may be older.
        let highest = buckets.iter().rposition(|count| *count > 0);
        let bound = highest.map_or(0, |bucket| segment::bucket_floor(bucket + 1) - 1);
        CallCount {
            nr: self.nr,
            calls: self.calls.saturating_sub(earlier.calls),
            errors: self.errors.saturating_sub(earlier.errors),
            samples: self.samples.saturating_sub(earlier.samples),
            sampled_cycles: self.sampled_cycles.saturating_sub(earlier.sampled_cycles),
            longest_cycles: self.longest_cycles.min(bound),
            buckets,
        }
    }
}

/// What has been counted between two looks at a segment.
pub fn calls_between(before: &[CallCount], after: &[CallCount]) -> Vec<CallCount> {
    let of = |count: &CallCount| match before.iter().find(|earlier| earlier.nr == count.nr) {
        Some(earlier) => count.since(earlier),
        None => count.clone(),
    };
    after.iter().map(of).filter(|count| count.calls > 0).collect()
}

fn value(number: &AtomicU64) -> u64 {
    number.load(Ordering::Relaxed)
}

fn small_value(number: &AtomicU32) -> u32 {
    number.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_segment_is_empty_and_says_what_it_is() {
        let (segment, _inherited) = TreeSegment::create().expect("a segment");
        let header = &segment.shared().header;
        assert_eq!(value(&header.magic), segment::MAGIC);
        assert_eq!(small_value(&header.version), segment::VERSION);
        assert_eq!(small_value(&header.size) as usize, segment::SIZE);
        assert!(segment.calls().is_empty() && segment.objects().is_empty());
    }

    #[test]
    fn counts_of_all_lanes_add_up() {
        let (segment, _inherited) = TreeSegment::create().expect("a segment");
        for lane in [0, 3, segment::LANES - 1] {
            segment.shared().lanes[lane].calls[39].store(5, Ordering::Relaxed);
            segment.shared().lanes[lane].errors[39].store(1, Ordering::Relaxed);
        }
        let calls = segment.calls();
        assert_eq!(calls.len(), 1);
        assert_eq!((calls[0].nr, calls[0].calls, calls[0].errors), (39, 15, 3));
    }

    #[test]
    fn absurd_numbers_do_no_harm() {
        let (segment, _inherited) = TreeSegment::create().expect("a segment");
        let shared = segment.shared();
        shared.header.objects_used.store(u32::MAX, Ordering::Relaxed);
        for lane in &shared.lanes {
            lane.calls[0].store(u64::MAX, Ordering::Relaxed);
        }
        assert_eq!(segment.calls()[0].calls, u64::MAX);
        assert!(segment.lost_objects() > 0);
    }
    #[test]
    fn a_running_tree_s_segment_is_read_and_nothing_else_is_taken_for_one() {
        let (segment, inherited) = TreeSegment::create().expect("a segment");
        segment.shared().lanes[1].calls[1].store(7, Ordering::Relaxed);
        let file = File::from(inherited);
        let attached = TreeSegment::attach(&file).expect("mapped").expect("a segment");
        assert_eq!(attached.calls()[0].calls, 7);
        segment.shared().header.version.store(segment::VERSION + 1, Ordering::Relaxed);
        assert!(TreeSegment::attach(&file).expect("mapped").is_none());
        let other = memfd_create(c"other", MFdFlags::MFD_ALLOW_SEALING).expect("a file");
        assert!(TreeSegment::attach(&File::from(other)).expect("looked at").is_none());
    }

    #[test]
    fn what_was_counted_before_is_not_counted_again() {
        let (segment, _inherited) = TreeSegment::create().expect("a segment");
        let count = |calls, bucket: usize| {
            segment.shared().lanes[0].calls[3].store(calls, Ordering::Relaxed);
            segment.shared().durations[3].buckets[bucket].fetch_add(1, Ordering::Relaxed);
            segment.shared().durations[3].max.store(1 << 30, Ordering::Relaxed);
            segment.calls()
        };
        let before = count(10, 90);
        assert!(calls_between(&before, &before).is_empty());
        let since = calls_between(&before, &count(14, 20));
        assert_eq!((since.len(), since[0].calls, since[0].buckets[90]), (1, 4, 0));
        assert!(since[0].longest_cycles < segment::bucket_floor(21));
    }
}
