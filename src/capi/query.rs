//! What a hook may ask of the runtime, and memory that it may not trust.

use core::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use interceptor_abi::segment::{CALLS, Segment};
use syscalls::Errno;

use super::chain;
use super::errno::returned;
use crate::diagnostics::say;
use crate::{group, sys, thread};

/// The C face of [`coverage`](crate::coverage()): name, then sites by outcome.
#[repr(C)]
pub struct CCoverage {
    object: [u8; crate::OBJECT_NAME],
    sites: [u32; crate::Outcome::COUNT],
}

/// Fills in the coverage of an object. Returns 0, or -1 and errno when there is no
/// object with this index.
///
/// # Safety
///
/// `coverage` points to memory for one [`CCoverage`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn interceptor_coverage(index: c_uint, coverage: *mut CCoverage) -> c_int {
    let Some(object) = crate::coverage().nth(index as usize) else {
        return returned(Err(Errno::ENOENT)) as c_int;
    };
    // SAFETY: the caller's.
    unsafe { coverage.write(CCoverage { object: object.name, sites: object.sites }) };
    0
}

/// `struct interceptor_counts` of the header.
#[derive(Default)]
#[repr(C)]
pub struct Counts {
    calls: u64,
    errors: u64,
    timed: u64,
    cycles: u64,
    longest: u64,
}

/// Fills in what was counted of a call, or of all (`nr` -1). Returns 0, or -1 and errno.
///
/// # Safety
///
/// `counts` points to memory for one [`Counts`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn interceptor_query_counts(nr: c_long, counts: *mut Counts) -> c_int {
    let known = group::segment().ok_or(Errno::ENODATA).and_then(|segment| match nr {
        -1 => Ok(total(segment)),
        _ => {
            let index = usize::try_from(nr).ok().filter(|index| *index < CALLS);
            Ok(counts_of(segment, index.ok_or(Errno::EINVAL)?))
        }
    });
    returned(known.map(|known| {
        // SAFETY: the caller's.
        unsafe { counts.write(known) };
        0
    })) as c_int
}

fn total(segment: &Segment) -> Counts {
    (0..CALLS).map(|index| counts_of(segment, index)).fold(Counts::default(), |sum, one| Counts {
        calls: sum.calls + one.calls,
        errors: sum.errors + one.errors,
        timed: sum.timed + one.timed,
        cycles: sum.cycles + one.cycles,
        longest: sum.longest.max(one.longest),
    })
}

/// Of the call at an index below [`CALLS`].
fn counts_of(segment: &Segment, index: usize) -> Counts {
    let load = |counter: Option<&AtomicU64>| counter.map_or(0, |counter| counter.load(Relaxed));
    let mut counts = Counts::default();
    for lane in &segment.lanes {
        counts.calls += load(lane.calls.get(index));
        counts.errors += load(lane.errors.get(index));
    }
    if let Some(duration) = segment.durations.get(index) {
        counts.timed = duration.samples.load(Relaxed);
        counts.cycles = duration.total.load(Relaxed);
        counts.longest = duration.max.load(Relaxed);
    }
    counts
}

/// `struct interceptor_losses` of the header.
#[repr(C)]
pub struct Losses {
    not_armed: u64,
    not_followed: u64,
    calls: u64,
    threads: u64,
    effects: u64,
}

/// Fills in what escaped. Returns 0, or -1 and errno.
///
/// # Safety
///
/// `losses` points to memory for one [`Losses`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn interceptor_query_losses(losses: *mut Losses) -> c_int {
    let known = group::segment().ok_or(Errno::ENODATA).map(|segment| {
        let header = &segment.header;
        let known = Losses {
            not_armed: header.not_armed.load(Relaxed),
            not_followed: u64::from(header.not_followed.load(Relaxed)),
            calls: header.lost_calls.load(Relaxed),
            threads: u64::from(header.population.lost_threads.load(Relaxed)),
            effects: u64::from(header.lost_effects.load(Relaxed)),
        };
        // SAFETY: the caller's.
        unsafe { losses.write(known) };
        0
    });
    returned(known) as c_int
}

