//! Programs that restrict their own system calls (seccomp) or the TSC.
//!
//! The runtime's calls come from the program's process, so a filter that the
//! program installs for itself applies to them, too, and may end the process.
//! From then on the runtime makes none on the path of a call: no trace, no
//! patching of what is mapped later, no timing, and pointers of the program are
//! followed directly.

use syscalls::Sysno;

use super::birth::{self, StandsBack};
use crate::interest::{self, TRACE};
use crate::signal;
use crate::stat;
use crate::sys;
use crate::thread::{ThreadBlock, seats};
use crate::trace;

const PR_SET_SECCOMP: u32 = 22;
const PR_SET_TSC: u32 = 26;
const PR_TSC_SIGSEGV: u64 = 2;
const SECCOMP_MODE_STRICT: u64 = 1;
const SECCOMP_MODE_FILTER: u64 = 2;
const SECCOMP_SET_MODE_STRICT: u32 = 0;
const SECCOMP_SET_MODE_FILTER: u32 = 1;

/// prctl and seccomp on their way in.
pub(super) fn enter(block: &mut ThreadBlock, sysno: Sysno, args: &[u64; 6]) {
    let [operation, argument, third, ..] = *args;
    // As the kernel: of the others it looks at all 64 bits.
    let operation = operation as u32;
    // Without a filter a program only asks whether the kernel has filters (EFAULT).
    let restricts = match sysno {
        Sysno::prctl if operation == PR_SET_SECCOMP => {
            argument == SECCOMP_MODE_STRICT || argument == SECCOMP_MODE_FILTER && third != 0
        }
        Sysno::prctl => false,
        _ => {
            operation == SECCOMP_SET_MODE_STRICT
                || operation == SECCOMP_SET_MODE_FILTER && third != 0
        }
    };
    if restricts && seats::are_taken() {
        // They are told apart by calls of ours.
        birth::stand_back(block, StandsBack::Confined);
    }
    if restricts {
        trace::stop(
            block,
            "the program restricts its system calls (seccomp); calls from here on are not shown",
        );
        interest::remove_all(TRACE);
        stat::stop_timing();
        signal::leave_faults_unblocked();
        sys::confine();
    }
    if sysno == Sysno::prctl && operation == PR_SET_TSC && argument == PR_TSC_SIGSEGV {
        stat::stop_timing();
    }
}
