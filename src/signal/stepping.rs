//! Programs that step through themselves, with TF.
//!
//! They get a SIGTRAP after each of their instructions. Those of ours are
//! none of theirs: their traps end here, TF stays set, and the program sees each
//! address once.

use super::context::{SigInfo, UContext};
use super::words::TF;
use crate::patch::{self, Phase, Place};
use crate::thread::ThreadBlock;

const SIGTRAP: i32 = 5;
const TRAP_BRKPT: i32 = 1;
const TRAP_TRACE: i32 = 2;

/// Where the last trap of this kind came.
#[derive(Clone, Copy)]
pub(crate) struct LastStep {
    /// In terms of the program.
    address: u64,
    /// In code of ours.
    is_ours: bool,
}

impl LastStep {
    /// Whether TF is the program's, while the runtime runs.
    pub(super) fn is_programs(&self) -> bool {
        self.is_ours
    }
}

/// Whether a trap came after an instruction that is not the program's.
pub(super) fn is_ours(block: &mut ThreadBlock, info: &SigInfo, context: &UContext) -> bool {
    if !is_step(info, context) {
        return false;
    }
    let rip = context.rip;
    let is_on_our_stack = block.region().contains(&context.rsp);
    let last = &mut block.last_step;
    // There rcx and r11 may still hold what led to a stub.
    let place = if is_on_our_stack { None } else { patch::place_of(rip, context.rcx, context.r11) };
    let Some(place) = place else {
        let is_inside = is_on_our_stack || patch::is_own_text(rip) || patch::is_thunk(rip);
        let is_arrival = last.is_ours && last.address == rip;
        last.is_ours = is_inside;
        if !is_inside {
            last.address = rip;
        }
        return is_inside || is_arrival;
    };
    let is_same = place.address == last.address;
    *last = LastStep { address: place.address, is_ours: true };
    // After `syscall` the CPU traps one instruction later.
    is_same || is_just_after(&place)
}

/// Whether a trap comes of TF. Where a hypervisor loses DR6 now and then, the kernel takes a
/// step for `int1` (`exc_debug_user`).
fn is_step(info: &SigInfo, context: &UContext) -> bool {
    let is_lost = || info.code == TRAP_BRKPT && context.eflags & TF != 0;
    info.signal == SIGTRAP && (info.code == TRAP_TRACE || is_lost())
}

fn is_just_after(place: &Place) -> bool {
    matches!(place.phase, Phase::Returned | Phase::Done)
        || place.phase == Phase::Moved && place.address == place.after
}