/// Copies memory of the program from an address that may be anything. Returns 0; or -1
/// and errno EFAULT, and then what `to` holds is undefined.
///
/// # Safety
///
/// `to` points to memory for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn interceptor_read(to: *mut c_void, from: c_long, size: usize) -> c_int {
    if size == 0 {
        return 0;
    }
    // SAFETY: the caller's.
    let buffer = unsafe { core::slice::from_raw_parts_mut(to.cast::<u8>(), size) };
    let read = sys::read_guest(from as u64, buffer);
    returned(if read == size { Ok(0) } else { Err(Errno::EFAULT) }) as c_int
}

/// Copies memory to the program, to an address that may be anything. Returns 0; or -1
/// and errno EFAULT, and then a part may have been written.
///
/// # Safety
///
/// `from` points to `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn interceptor_write(to: c_long, from: *const c_void, size: usize) -> c_int {
    if size == 0 {
        return 0;
    }
    // SAFETY: the caller's.
    let bytes = unsafe { core::slice::from_raw_parts(from.cast::<u8>(), size) };
    let written = sys::write_guest_bytes(to as u64, bytes);
    returned(if written == size { Ok(0) } else { Err(Errno::EFAULT) }) as c_int
}

/// Copies a string of the program with its NUL. Returns its length; or -1 and errno:
/// EFAULT, or ENAMETOOLONG for one that does not end within `size` bytes.
///
/// # Safety
///
/// `to` points to memory for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn interceptor_read_string(
    to: *mut c_char,
    from: c_long,
    size: usize,
) -> c_long {
    if size == 0 {
        return returned(Err(Errno::ENAMETOOLONG));
    }
    // SAFETY: the caller's.
    let buffer = unsafe { core::slice::from_raw_parts_mut(to.cast::<u8>(), size) };
    returned(sys::copy_guest_string(from as u64, buffer))
}

/// Whether the calling thread executes a hook, so that its calls are not hooked.
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_in_hook() -> c_int {
    c_int::from(thread::is_in_hook())
}

/// Where the calling thread keeps the word of a hook; handle 0 is the hook variable.
/// Null for a handle that is none, and without interception.
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_thread_word(handle: c_int) -> *mut *mut c_void {
    let slot = match handle {
        0 => Some(0),
        _ => super::registry::slot_index(handle),
    };
    let is_allowed = super::interceptor_allowed() != 0;
    slot.filter(|_| is_allowed)
        .map_or(core::ptr::null_mut(), |slot| chain::thread_word(slot).cast())
}

/// `INTERCEPTOR_VERSION` of this library.
const VERSION: c_uint = version();

/// The version of the package, of which each part has a byte.
const fn version() -> c_uint {
    const fn number(text: &str) -> c_uint {
        let (mut value, mut rest) = (0, text.as_bytes());
        while let [digit, more @ ..] = rest {
            value = value * 10 + (*digit - b'0') as c_uint;
            rest = more;
        }
        value
    }
    number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
        | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
        | number(env!("CARGO_PKG_VERSION_PATCH"))
}

/// The version of this library.
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_version() -> c_uint {
    VERSION
}

/// Whether a hook that was compiled with a header of this version may use this library.
/// If not, one line says so.
///
/// # Safety
///
/// `name` is null or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn interceptor_check_version(header: c_uint, name: *const c_char) -> c_int {
    // Within a major version headers of older libraries are good for newer ones.
    let is_good = header >> 16 == VERSION >> 16 && header >> 8 <= VERSION >> 8;
    if !is_good {
        // SAFETY: the caller's.
        let name = if name.is_null() { c"a hook" } else { unsafe { CStr::from_ptr(name) } };
        say(format_args!(
            "{} was compiled for version {}, and this is {}: compile it anew, or install that version",
            crate::diagnostics::Lossy(name.to_bytes()),
            Version(header),
            Version(VERSION),
        ));
    }
    c_int::from(is_good)
}

struct Version(c_uint);

impl core::fmt::Display for Version {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{}.{}", self.0 >> 16, self.0 >> 8 & 0xff, self.0 & 0xff)
    }
}
