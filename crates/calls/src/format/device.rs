//! Requests of `ioctl` and what they take.

use crate::format::Scene;
use crate::line::Line;
use crate::names::devices;

/// How the argument of a request is passed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Passed {
    /// There is none.
    Nothing,
    /// A number.
    Number,
    /// The address of a number that is read or written.
    NumberIn,
    NumberOut,
    /// A size of a terminal.
    WindowIn,
    WindowOut,
    /// Settings of a terminal.
    TerminalIn,
    TerminalOut,
    /// Something else, shown as an address.
    Other,
}

fn passed(request: u32) -> Passed {
    match request {
        // TCGETS, TCGETS2; TCSETS to TCSETSF, and theirs of termios2
        0x5401 | 0x802c_542a => Passed::TerminalOut,
        0x5402..=0x5404 | 0x402c_542b..=0x402c_542d => Passed::TerminalIn,
        0x5413 => Passed::WindowOut,
        0x5414 => Passed::WindowIn,
        // TIOCGPGRP, TIOCOUTQ, TIOCMGET, TIOCGSOFTCAR, FIONREAD, TIOCGETD, TIOCGSID,
        // TIOCGPTN, SIOCATMARK, SIOCGPGRP, FIGETBSZ, BLKSSZGET, BLKROGET, BLKPBSZGET,
        // BLKIOMIN, BLKIOOPT, BLKALIGNOFF
        0x540f
        | 0x5411
        | 0x5415
        | 0x5419
        | 0x541b
        | 0x5424
        | 0x5429
        | 0x8004_5430
        | 0x8904
        | 0x8905
        | 0x2
        | 0x125e
        | 0x1268
        | 0x1278..=0x127b => Passed::NumberOut,
        // TIOCSPGRP, TIOCMBIS, TIOCMBIC, TIOCMSET, TIOCSSOFTCAR, TIOCPKT, FIONBIO,
        // TIOCSETD, TIOCSPTLCK, FIOASYNC, SIOCSPGRP, BLKROSET
        0x5410
        | 0x5416..=0x5418
        | 0x541a
        | 0x5420
        | 0x5421
        | 0x5423
        | 0x4004_5431
        | 0x5452
        | 0x8902
        | 0x125d => Passed::NumberIn,
        // TIOCEXCL, TIOCNXCL, TIOCNOTTY, TIOCSBRK, TIOCCBRK, FIONCLEX, FIOCLEX,
        // BLKRRPART, BLKFLSBUF, LOOP_CLR_FD, LOOP_CTL_GET_FREE
        0x540c | 0x540d | 0x5422 | 0x5427 | 0x5428 | 0x5450 | 0x5451 | 0x125f | 0x1261 | 0x4c01
        | 0x4c82 => Passed::Nothing,
        // TCSBRK, TCXONC, TCFLSH, TIOCSCTTY, TCSBRKP, FICLONE, LOOP_SET_FD,
        // PERF_EVENT_IOC_ENABLE, _DISABLE, _RESET, KVM_*
        0x5409..=0x540b
        | 0x540e
        | 0x5425
        | 0x4004_9409
        | 0x4c00
        | 0x2400
        | 0x2401
        | 0x2403
        | 0xae00..=0xaeff => Passed::Number,
        _ => Passed::Other,
    }
}

/// Whether a request writes where its argument points.
pub(super) fn fills_argument(request: u32) -> bool {
    matches!(passed(request), Passed::NumberOut | Passed::WindowOut | Passed::TerminalOut)
}

/// Whether a request has an argument.
pub(super) fn takes_argument(request: u32) -> bool {
    passed(request) != Passed::Nothing
}

impl Scene<'_> {
    /// A request of `ioctl`: its name, or what its number is made of.
    pub(super) fn ioctl_request(&self, line: &mut Line<'_>, value: u64) {
        let request = value & 0xffff_ffff;
        if let Some(name) = devices::IOCTL.name(request) {
            line.name(name);
            return;
        }
        line.text("_IOC(").text(match request >> 30 {
            0 => "_IOC_NONE",
            1 => "_IOC_WRITE",
            2 => "_IOC_READ",
            _ => "_IOC_READ|_IOC_WRITE",
        });
        line.text(", ").hex(request >> 8 & 0xff);
        line.text(", ").hex(request & 0xff);
        line.text(", ").hex(request >> 16 & 0x3fff).text(")");
    }

    pub(super) fn ioctl(&self, line: &mut Line<'_>, value: u64) {
        match passed(self.arg(1) as u32) {
            Passed::NumberIn | Passed::NumberOut => self.numbers_at::<4>(line, value),
            Passed::WindowIn | Passed::WindowOut => self.window(line, value),
            Passed::TerminalIn | Passed::TerminalOut => self.terminal(line, value),
            Passed::Number => {
                line.dec(i64::from(value as i32));
            }
            Passed::Nothing => {}
            Passed::Other => {
                line.hex(value);
            }
        }
    }

    fn window(&self, line: &mut Line<'_>, address: u64) {
        if let Some(record) = self.record::<8>(line, address) {
            line.text("{ws_row=").udec(record.u16(0).into());
            line.text(", ws_col=").udec(record.u16(2).into());
            line.text(", ws_xpixel=").udec(record.u16(4).into());
            line.text(", ws_ypixel=").udec(record.u16(6).into()).text("}");
        }
    }

    /// The settings of a terminal, without its control characters.
    fn terminal(&self, line: &mut Line<'_>, address: u64) {
        let Some(record) = self.record::<36>(line, address) else {
            return;
        };
        let [input, output, control, local] = [0, 4, 8, 12].map(|at| u64::from(record.u32(at)));
        line.text("{c_iflag=").flags(devices::TERMINAL_INPUT, input);
        line.text(", c_oflag=").flags(devices::TERMINAL_OUTPUT, output);
        line.text(", c_cflag=");
        line.choice(devices::TERMINAL_SPEED, control & 0o10017).text("|");
        line.choice(devices::TERMINAL_SIZE, control & 0o60);
        let left = line.known_flags(devices::TERMINAL_CONTROL, control & !0o10077, "|");
        if left != 0 {
            line.text("|").hex(left);
        }
        line.text(", c_lflag=").flags(devices::TERMINAL_LOCAL, local).text(", ...}");
    }
}
