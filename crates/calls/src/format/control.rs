//! Calls that are many in one: `fcntl`, `prctl`, `arch_prctl`, `futex`. For `ioctl`,
//! see `device`.

use crate::format::Scene;
use crate::format::device::{fills_argument, takes_argument};
use crate::format::file::Owner;
use crate::format::time::Unit;
use crate::kind::Kind;
use crate::line::Line;
use crate::names::{files, processes};
use crate::signals::SIGRTMIN;

const F_GETLK: u32 = 5;
const F_OFD_GETLK: u32 = 36;
const F_GETOWN_EX: u32 = 16;
const PR_SET_VMA: u32 = 0x5356_4d41;

impl Scene<'_> {
    /// Whether the call, given its other arguments, fills this one.
    pub(super) fn fills_control_argument(&self, index: usize) -> bool {
        let command = self.arg(index.wrapping_sub(1)) as u32;
        match self.kind(index) {
            Kind::FcntlArgument => matches!(command, F_GETLK | F_OFD_GETLK | F_GETOWN_EX),
            Kind::IoctlArgument => fills_argument(command),
            // PR_GET_PDEATHSIG, PR_GET_NAME, PR_GET_TSC, PR_GET_CHILD_SUBREAPER,
            // PR_GET_TID_ADDRESS
            Kind::PrctlArgument => matches!(command, 2 | 16 | 25 | 37 | 40),
            // ARCH_GET_FS, ARCH_GET_GS, ARCH_GET_XCOMP_*
            Kind::ArchPrctlArgument => {
                matches!(command, 0x1003 | 0x1004 | 0x1021 | 0x1022 | 0x1024)
            }
            _ => false,
        }
    }

    /// Whether a command takes an argument at all.
    pub(super) fn has_control_argument(&self, index: usize) -> bool {
        let command = self.arg(index.wrapping_sub(1)) as u32;
        match self.kind(index) {
            // F_GETFD, F_GETFL, F_GETOWN, F_GETSIG, F_GETLEASE, F_GETPIPE_SZ, F_GET_SEALS
            Kind::FcntlArgument => !matches!(command, 1 | 3 | 9 | 11 | 1025 | 1032 | 1034),
            Kind::IoctlArgument => takes_argument(command),
            Kind::ArchPrctlArgument => command != 0x1011,
            _ => true,
        }
    }

    pub(super) fn fcntl(&self, line: &mut Line<'_>, value: u64) {
        match self.arg(1) as u32 {
            // F_DUPFD, F_DUPFD_CLOEXEC, F_DUPFD_QUERY, F_SETOWN, F_SETPIPE_SZ
            0 | 1030 | 1027 | 8 | 1031 => {
                line.dec(i64::from(value as i32));
            }
            // F_SETFD
            2 => {
                line.flags(files::DESCRIPTOR, value & 0xffff_ffff);
            }
            // F_SETFL
            4 => {
                let names = files::ACCESS_MODE_OF_OPEN;
                line.mixed(names, 3, files::OPEN, value & 0xffff_ffff);
            }
            // F_SETOWN_EX
            15 | F_GETOWN_EX => {
                if let Some(record) = self.record::<8>(line, value) {
                    line.text("{type=").choice(files::OWNER, record.u32(0).into());
                    line.text(", pid=").dec(record.i32(4).into()).text("}");
                }
            }
            F_GETLK | F_OFD_GETLK => self.lock(line, value, Owner::Shown),
            // F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW
            6 | 7 | 37 | 38 => self.lock(line, value, Owner::Hidden),
            // F_SETSIG
            10 => self.signal(line, value & 0xffff_ffff),
            // F_SETLEASE
            1024 => {
                line.choice(files::LOCK_TYPE, value & 0xffff_ffff);
            }
            // F_ADD_SEALS
            1033 => {
                line.flags(files::SEALS, value & 0xffff_ffff);
            }
            _ => {
                line.hex(value);
            }
        }
    }

    /// How many arguments an option of `prctl` has, itself included.
    pub(super) fn prctl_arguments(&self) -> usize {
        match self.arg(0) as u32 {
            // Those that only ask.
            3 | 7 | 13 | 21 | 27 | 30..=32 => 1,
            1
            | 2
            | 4
            | 5
            | 6
            | 8
            | 9..=12
            | 14..=16
            | 19
            | 20
            | 23..=26
            | 28
            | 29
            | 36
            | 37
            | 40 => 2,
            22 => 3,
            0x5961_6d61 => 2,
            _ => 5,
        }
    }

    pub(super) fn prctl(&self, line: &mut Line<'_>, value: u64) {
        match self.arg(0) as u32 {
            // PR_SET_PDEATHSIG
            1 => self.signal(line, value & 0xffff_ffff),
            // PR_GET_PDEATHSIG
            2 => {
                if let Some(record) = self.record::<4>(line, value) {
                    line.text("[");
                    self.signal(line, record.u32(0).into());
                    line.text("]");
                }
            }
            // PR_SET_NAME, PR_GET_NAME: 16 bytes
            15 | 16 => self.name_of(line, value, 16),
            // PR_SET_DUMPABLE
            4 => {
                match value {
                    0 => line.text("SUID_DUMP_DISABLE"),
                    1 => line.text("SUID_DUMP_USER"),
                    2 => line.text("SUID_DUMP_ROOT"),
                    _ => line.hex(value),
                };
            }
            // PR_SET_SECCOMP
            22 => {
                line.choice(processes::SECCOMP_MODE, value);
            }
            // PR_CAPBSET_READ, PR_CAPBSET_DROP
            23 | 24 => {
                line.choice(processes::CAPABILITY, value);
            }
            25 | 37 => self.numbers_at::<4>(line, value),
            PR_SET_VMA if value == 0 => {
                line.text("PR_SET_VMA_ANON_NAME");
            }
            40 => self.pointer_at(line, value),
            // PR_SET_KEEPCAPS, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_SET_TIMERSLACK
            8 | 29 | 36 | 38 => {
                line.udec(value);
            }
            _ => {
                line.hex(value);
            }
        }
    }

    /// The fifth argument, which is a name for one option.
    pub(super) fn prctl_last(&self, line: &mut Line<'_>, value: u64) {
        match self.arg(0) as u32 {
            PR_SET_VMA => self.text(line, value),
            _ => {
                line.hex(value);
            }
        }
    }

    pub(super) fn arch_prctl(&self, line: &mut Line<'_>, value: u64) {
        match self.fills_control_argument(1) {
            true => self.pointer_at(line, value),
            false => {
                line.hex(value);
            }
        }
    }

    /// `FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME`.
    pub(super) fn futex_operation(&self, line: &mut Line<'_>, value: u64) {
        const PRIVATE: u64 = 0x80;
        const REALTIME: u64 = 0x100;
        let value = value & 0xffff_ffff;
        let operation = value & !(PRIVATE | REALTIME);
        match processes::FUTEX.name(operation) {
            Some(name) => {
                line.name(name);
                if value & PRIVATE != 0 {
                    line.text("_PRIVATE");
                }
                if value & REALTIME != 0 {
                    line.text("|FUTEX_CLOCK_REALTIME");
                }
            }
            None => {
                line.flags(processes::FUTEX_FLAGS, value);
            }
        }
    }

    /// Whether a futex operation looks at an argument.
    pub(super) fn is_futex_argument(&self, index: usize) -> bool {
        let count = match self.futex_command() {
            // WAIT
            0 => 4,
            // WAKE, FD
            1 | 2 => 3,
            // REQUEUE
            3 => 5,
            // LOCK_PI, LOCK_PI2, with a timeout and no value
            6 | 13 => return matches!(index, 0 | 1 | 3),
            // UNLOCK_PI, TRYLOCK_PI
            7 | 8 => 2,
            // WAIT_BITSET: no second word
            9 => return index != 4,
            // WAKE_BITSET: neither timeout nor second word
            10 => return !matches!(index, 3 | 4),
            // WAIT_REQUEUE_PI
            11 => 5,
            _ => 6,
        };
        index < count
    }

    fn futex_command(&self) -> u32 {
        self.arg(1) as u32 & 0x7f
    }

    /// The fourth argument: a timeout, or for some operations a number.
    pub(super) fn futex_timeout(&self, line: &mut Line<'_>, value: u64) {
        match self.futex_command() {
            3..=5 | 12 => {
                line.udec(value & 0xffff_ffff);
            }
            _ => self.time(line, value, Unit::Nanoseconds),
        }
    }

    /// The sixth argument: a set of bits, a value, or an operation.
    pub(super) fn futex_last(&self, line: &mut Line<'_>, value: u64) {
        let value = value & 0xffff_ffff;
        match self.futex_command() {
            9 | 10 if value == 0xffff_ffff => {
                line.text("FUTEX_BITSET_MATCH_ANY");
            }
            9 | 10 => {
                line.hex(value);
            }
            5 => {
                let shift = if value >> 31 != 0 { "FUTEX_OP_OPARG_SHIFT<<28|" } else { "" };
                line.text(shift);
                line.choice(processes::FUTEX_WAKE_OPERATION, value >> 28 & 7).text("<<28|");
                line.hex(value >> 12 & 0xfff).text("<<12|");
                line.choice(processes::FUTEX_WAKE_COMPARISON, value >> 24 & 15).text("<<24|");
                line.hex(value & 0xfff);
            }
            _ => {
                line.udec(value);
            }
        }
    }

    /// Signals that a caught result names: `17 (SIGCHLD)`.
    pub(super) fn signal_result(&self, line: &mut Line<'_>, value: u64) {
        line.udec(value);
        if (1..SIGRTMIN + 33).contains(&value) {
            line.text(" (");
            self.signal(line, value);
            line.text(")");
        }
    }
}
