//! Finds every patch site of the process and applies the rewriter's plans.
//!
//! The rewriter (`crates/rewrite`) says what can be done where; this module owns
//! the memory: it maps areas for stubs near each object, writes stubs and
//! patches, and leaves every page protected as it was.

mod ahead;
mod apply;
mod at_startup;
mod begun;
mod caught;
mod clients;
mod image;
mod imports;
mod near;
mod own;
mod pristine;
mod registry;
mod round;
mod stub;
mod symfile;
mod trap;
mod vdso;
mod written;

use core::ops::Range;

use crate::config::Config;
use crate::frame::ANCHOR_AHEAD;
use crate::signal;
use crate::sys::{self, Mapping, Maps, page_up};
use crate::thread;

use apply::{PROT_EXEC, PROT_READ, PROT_WRITE};

pub(crate) use apply::{count_missed, patch_image, patch_written};
pub(crate) use at_startup::{is_in_libc, stack_of_libc};
pub(crate) use clients::are_for_drop_in;
pub(crate) use image::{Image, ImageVmas};
#[cfg(feature = "capi")]
pub(crate) use imports::{
    counts_are_imported, group_is_imported, hook_is_imported, remote_is_imported,
    signal_is_imported, time_is_imported, watch_remote,
};
pub(crate) use own::text as own_text;
pub(crate) use stub::{Phase, Place, template_is_sound};
pub(crate) use trap::stub_of as trap_stub_of;
#[cfg(feature = "capi")]
pub(crate) use vdso::are_calls as are_time_calls;
pub(crate) use vdso::make_calls as make_time_calls;

/// How all names of the C API begin.
const API: &[u8] = b"interceptor_";

/// Patches all objects that are mapped at start-up. Fails when nothing may be
/// patched; then everything is as it was.
pub(crate) fn patch_everything(maps: &Maps, config: &Config<'_>) -> sys::Result<()> {
    at_startup::patch_all(maps, config)
}

/// Whether another interceptor has come first, and patched us with the rest.
pub(crate) fn is_another_here() -> bool {
    own::are_patched_ourselves()
}

/// The last act of start-up: what it alone needed of our library is unmapped.
pub(crate) fn release_own_pages() {
    own::release_own_pages();
}

/// Whether patched text may lie in `len` bytes from `start`.
pub(crate) fn is_patched(start: u64, len: u64) -> bool {
    registry::may_contain(&range(start, len))
}

/// Text in `len` bytes from `start` is gone.
pub(crate) fn forget(start: u64, len: u64) {
    let range = range(start, len);
    if registry::may_contain(&range) {
        registry::forget(&range, false);
    }
}

/// Something else is mapped in `len` bytes from `start`. Text of files may be copied there with
/// its patches, as by programs that want it on huge pages, so that is not forgotten.
pub(crate) fn forget_written(start: u64, len: u64) {
    registry::forget(&range(start, len), true);
}

/// The program may write to `len` bytes from `start` now, or to some of them. Code there that
/// it has written becomes what it has written.
pub(crate) fn put_back_written(start: u64, len: u64) {
    registry::put_back(&range(start, len), 0);
}

/// Text in `len` bytes from `from` is at `to` now. The jumps in it, which lead to our stubs from
/// where it was, are taken out again: the file's own pages take its place.
pub(crate) fn restore_moved(from: u64, len: u64, to: u64) {
    let (moved, distance) = (range(from, len), to.wrapping_sub(from));
    registry::for_each_in(&moved, |text, area| {
        let at = |address: u64| address.wrapping_add(distance);
        if stub::is_reached_from(area, distance) {
            sys::drop_pages(&(at(text.start)..at(text.end)));
        }
    });
    if registry::has_written_in(&moved) {
        // Nobody executes it yet where it is.
        let there = Mapping { start: to, len: page_up(len) };
        if there.protect(PROT_READ | PROT_WRITE).is_ok() {
            registry::put_back(&moved, distance);
            let _ = there.protect(PROT_READ | PROT_EXEC);
        }
    }
}

/// The place of an address in a stub; `None` for any other.
fn place_in_stub(address: u64) -> Option<Place> {
    stub::place_in(registry::area_at(address)?, address)
}

/// The same, and that of a rt_sigreturn which has left its stub, so that the net does not catch it.
fn place_in_stub_or_behind(address: u64) -> Option<Place> {
    if address != signal::sigreturn() {
        return place_in_stub(address);
    }
    place_in_stub(thread::known_block()?.returning)
}

