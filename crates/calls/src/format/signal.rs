//! Signal sets, actions and what comes with a signal.

use crate::format::Scene;
use crate::line::Line;
use crate::memory::{Record, read_u64};
use crate::names::processes;
use crate::signals::{SIGRTMIN, signal_name};

const SIGCHLD: u32 = 17;
const SA_RESTORER: u64 = 0x400_0000;
const SIGEV_THREAD_ID: u32 = 4;

impl Line<'_> {
    /// `[INT CHLD]`, or `~[KILL STOP]` if most signals are members.
    pub(super) fn signal_set(&mut self, set: u64) {
        // As with strace: more than two thirds of the signals.
        let inverted = set.count_ones() >= 64 * 2 / 3;
        self.text(if inverted { "~[" } else { "[" });
        let shown = if inverted { !set } else { set };
        let mut separator = "";
        for signal in (1..=64).filter(|signal| shown >> (signal - 1) & 1 != 0) {
            self.text(separator);
            separator = " ";
            match signal_name(signal) {
                Some(name) => self.text(name),
                None if signal == SIGRTMIN => self.text("RTMIN"),
                None => self.text("RT_").udec(signal - SIGRTMIN),
            };
        }
        self.text("]");
    }
}

impl Scene<'_> {
    /// A signal: `SIGINT`, `SIGRT_1`.
    pub(super) fn signal(&self, line: &mut Line<'_>, value: u64) {
        match signal_name(value) {
            Some(name) => line.text("SIG").text(name),
            None if value == SIGRTMIN => line.text("SIGRTMIN"),
            None if (SIGRTMIN..65).contains(&value) => line.text("SIGRT_").udec(value - SIGRTMIN),
            None => line.dec(i64::from(value as u32 as i32)),
        };
    }

    pub(super) fn signal_set(&self, line: &mut Line<'_>, address: u64) {
        if let Some(record) = self.record::<8>(line, address) {
            line.signal_set(record.u64(0));
        }
    }

    /// The last argument of `pselect6`: a set and its size.
    pub(super) fn signal_set_with_size(&self, line: &mut Line<'_>, address: u64) {
        if let Some(record) = self.record::<16>(line, address) {
            line.text("{sigmask=");
            self.signal_set(line, record.u64(0));
            line.text(", sigsetsize=").udec(record.u64(8)).text("}");
        }
    }

    pub(super) fn action(&self, line: &mut Line<'_>, address: u64) {
        let Some(record) = self.record::<32>(line, address) else {
            return;
        };
        line.text("{sa_handler=");
        match processes::HANDLER.name(record.u64(0)) {
            Some(name) => line.name(name),
            None => line.hex(record.u64(0)),
        };
        line.text(", sa_mask=").signal_set(record.u64(24));
        let flags = record.u64(8);
        line.text(", sa_flags=").flags(processes::ACTION, flags);
        if flags & SA_RESTORER != 0 {
            line.text(", sa_restorer=").address(record.u64(16));
        }
        line.text("}");
    }

    pub(super) fn signal_stack(&self, line: &mut Line<'_>, address: u64) {
        if let Some(record) = self.record::<24>(line, address) {
            line.text("{ss_sp=").address(record.u64(0));
            line.text(", ss_flags=").flags(processes::STACK, record.u32(8).into());
            line.text(", ss_size=").udec(record.u64(16)).text("}");
        }
    }

    /// `siginfo_t`: who sent it, or what became of a child.
    pub(super) fn signal_information(&self, line: &mut Line<'_>, address: u64) {
        let Some(record) = self.record::<48>(line, address) else {
            return;
        };
        let (signal, code) = (record.u32(0), record.u32(8));
        if signal == 0 {
            line.text("{}");
            return;
        }
        line.text("{si_signo=");
        self.signal(line, signal.into());
        line.text(", si_code=");
        let child = signal == SIGCHLD && (1..=6).contains(&code);
        match child {
            true => line.choice(processes::CHILD_CODE, code.into()),
            false => match processes::SIGNAL_CODE.name(code.into()) {
                Some(name) => line.name(name),
                None => line.dec(i64::from(code as i32)),
            },
        };
        if record.i32(4) != 0 {
            line.text(", si_errno=").dec(record.i32(4).into());
        }
        const SI_TIMER: i32 = -2;
        match code as i32 {
            _ if child => {
                line.text(", si_pid=").dec(record.i32(16).into());
                line.text(", si_uid=").udec(record.u32(20).into());
                line.text(", si_status=");
                match code {
                    1 => {
                        line.dec(record.i32(24).into());
                    }
                    _ => self.signal(line, record.u32(24).into()),
                }
                line.text(", si_utime=").dec(record.i64(32));
                line.text(", si_stime=").dec(record.i64(40));
            }
            SI_TIMER => {
                line.text(", si_timerid=").dec(record.i32(16).into());
                line.text(", si_overrun=").dec(record.i32(20).into());
                value(line, record.u64(24));
            }
            // Faults have an address there.
            1.. if matches!(signal, 4 | 5 | 7 | 8 | 11) => {
                line.text(", si_addr=").address(record.u64(16));
            }
            code => {
                line.text(", si_pid=").dec(record.i32(16).into());
                line.text(", si_uid=").udec(record.u32(20).into());
                if code == -1 {
                    value(line, record.u64(24));
                }
            }
        }
        line.text("}");
    }

    /// `struct sigevent`: how a timer or queue notifies.
    pub(super) fn notification(&self, line: &mut Line<'_>, address: u64) {
        let Some(record) = self.record::<24>(line, address) else {
            return;
        };
        self.notification_value(line, "{sigev_value=", record.u64(0));
        line.text(", sigev_signo=");
        self.signal(line, record.u32(8).into());
        line.text(", sigev_notify=").choice(processes::NOTIFY, record.u32(12).into());
        if record.u32(12) == SIGEV_THREAD_ID {
            line.text(", sigev_notify_thread_id=").dec(record.i32(16).into());
        }
        line.text("}");
    }

    fn notification_value(&self, line: &mut Line<'_>, before: &str, value: u64) {
        line.text(before).text("{sival_int=").dec(i64::from(value as i32));
        line.text(", sival_ptr=").address(value).text("}");
    }

    /// What a wait says of a child's end: `[{WIFEXITED(s) && WEXITSTATUS(s) == 0}]`.
    pub(super) fn wait_status(&self, line: &mut Line<'_>, address: u64) {
        if self.count() == 0 {
            line.address(address);
            return;
        }
        let Some(record) = self.record::<4>(line, address) else {
            return;
        };
        let status = record.u32(0);
        let (low, high) = (status & 0x7f, u64::from(status >> 8 & 0xff));
        line.text("[{");
        match low {
            _ if status == 0xffff => {
                line.text("WIFCONTINUED(s)");
            }
            0 => {
                line.text("WIFEXITED(s) && WEXITSTATUS(s) == ").udec(high);
            }
            0x7f => {
                line.text("WIFSTOPPED(s) && WSTOPSIG(s) == ");
                self.signal(line, high & 0x7f);
                if high & 0x80 != 0 {
                    line.text(" | 0x80");
                }
            }
            _ => {
                line.text("WIFSIGNALED(s) && WTERMSIG(s) == ");
                self.signal(line, low.into());
                if status & 0x80 != 0 {
                    line.text(" && WCOREDUMP(s)");
                }
            }
        }
        line.text("}");
        if status >> 16 != 0 {
            line.text(" | ").hex(u64::from(status & 0xffff_0000));
        }
        line.text("]");
    }

    /// `[5]`: the 64-bit number at an address, in hexadecimal.
    pub(super) fn pointer_at(&self, line: &mut Line<'_>, address: u64) {
        match read_u64(self.memory, address) {
            Some(value) if address != 0 => line.text("[").address(value).text("]"),
            _ => line.address(address),
        };
    }

    /// A record of `N` bytes; if there is none, its address is what is shown.
    pub(super) fn record<const N: usize>(
        &self,
        line: &mut Line<'_>,
        address: u64,
    ) -> Option<Record<N>> {
        let record = match address {
            0 => None,
            _ => Record::read(self.memory, address),
        };
        if record.is_none() {
            line.address(address);
        }
        record
    }
}

/// The value that came with a signal, as number and as address.
fn value(line: &mut Line<'_>, value: u64) {
    line.text(", si_int=").dec(i64::from(value as i32));
    line.text(", si_ptr=").address(value);
}
