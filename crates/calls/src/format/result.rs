//! What a call returned.

use crate::errors::{error_description, error_name};
use crate::format::Scene;
use crate::kind::Kind;
use crate::line::Line;
use crate::names::{files, memory, processes, system};

const PR_GET_DUMPABLE: u64 = 3;

impl Scene<'_> {
    pub(super) fn result(&self, line: &mut Line<'_>) {
        let value = self.returned.unwrap_or(0);
        if self.failed() {
            self.error(line, value.unsigned_abs());
            return;
        }
        let kind = self.call.map_or(Kind::Long, |call| call.result);
        match kind {
            Kind::Address | Kind::Hex => line.hex(value as u64),
            Kind::Uid => line.udec(u64::from(value as u32)),
            Kind::Umask => line.octal(value as u64),
            Kind::Ready => {
                self.ready(line);
                line
            }
            Kind::SignalResult => {
                self.signal_result(line, value as u64);
                line
            }
            Kind::FcntlResult => {
                self.fcntl_result(line, value as u64);
                line
            }
            Kind::SchedPolicyResult => {
                let policy = value as u64;
                line.udec(policy).text(" (");
                let (choices, mask) = (processes::SCHEDULER, 0xbfff_ffff);
                line.mixed(choices, mask, processes::SCHEDULER_RESET, policy).text(")")
            }
            Kind::MembarrierResult if matches!(self.arg(0), 0 | 0x200) && value != 0 => {
                line.hex(value as u64).text(" (");
                line.flags(memory::MEMBARRIER, value as u64).text(")")
            }
            Kind::ClockState => {
                line.dec(value).text(" (").choice(system::CLOCK_STATE, value as u64).text(")")
            }
            Kind::Persona => {
                line.hex(value as u64).text(" (");
                self.persona(line, value as u64);
                line.text(")")
            }
            Kind::Ioprio => {
                line.hex(value as u64).text(" (");
                self.io_priority(line, value as u64);
                line.text(")")
            }
            Kind::PrctlResult if self.arg(0) == PR_GET_DUMPABLE => {
                let name = ["SUID_DUMP_DISABLE", "SUID_DUMP_USER", "SUID_DUMP_ROOT"];
                line.dec(value);
                match usize::try_from(value).ok().and_then(|index| name.get(index)) {
                    Some(name) => line.text(" (").text(name).text(")"),
                    None => line,
                }
            }
            _ => line.dec(value),
        };
    }

    /// `0x8002 (flags O_RDWR|O_LARGEFILE)`.
    fn fcntl_result(&self, line: &mut Line<'_>, value: u64) {
        let command = self.arg(1) as u32;
        match command {
            // F_GETFD
            1 if value != 0 => {
                line.hex(value).text(" (flags ").flags(files::DESCRIPTOR, value).text(")")
            }
            // F_GETFL
            3 => {
                line.hex(value).text(" (flags ");
                line.mixed(files::ACCESS_MODE_OF_OPEN, 3, files::OPEN, value).text(")")
            }
            // F_GETSIG
            11 if value != 0 => {
                self.signal_result(line, value);
                line
            }
            // F_GETLEASE
            1025 => line.hex(value).text(" (").choice(files::LOCK_TYPE, value).text(")"),
            // F_GET_SEALS
            1034 if value != 0 => {
                line.hex(value).text(" (seals ").flags(files::SEALS, value).text(")")
            }
            _ => line.udec(value),
        };
    }

    /// `-1 ENOENT (No such file or directory)`; `? ERESTARTSYS (…)` for a call
    /// that the kernel is about to make again.
    fn error(&self, line: &mut Line<'_>, error: u64) {
        let restarts = matches!(error, 512..=514 | 516);
        line.text(if restarts { "? " } else { "-1 " });
        match (error_name(error), error_description(error)) {
            (Some(name), Some(description)) => {
                line.text(name).text(" (").text(description).text(")")
            }
            _ => line.text("(errno ").udec(error).text(")"),
        };
    }
}
