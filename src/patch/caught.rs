//! Stubs of sites that the net catches (`net`): made one by one, when a call first comes.

use syscalls::Errno;

use interceptor_rewrite::Patch;

use super::stub::{self, Area};
use super::{near, registry, symfile, trap};
use crate::coverage;
use crate::sys;

const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// Makes the stub of a site that the net has caught, and that is known to nobody. Nothing is
/// written to its text, which may be written by the program at any moment.
pub(super) fn make_stub_for_caught(site: u64) -> sys::Result<u64> {
    if sys::is_confined() {
        return Err(Errno::EPERM);
    }
    let patch = Patch::trap(site);
    let mut place = registry::reserve().ok_or(Errno::ENOSPC)?;
    let mapping = near::map_by_asking(&patch.window(), stub::area_len(1))?;
    let mut area = Area::new(mapping, 1);
    // The text need not be readable.
    let stub = area.add(&patch, &SYSCALL);
    let file = area.seal()?;
    // Whoever looks at a thread in the stub finds what it is: other threads may come there at once.
    place.fill_caught(&patch.window(), mapping);
    match stub.ok().filter(|stub| trap::add(site, *stub)) {
        Some(stub) => {
            place.keep();
            symfile::publish(file);
            coverage::report_caught();
            Ok(stub)
        }
        None => {
            drop(place);
            mapping.unmap();
            Err(Errno::ENOSPC)
        }
    }
}
