//! The group segment, as its members see it: who is alive.
//!
//! Every live thread has a slot. A slot changes its state by one
//! compare-and-exchange, and whoever succeeds counts the change, so nothing is
//! counted twice, no matter who notices a birth or a death first: the thread
//! itself, its parent, or anybody who looks at the slots after the kernel has
//! marked the death word ([`robust`]).
//!
//! Forbidden here: locks, allocation. Another member may be stopped or killed at
//! any instruction.

mod counts;
mod effects;
mod membership;
mod published;
mod reserve;
mod robust;
mod slots;

use core::sync::atomic::{
    AtomicPtr, AtomicU32,
    Ordering::{Acquire, Relaxed},
};
use core::time::Duration;

use interceptor_abi::segment::{self, Segment};

use crate::diagnostics::{Why, say};
use crate::hook::RemoteEffect;
use crate::sys::{self, Mapping};

pub(crate) use effects::Concerned;
pub(crate) use membership::{Expected, Membership};
pub(crate) use published::TGSTAT;
pub(crate) use robust::{HEAD_LEN, append_to_libcs, registered_list};

/// The mapped segment, null without one.
static SEGMENT: AtomicPtr<Segment> = AtomicPtr::new(core::ptr::null_mut());

/// The segment, if there is one.
pub(crate) fn segment() -> Option<&'static Segment> {
    // SAFETY: set once, to a mapping that is never removed.
    unsafe { SEGMENT.load(Relaxed).as_ref() }
}

/// Why there is no segment.
pub(crate) enum NoSegment {
    NotOpen,
    OtherVersion,
    NotMapped,
}

impl core::fmt::Display for NoSegment {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotOpen => write!(f, "its descriptor is not open; was it closed before exec?"),
            Self::OtherVersion => write!(f, "it is not one of this version"),
            Self::NotMapped => write!(f, "it cannot be mapped; is a memory limit set?"),
        }
    }
}

/// The number, or its low half, of the thread that has executed this image; 0 for unknown.
static EXECUTED_BY: AtomicU32 = AtomicU32::new(0);

/// Uses the segment behind a descriptor from now on. `member` is [`EXECUTED_BY`].
pub(crate) fn attach(fd: i32, member: u32) -> Result<(), NoSegment> {
    let size = sys::file_size(fd).map_err(|_| NoSegment::NotOpen)?;
    if size != segment::SIZE as u64 {
        return Err(NoSegment::OtherVersion);
    }
    let mapping = Mapping::shared(fd, size).map_err(|_| NoSegment::NotMapped)?;
    // SAFETY: a mapping of the type's size, page-aligned, never unmapped when
    // it is kept; every field is an atomic, so any content is valid.
    let segment = unsafe { &*(mapping.start as *const Segment) };
    let header = &segment.header;
    if header.magic.load(Relaxed) != segment::MAGIC
        || header.version.load(Relaxed) != segment::VERSION
        || header.size.load(Relaxed) as usize != segment::SIZE
    {
        mapping.unmap();
        return Err(NoSegment::OtherVersion);
    }
    EXECUTED_BY.store(member, Relaxed);
    use_segment(segment);
    Ok(())
}

/// What an image that a member executes is to be told, if ids do not tell processes
/// apart.
pub(crate) fn ambiguous_number(of: &Membership) -> Option<u32> {
    let has_namespaces = segment()?.header.population.namespaces.load(Relaxed) != 0;
    Some(of.number() as u32).filter(|number| has_namespaces && *number != 0)
}

/// Makes a segment for this process and its descendants, and uses it. Returns its
/// descriptor; without one, those that execute a program count by themselves.
pub(crate) fn found() -> Result<Option<i32>, NoSegment> {
    let size = segment::SIZE as u64;
    let file = sys::memory_file(c"interceptor", size);
    let mapping = match file {
        Ok(fd) => Mapping::shared(fd, size).inspect_err(|_| sys::close(fd)),
        Err(_) => Mapping::shared_anonymous(size),
    };
    let mapping = mapping.map_err(|_| NoSegment::NotMapped)?;
    if let Err(error) = file {
        say(format_args!(
            "no descriptor for the segment ({}): programs that are executed count by themselves",
            Why(error)
        ));
    }
    // SAFETY: as in `attach`.
    let segment = unsafe { &*(mapping.start as *const Segment) };
    segment.header.version.store(segment::VERSION, Relaxed);
    segment.header.size.store(segment::SIZE as u32, Relaxed);
    segment.header.magic.store(segment::MAGIC, Relaxed);
    use_segment(segment);
    Ok(file.ok())
}

fn use_segment(segment: &'static Segment) {
    SEGMENT.store((segment as *const Segment).cast_mut(), Relaxed);
    published::publish_group(segment);
}

/// The PID namespace of the calling process.
static NAMESPACE: AtomicU32 = AtomicU32::new(0);

/// A thread has a block: gives it its place in the group. `token` is what its
/// parent has left for it, 0 for nothing.
pub(crate) fn begin(membership: &mut Membership, token: u64, tid: u32) {
    let tgid = TGSTAT.tgid.load(Relaxed);
    if tgid == 0 {
        begin_image(membership);
    } else if token == 0 {
        membership.begin_unexpected(tgid, tid, NAMESPACE.load(Relaxed));
    } else {
        membership.begin_told(token, tid);
    }
}

/// The first thread of an image begins, or there is a group for it only now.
pub(crate) fn begin_image(membership: &mut Membership) {
    begin_process(membership, sys::getpid());
    membership.begin_image(TGSTAT.tgid.load(Relaxed), EXECUTED_BY.load(Relaxed));
    NAMESPACE.store(membership.namespace(), Relaxed);
}

/// The first thread of the process `tgid` begins; it has memory of its own.
pub(crate) fn begin_process(membership: &Membership, tgid: u32) {
    TGSTAT.begin(tgid);
    NAMESPACE.store(membership.namespace(), Relaxed);
}

/// The ids of the processes in a member's PID namespace.
pub(crate) fn processes(of: &Membership) -> impl Iterator<Item = u32> + use<> {
    let namespace = of.namespace();
    segment()
        .into_iter()
        .flat_map(slots::used)
        .filter(move |slot| slot.is_first() && slot.namespace() == namespace)
        .map(|slot| slot.tgid())
}

/// Waits, as the monitor, for an effect on the process; without a timeout for
/// ever. `None` when a signal or the time has ended the wait, or without a group.
pub(crate) fn wait_for_effect(
    reader: &Membership,
    timeout: Option<Duration>,
) -> Option<RemoteEffect> {
    let segment = segment()?;
    // Effects on others wake us, too, and must not begin the time anew.
    let deadline = timeout.map(|timeout| sys::monotonic_time().saturating_add(timeout));
    loop {
        let seen = segment.header.effects_sent.load(Acquire);
        if let Some(effect) = reader.take_monitors_effect() {
            return Some(effect);
        }
        if !effects::wait(segment, seen, deadline) {
            return reader.take_monitors_effect();
        }
    }
}

/// Counts the deaths that nobody has noticed yet.
pub(crate) fn sync() {
    if let Some(segment) = segment() {
        slots::sync(segment, NAMESPACE.load(Relaxed));
    }
}
