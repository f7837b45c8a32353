//! Times, durations and timers.

use crate::format::Scene;
use crate::format::text::Item;
use crate::line::Line;
use crate::memory::Record;
use crate::names::{files, system};

const UTIME_NOW: i64 = (1 << 30) - 1;
const UTIME_OMIT: i64 = (1 << 30) - 2;

/// What the smaller unit of a time is called.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Nanoseconds,
    Microseconds,
}

impl Line<'_> {
    /// `{tv_sec=1, tv_nsec=0}` of two numbers in a record.
    pub(super) fn time<const N: usize>(&mut self, record: &Record<N>, at: usize, unit: Unit) {
        self.text("{tv_sec=").dec(record.i64(at));
        self.text(match unit {
            Unit::Nanoseconds => ", tv_nsec=",
            Unit::Microseconds => ", tv_usec=",
        });
        self.dec(record.i64(at + 8)).text("}");
    }
}

impl Scene<'_> {
    pub(super) fn time(&self, line: &mut Line<'_>, address: u64, unit: Unit) {
        if let Some(record) = self.record::<16>(line, address) {
            line.time(&record, 0, unit);
        }
    }

    /// Access and modification time, `[{…}, {…}]`, for `utimensat` and `utimes`.
    pub(super) fn time_pair(&self, line: &mut Line<'_>, address: u64, unit: Unit) {
        let Some(record) = self.record::<32>(line, address) else {
            return;
        };
        line.text("[");
        for at in [0, 16] {
            if at != 0 {
                line.text(", ");
            }
            match (unit, record.i64(at + 8)) {
                (Unit::Nanoseconds, UTIME_NOW) => {
                    line.text("UTIME_NOW");
                }
                (Unit::Nanoseconds, UTIME_OMIT) => {
                    line.text("UTIME_OMIT");
                }
                _ => line.time(&record, at, unit),
            }
        }
        line.text("]");
    }

    /// `{it_interval={…}, it_value={…}}`.
    pub(super) fn timer(&self, line: &mut Line<'_>, address: u64, unit: Unit) {
        let Some(record) = self.record::<32>(line, address) else {
            return;
        };
        line.text("{it_interval=");
        line.time(&record, 0, unit);
        line.text(", it_value=");
        line.time(&record, 16, unit);
        line.text("}");
    }

    /// What is left of a sleep: there only if a signal ended it.
    pub(super) fn remaining(&self, line: &mut Line<'_>, address: u64) {
        match self.returned {
            Some(-516 | -4) => self.time(line, address, Unit::Nanoseconds),
            _ => {
                line.address(address);
            }
        }
    }

    pub(super) fn timezone(&self, line: &mut Line<'_>, address: u64) {
        if let Some(record) = self.record::<8>(line, address) {
            line.text("{tz_minuteswest=").dec(record.i32(0).into());
            line.text(", tz_dsttime=").dec(record.i32(4).into()).text("}");
        }
    }

    pub(super) fn utimbuf(&self, line: &mut Line<'_>, address: u64) {
        if let Some(record) = self.record::<16>(line, address) {
            line.text("{actime=").dec(record.i64(0));
            line.text(", modtime=").dec(record.i64(8)).text("}");
        }
    }

    pub(super) fn process_times(&self, line: &mut Line<'_>, address: u64) {
        if let Some(record) = self.record::<32>(line, address) {
            line.text("{tms_utime=").dec(record.i64(0));
            line.text(", tms_stime=").dec(record.i64(8));
            line.text(", tms_cutime=").dec(record.i64(16));
            line.text(", tms_cstime=").dec(record.i64(24)).text("}");
        }
    }

    /// `struct timex`, without what only the precision of the clock concerns.
    pub(super) fn timex(&self, line: &mut Line<'_>, address: u64) {
        let Some(record) = self.record::<96>(line, address) else {
            return;
        };
        line.text("{modes=").flags(system::ADJUST, record.u32(0).into());
        line.text(", offset=").dec(record.i64(8));
        line.text(", freq=").dec(record.i64(16));
        line.text(", maxerror=").dec(record.i64(24));
        line.text(", esterror=").dec(record.i64(32));
        line.text(", status=").flags(system::CLOCK_STATUS, record.u32(40).into());
        line.text(", constant=").dec(record.i64(48));
        line.text(", precision=").dec(record.i64(56));
        line.text(", tolerance=").dec(record.i64(64));
        line.text(", time=");
        line.time(&record, 72, Unit::Microseconds);
        line.text(", tick=").dec(record.i64(88)).text(", ...}");
    }

    /// What a `poll` or `select` that returned leaves of its timeout.
    pub(super) fn time_left(&self, line: &mut Line<'_>, address: u64, unit: Unit, before: &str) {
        if let Some(record) = Record::<16>::read(self.memory, address)
            && address != 0
        {
            line.text(before).text("left ");
            line.time(&record, 0, unit);
        }
    }

    /// `[{fd=3, events=POLLIN}]`.
    pub(super) fn poll_fds(&self, line: &mut Line<'_>, address: u64, count: u64) {
        self.array(line, address, u64::from(count as u32), 8, |line, item| {
            let Some(record) = Record::<8>::read(self.memory, item) else {
                return Item::Unreadable;
            };
            line.begin_item(item != address);
            line.text("{fd=").dec(record.i32(0).into());
            if record.i32(0) >= 0 {
                line.text(", events=").flags(files::POLL, record.u16(4).into());
            }
            line.text("}");
            Item::Shown
        });
    }
}
