//! Sets of descriptors that are waited for, and what became ready.

use crate::format::Scene;
use crate::format::text::Item;
use crate::format::time::Unit;
use crate::line::Line;
use crate::memory::Record;
use crate::names::{files, processes};

/// Longest set of descriptors that is looked at, in bits; glibc's `FD_SETSIZE`.
const FDS: u64 = 1024;

impl Scene<'_> {
    /// A set of descriptors, `[3 4]`; how long it is, the first argument says.
    pub(super) fn fd_set(&self, line: &mut Line<'_>, address: u64) {
        let bits = u64::from(self.arg(0) as u32).min(FDS);
        if address == 0 || !self.is_set_readable(address, bits) {
            line.address(address);
            return;
        }
        line.text("[");
        let mut separator = "";
        for word in 0..bits.div_ceil(64) {
            let at = address.wrapping_add(word * 8);
            let Some(record) = Record::<8>::read(self.memory, at) else {
                break;
            };
            let present = record.u64(0);
            for bit in (0..64).filter(|bit| present >> bit & 1 != 0) {
                let fd = word * 64 + bit;
                if fd < bits {
                    line.text(separator).udec(fd);
                    separator = " ";
                }
            }
        }
        line.text("]");
    }

    fn is_set_readable(&self, address: u64, bits: u64) -> bool {
        bits == 0 || Record::<8>::read(self.memory, address).is_some()
    }

    /// What became ready, after the result.
    pub(super) fn ready(&self, line: &mut Line<'_>) {
        line.udec(self.count());
        if self.count() == 0 {
            line.text(" (Timeout)");
            return;
        }
        line.text(" (");
        match self.name {
            "poll" => self.ready_fds(line),
            "ppoll" => {
                self.ready_fds(line);
                self.time_left(line, self.arg(2), Unit::Nanoseconds, ", ");
            }
            _ => {
                let mut before = "";
                for (name, index) in [("in ", 1), ("out ", 2), ("except ", 3)] {
                    let address = self.arg(index);
                    if address != 0 && self.has_fd(address) {
                        line.text(before).text(name);
                        self.fd_set(line, address);
                        before = ", ";
                    }
                }
                let unit = match self.name {
                    "select" => Unit::Microseconds,
                    _ => Unit::Nanoseconds,
                };
                self.time_left(line, self.arg(4), unit, before);
            }
        }
        line.text(")");
    }

    fn has_fd(&self, address: u64) -> bool {
        let bits = u64::from(self.arg(0) as u32).min(FDS);
        (0..bits.div_ceil(64)).any(|word| {
            let record = Record::<8>::read(self.memory, address.wrapping_add(word * 8));
            record.is_some_and(|record| record.u64(0) != 0)
        })
    }

    /// `[{fd=3, revents=POLLIN}]`: the entries that have something to say.
    fn ready_fds(&self, line: &mut Line<'_>) {
        const MOST: u64 = 4096;
        let (address, count) = (self.arg(0), u64::from(self.arg(1) as u32));
        line.text("[");
        let mut shown = 0;
        for index in 0..count.min(MOST) {
            let Some(record) = Record::<8>::read(self.memory, address.wrapping_add(index * 8))
            else {
                break;
            };
            if record.u16(6) == 0 {
                continue;
            }
            line.begin_item(shown != 0);
            if shown >= self.string_limit || line.is_full() {
                line.text("...");
                break;
            }
            line.text("{fd=").dec(record.i32(0).into());
            line.text(", revents=").flags(files::POLL, record.u16(6).into()).text("}");
            shown += 1;
        }
        line.text("]");
    }

    /// `{events=EPOLLIN, data={u32=3, u64=3}}`.
    pub(super) fn epoll_event(&self, line: &mut Line<'_>, address: u64) {
        if let Some(record) = self.record::<12>(line, address) {
            epoll_record(line, &record);
        }
    }

    pub(super) fn epoll_events(&self, line: &mut Line<'_>, address: u64) {
        self.array(line, address, self.count(), 12, |line, item| {
            let Some(record) = Record::<12>::read(self.memory, item) else {
                return Item::Unreadable;
            };
            line.begin_item(item != address);
            epoll_record(line, &record);
            Item::Shown
        });
    }

    /// Completions of asynchronous I/O.
    pub(super) fn io_events(&self, line: &mut Line<'_>, address: u64) {
        self.array(line, address, self.count(), 32, |line, item| {
            let Some(record) = Record::<32>::read(self.memory, item) else {
                return Item::Unreadable;
            };
            line.begin_item(item != address);
            line.text("{data=").hex(record.u64(0));
            line.text(", obj=").address(record.u64(8));
            line.text(", res=").dec(record.i64(16));
            line.text(", res2=").dec(record.i64(24)).text("}");
            Item::Shown
        });
    }

    /// Words that `futex_waitv` waits for.
    pub(super) fn futex_waiters(&self, line: &mut Line<'_>, address: u64, count: u64) {
        self.array(line, address, count, 24, |line, item| {
            let Some(record) = Record::<24>::read(self.memory, item) else {
                return Item::Unreadable;
            };
            line.begin_item(item != address);
            line.text("{val=").hex(record.u64(0));
            line.text(", uaddr=").address(record.u64(8)).text(", flags=");
            let flags = record.u32(16).into();
            line.mixed(processes::FUTEX2_SIZE, 3, processes::FUTEX2, flags).text("}");
            Item::Shown
        });
    }
}

fn epoll_record(line: &mut Line<'_>, record: &Record<12>) {
    line.text("{events=").flags(files::EPOLL_EVENTS, record.u32(0).into());
    line.text(", data={u32=").udec(record.u32(4).into());
    line.text(", u64=").udec(record.u64(4)).text("}}");
}
