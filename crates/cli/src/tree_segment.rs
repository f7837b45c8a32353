//! The segment that a tree of intercepted processes writes its numbers to.
//!
//! We create it and are its only reader. Every process of the tree can write
//! anything into it, so all that is read is a copy, and every index and length
//! in it is bounded here.

use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd as _, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use interceptor_abi::segment::{self, Outcome, Segment};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::ftruncate;

use crate::descriptor;

/// A mapped segment, and the descriptor that programs inherit.
pub struct TreeSegment {
    mapping: NonNull<c_void>,
    inherited: OwnedFd,
}

impl TreeSegment {
    /// Creates an empty segment whose size cannot change any more.
    pub fn create() -> io::Result<TreeSegment> {
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
        let size = NonZeroUsize::new(segment::SIZE).ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let mapping = unsafe {
            mmap(
                None,
                size,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED,
                &file,
                0,
            )
        }?;
        let inherited = descriptor::inheritable(file.as_fd())?;
        let created = TreeSegment { mapping, inherited };
        let header = &created.shared().header;
        header.version.store(segment::VERSION, Ordering::Relaxed);
        header.size.store(segment::SIZE as u32, Ordering::Relaxed);
        header.magic.store(segment::MAGIC, Ordering::Release);
        Ok(created)
    }

    /// The descriptor's number, for the environment.
    pub fn descriptor_number(&self) -> String {
        descriptor::number(&self.inherited)
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
            .map(|(nr, duration)| CallCount {
                nr,
                calls: sum(nr, |lane| &lane.calls),
                errors: sum(nr, |lane| &lane.errors),
                samples: value(&duration.samples),
                sampled_cycles: value(&duration.total),
                longest_cycles: value(&duration.max),
                buckets: duration.buckets.iter().map(value).collect(),
            })
            .filter(|count| count.calls > 0)
            .collect()
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
        // SAFETY: mapped by `create`; no reference outlives `self`.
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
        let segment = TreeSegment::create().expect("a segment");
        let header = &segment.shared().header;
        assert_eq!(value(&header.magic), segment::MAGIC);
        assert_eq!(small_value(&header.version), segment::VERSION);
        assert_eq!(small_value(&header.size) as usize, segment::SIZE);
        assert!(segment.calls().is_empty() && segment.objects().is_empty());
    }

    #[test]
    fn counts_of_all_lanes_add_up() {
        let segment = TreeSegment::create().expect("a segment");
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
        let segment = TreeSegment::create().expect("a segment");
        let shared = segment.shared();
        shared.header.objects_used.store(u32::MAX, Ordering::Relaxed);
        for lane in &shared.lanes {
            lane.calls[0].store(u64::MAX, Ordering::Relaxed);
        }
        assert_eq!(segment.calls()[0].calls, u64::MAX);
        assert!(segment.lost_objects() > 0);
    }
}