/// The place of an address in padding, where a site's short jump leads to a
/// longer one: the site, with all registers the program's.
fn place_in_hole(address: u64) -> Option<Place> {
    let (text, area) = registry::text_and_area_of(address)?;
    if address + stub::JUMP as u64 > text.end {
        return None;
    }
    // SAFETY: patched text that is mapped; patches leave it readable.
    let code = unsafe { (address as *const [u8; stub::JUMP]).read() };
    let target = stub::jump_target(address, code)?;
    let place = stub::place_in(area, target)?;
    let is_stubs_start = place.start == target && place.address != address;
    is_stubs_start.then_some(Place { phase: Phase::Moved, ..place })
}

/// Where the program stands, if the processor is in a stub, on the way to it, or in a thunk that
/// has not entered or has left the private stack; `rcx` and `r11` are the
/// processor's.
///
/// A thunk knows the stub by one of them: the anchor on the way in, the place
/// in the stub on the way out.
pub(crate) fn place_of(address: u64, rcx: u64, r11: u64) -> Option<Place> {
    let Some(thunk) = thunk_at(address) else {
        return place_in_stub_or_behind(address).or_else(|| place_in_hole(address));
    };
    let place = [rcx, r11].into_iter().find_map(place_in_stub_or_behind)?;
    match thunk {
        Thunk::EnterOrLeave => Some(place),
        Thunk::Exit => Some(Place { address: place.after, phase: Phase::Returned, ..place }),
    }
}

/// Where the processor must go on for the program to go on at `address`: there,
/// or in a stub if a patch has replaced the instruction.
pub(crate) fn way_to(address: u64) -> u64 {
    let moved =
        registry::text_and_area_of(address).and_then(|(_, area)| stub::moved_in(area, address));
    moved.unwrap_or(address)
}

/// A thunk, as far as it matters to whoever is interrupted in it.
enum Thunk {
    /// On the way to the entry, the call not made; or on the way back.
    EnterOrLeave,
    /// On the way to the entry after the call.
    Exit,
}

/// The copy of the thunks that contains an address.
fn thunks_at(address: u64) -> Option<u64> {
    let start = match crate::thunk::first_copy() {
        copy if copy.contains(&address) => copy.start,
        _ => registry::area_at(address)?.start,
    };
    (address < start + crate::thunk::len()).then_some(start)
}

/// The thunk that contains an address.
fn thunk_at(address: u64) -> Option<Thunk> {
    let start = thunks_at(address)?;
    let exit = crate::thunk::exit_in(start)..start + crate::thunk::leave_offset(0);
    Some(if exit.contains(&address) { Thunk::Exit } else { Thunk::EnterOrLeave })
}

/// Where a thread that is in a thunk, and has taken no level yet, begins with it anew: rip and
/// rcx. For when it has seen levels ready that need not be so any more.
pub(crate) fn beginning_of_thunk(address: u64, r11: u64) -> Option<(u64, u64)> {
    let start = thunks_at(address)?;
    let (enter, exit) = (crate::thunk::enter_in(start), crate::thunk::exit_in(start));
    let to = match address - start {
        offset if offset >= crate::thunk::leave_offset(0) => return None,
        _ if address > exit => (exit, r11 - ANCHOR_AHEAD),
        _ if address > enter && address < exit => (enter, r11),
        _ => return None,
    };
    // Elsewhere it is on the way out.
    place_in_stub(r11).is_some_and(|place| place.anchor == r11).then_some(to)
}

/// Makes all calls take the careful way, from now on.
pub(crate) fn divert_all() -> sys::Result<()> {
    registry::areas().try_for_each(|area| crate::thunk::divert_in_use(area.start))
}

/// Whether an address is in a thunk.
pub(crate) fn is_thunk(address: u64) -> bool {
    thunk_at(address).is_some()
}

/// Whether an address is in the runtime's own code.
pub(crate) fn is_own_text(address: u64) -> bool {
    own::text().contains(&address)
}

/// The stub of a site that the net has caught, which is made if there is none. None for a call
/// that a stub makes, and where there cannot be one.
pub(crate) fn stub_of_caught(site: u64) -> Option<u64> {
    if place_in_stub(site).is_some() {
        return None;
    }
    trap::stub_of(site).or_else(|| caught::make_stub_for_caught(site).ok())
}

fn range(start: u64, len: u64) -> Range<u64> {
    start..start.saturating_add(page_up(len))
}
