//! Processes and threads: how they are made, what they may, what they used.

use crate::format::Scene;
use crate::format::text::Item;
use crate::format::time::Unit;
use crate::line::Line;
use crate::memory::{Record, read_u32};
use crate::names::processes;

const CLONE_PIDFD: u64 = 0x1000;
const CLONE_SETTLS: u64 = 0x8_0000;
const CLONE_PARENT_SETTID: u64 = 0x10_0000;
const CLONE_CHILD_TID: u64 = 0x120_0000;

impl Scene<'_> {
    /// The first two arguments of `clone`, in the order of its manual page.
    pub(super) fn clone_flags(&self, line: &mut Line<'_>, value: u64) {
        line.text("child_stack=").address(self.arg(1)).text(", flags=");
        let (flags, signal) = (value & 0xffff_ff00, value & 0xff);
        if flags != 0 {
            line.flags(processes::CLONE, flags);
        }
        if signal != 0 {
            line.text(if flags != 0 { "|" } else { "" });
            self.signal(line, signal);
        } else if flags == 0 {
            line.text("0");
        }
    }

    /// Whether `clone` looks at an argument, given its flags.
    pub(super) fn is_clone_argument(&self, index: usize) -> bool {
        let flags = self.arg(0);
        match index {
            0 => true,
            2 => flags & (CLONE_PARENT_SETTID | CLONE_PIDFD) != 0,
            3 => flags & CLONE_CHILD_TID != 0,
            4 => flags & CLONE_SETTLS != 0,
            _ => false,
        }
    }

    pub(super) fn clone_parent_tid(&self, line: &mut Line<'_>, address: u64) {
        line.text("parent_tid=");
        match self.failed() {
            true => {
                line.address(address);
            }
            false => self.numbers_at::<4>(line, address),
        }
    }

    /// `struct clone_args`.
    pub(super) fn clone_arguments(&self, line: &mut Line<'_>, address: u64, size: u64) {
        const SMALLEST: u64 = 64;
        let record = match address {
            0 => None,
            _ if size < SMALLEST => None,
            _ => Record::<88>::read_part(self.memory, address, size),
        };
        let Some(record) = record else {
            line.address(address);
            return;
        };
        let flags = record.u64(0);
        line.text("{flags=").flags(processes::CLONE, flags);
        if flags & CLONE_PIDFD != 0 {
            line.text(", pidfd=").address(record.u64(8));
        }
        if flags & CLONE_CHILD_TID != 0 {
            line.text(", child_tid=").address(record.u64(16));
        }
        if flags & CLONE_PARENT_SETTID != 0 {
            line.text(", parent_tid=").address(record.u64(24));
        }
        line.text(", exit_signal=");
        self.signal(line, record.u64(32));
        line.text(", stack=").address(record.u64(40));
        line.text(", stack_size=").hex(record.u64(48));
        if flags & CLONE_SETTLS != 0 {
            line.text(", tls=").address(record.u64(56));
        }
        if size >= 80 && record.u64(72) != 0 {
            line.text(", set_tid=");
            self.numbers(line, record.u64(64), record.u64(72));
            line.text(", set_tid_size=").udec(record.u64(72));
        }
        if size >= 88 && record.u64(80) != 0 {
            line.text(", cgroup=").udec(record.u64(80));
        }
        line.text("}");
    }

    /// What `clone3` wrote for its caller, and its last argument.
    pub(super) fn clone_results(&self, line: &mut Line<'_>, size: u64) {
        let record = Record::<32>::read(self.memory, self.arg(0));
        let wrote = record.filter(|record| {
            !self.failed() && record.u64(0) & (CLONE_PARENT_SETTID | CLONE_PIDFD) != 0
        });
        if let Some(record) = wrote {
            let mut before = " => {";
            for (flag, name, at) in
                [(CLONE_PIDFD, "pidfd=", 8), (CLONE_PARENT_SETTID, "parent_tid=", 24)]
            {
                if record.u64(0) & flag != 0 {
                    line.text(before).text(name);
                    self.numbers_at::<4>(line, record.u64(at));
                    before = ", ";
                }
            }
            line.text("}");
        }
        line.text(", ").udec(size);
    }

    pub(super) fn usage(&self, line: &mut Line<'_>, address: u64) {
        if let Some(record) = self.record::<32>(line, address) {
            line.text("{ru_utime=");
            line.time(&record, 0, Unit::Microseconds);
            line.text(", ru_stime=");
            line.time(&record, 16, Unit::Microseconds);
            line.text(", ...}");
        }
    }

    /// `{rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}`.
    pub(super) fn limit(&self, line: &mut Line<'_>, address: u64) {
        let Some(record) = self.record::<16>(line, address) else {
            return;
        };
        for (name, value) in [("{rlim_cur=", record.u64(0)), (", rlim_max=", record.u64(8))] {
            line.text(name);
            match value {
                u64::MAX => line.text("RLIM64_INFINITY"),
                _ if value > 1024 && value.is_multiple_of(1024) => {
                    line.udec(value / 1024).text("*1024")
                }
                _ => line.udec(value),
            };
        }
        line.text("}");
    }

    pub(super) fn capability_header(&self, line: &mut Line<'_>, address: u64) {
        if let Some(record) = self.record::<8>(line, address) {
            let version = u64::from(record.u32(0));
            line.text("{version=").choice(processes::CAPABILITY_VERSION, version);
            line.text(", pid=").dec(record.i32(4).into()).text("}");
        }
    }

    /// Capabilities, in two halves unless the header says version 1.
    pub(super) fn capabilities(&self, line: &mut Line<'_>, address: u64) {
        const VERSION_1: u32 = 0x1998_0330;
        let old = read_u32(self.memory, self.arg(0)) == Some(VERSION_1);
        let record = match address {
            0 => None,
            _ => Record::<24>::read_part(self.memory, address, if old { 12 } else { 24 }),
        };
        let Some(record) = record else {
            line.address(address);
            return;
        };
        for (name, at) in [("{effective=", 0), (", permitted=", 4), (", inheritable=", 8)] {
            line.text(name);
            let set = u64::from(record.u32(at)) | u64::from(record.u32(at + 12)) << 32;
            capability_set(line, set);
        }
        line.text("}");
    }

    pub(super) fn scheduling(&self, line: &mut Line<'_>, address: u64) {
        const FIRST_SIZE: u64 = 48;
        let size = read_u32(self.memory, address).unwrap_or(0);
        let record = match address {
            0 => None,
            _ => Record::<56>::read_part(self.memory, address, u64::from(size).max(FIRST_SIZE)),
        };
        let Some(record) = record else {
            line.address(address);
            return;
        };
        line.text("{size=").udec(record.u32(0).into());
        line.text(", sched_policy=").choice(processes::SCHEDULER, record.u32(4).into());
        line.text(", sched_flags=").flags(processes::SCHEDULER_FLAGS, record.u64(8));
        line.text(", sched_nice=").dec(record.i32(16).into());
        line.text(", sched_priority=").udec(record.u32(20).into());
        line.text(", sched_runtime=").udec(record.u64(24));
        line.text(", sched_deadline=").udec(record.u64(32));
        line.text(", sched_period=").udec(record.u64(40));
        if size >= 56 {
            line.text(", sched_util_min=").udec(record.u32(48).into());
            line.text(", sched_util_max=").udec(record.u32(52).into());
        }
        line.text("}");
    }

    /// A set of processors or nodes of so many bytes, `[0 1]`.
    pub(super) fn bits(&self, line: &mut Line<'_>, address: u64, size: u64) {
        const LARGEST: u64 = 1024;
        if address == 0 || Record::<1>::read_part(self.memory, address, size.min(1)).is_none() {
            line.address(address);
            return;
        }
        line.text("[");
        let mut separator = "";
        let mut shown = 0;
        for word in 0..size.min(LARGEST).div_ceil(8) {
            let left = size - word * 8;
            let at = address.wrapping_add(word * 8);
            let Some(record) = Record::<8>::read_part(self.memory, at, left) else {
                break;
            };
            let bits = record.u64(0);
            for bit in (0..64).filter(|bit| bits >> bit & 1 != 0) {
                if shown >= self.string_limit {
                    line.text(separator).text("...]");
                    return;
                }
                line.text(separator).udec(word * 64 + bit);
                separator = " ";
                shown += 1;
            }
        }
        line.text("]");
    }

    /// Group numbers, `[0, 4, 24]`.
    pub(super) fn groups(&self, line: &mut Line<'_>, address: u64, count: u64) {
        self.array(line, address, count, 4, |line, item| {
            let Some(record) = Record::<4>::read(self.memory, item) else {
                return Item::Unreadable;
            };
            line.begin_item(item != address);
            line.udec(record.u32(0).into());
            Item::Shown
        });
    }

    /// One user or group number at an address, `[1000]`.
    pub(super) fn number_at(&self, line: &mut Line<'_>, address: u64) {
        if let Some(record) = self.record::<4>(line, address) {
            line.text("[").udec(record.u32(0).into()).text("]");
        }
    }
}

fn capability_set(line: &mut Line<'_>, set: u64) {
    if set == 0 {
        line.text("0");
        return;
    }
    let mut separator = "";
    for bit in (0..64).filter(|bit| set >> bit & 1 != 0) {
        line.text(separator).text("1<<");
        match processes::CAPABILITY.name(bit) {
            Some(name) => line.name(name),
            None => line.udec(bit),
        };
        separator = "|";
    }
}
