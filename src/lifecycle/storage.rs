//! A thread that takes other storage: arch_prctl(ARCH_SET_FS).

use super::Step;
use super::birth::{self, StandsBack};
use crate::sys;
use crate::thread::{self, ThreadBlock, sharers};

const ARCH_SET_FS: u32 = 0x1002;

/// arch_prctl on its way in.
pub(super) fn enter(block: &mut ThreadBlock, args: &[u64; 6]) -> Step {
    let [operation, storage, ..] = *args;
    if operation as u32 != ARCH_SET_FS || storage == thread::storage_of_caller() {
        return Step::Forward;
    }
    let is_confined = sys::is_confined();
    if is_confined || !sharers::takes(storage) {
        let why = if is_confined { StandsBack::Confined } else { StandsBack::NoSeat };
        birth::stand_back(block, why);
        return Step::Forward;
    }
    Step::ForwardAndExit
}

/// It came out.
pub(super) fn exit() {
    sharers::took(sys::thread_pointer());
}
