//! One argument, by its kind.

use crate::format::Scene;
use crate::kind::{Kind, Notation};
use crate::line::Line;
use crate::names::{files, memory, system};
use crate::signals::{SIGRTMIN, signal_name};

const O_CREAT: u64 = 0o100;
const O_TMPFILE: u64 = 0o20_000_000;
const AT_FDCWD: i32 = -100;

impl Scene<'_> {
    /// Whether an argument has a meaning here: a mode has none for a file that
    /// is not made.
    pub(super) fn is_shown(&self, index: usize) -> bool {
        match self.kind(index) {
            Kind::Unshown => false,
            Kind::CreateMode => self.arg(index.wrapping_sub(1)) & (O_CREAT | O_TMPFILE) != 0,
            Kind::NodeDevice => {
                matches!(self.arg(index.wrapping_sub(1)) & 0o170000, 0o020000 | 0o060000)
            }
            _ => true,
        }
    }

    /// Whether an argument can be shown only after the call.
    pub(super) fn is_output(&self, index: usize) -> bool {
        self.kind(index).is_output()
    }

    /// Whether an argument's text begins with what belongs to the one before it.
    pub(super) fn continues(&self, _index: usize) -> bool {
        false
    }

    pub(super) fn argument(&self, line: &mut Line<'_>, index: usize) {
        let kind = self.kind(index);
        let value = self.arg(index);
        match kind.notation() {
            Notation::Flags(names) => {
                line.flags(names, value & 0xffff_ffff);
            }
            Notation::LongFlags(names) => {
                line.flags(names, value);
            }
            Notation::Mixed(choices, mask, names) => {
                line.mixed(choices, mask.into(), names, value & 0xffff_ffff);
            }
            Notation::Choice(names) => {
                line.choice(names, value & 0xffff_ffff);
            }
            Notation::Special if kind.is_output() && self.failed() => {
                line.address(value);
            }
            Notation::Special => self.special(line, kind, index, value),
        }
    }

    fn special(&self, line: &mut Line<'_>, kind: Kind, index: usize, value: u64) {
        match kind {
            Kind::Int | Kind::Fd | Kind::Pid => {
                line.dec(i64::from(value as i32));
            }
            Kind::Uint => {
                line.udec(u64::from(value as u32));
            }
            Kind::Long | Kind::Position => {
                line.dec(value as i64);
            }
            Kind::Size => {
                line.udec(value);
            }
            Kind::DirFd if value as i32 == AT_FDCWD => {
                line.text("AT_FDCWD");
            }
            Kind::DirFd => {
                line.dec(i64::from(value as i32));
            }
            Kind::Uid => self.uid(line, value as u32),
            Kind::Mode | Kind::CreateMode | Kind::Umask => {
                line.mode(value & 0o177777);
            }
            Kind::NodeMode => self.file_mode(line, value & 0o177777),
            Kind::Device | Kind::NodeDevice => self.device(line, value & 0xffff_ffff),
            Kind::Signal => self.signal(line, value & 0xffff_ffff),
            Kind::Clock => {
                line.choice(&system::CLOCK, value & 0xffff_ffff);
            }
            Kind::IpcKey if value as i32 == 0 => {
                line.text("IPC_PRIVATE");
            }
            Kind::IpcKey => {
                line.hex(value & 0xffff_ffff);
            }
            Kind::KeySerial => match system::KEY.name(value & 0xffff_ffff) {
                Some(name) => {
                    line.text(name);
                }
                None => {
                    line.dec(i64::from(value as i32));
                }
            },
            Kind::ShmGetFlags => self.ipc_flags(line, &memory::SHM_GET, value & 0xffff_ffff),
            Kind::IpcGetFlags => self.ipc_flags(line, &memory::IPC_GET, value & 0xffff_ffff),
            Kind::Hex | Kind::HexPosition => {
                line.hex(value);
            }
            Kind::Path => self.path(line, value),
            Kind::Text => self.text(line, value),
            Kind::DataIn => self.data(line, value, self.next(index)),
            Kind::DataOut => self.data(line, value, self.count()),
            Kind::PathOut => self.data(line, value, self.count().saturating_sub(1)),
            Kind::Strings => self.strings(line, value),
            Kind::Environment => self.environment(line, value),
            _ => {
                line.address(value);
            }
        }
    }

    /// A user's or group's number; all ones for none.
    pub(super) fn uid(&self, line: &mut Line<'_>, value: u32) {
        match value {
            u32::MAX => line.text("-1"),
            _ => line.udec(value.into()),
        };
    }

    /// A signal: `SIGINT`, `SIGRT_1`.
    pub(super) fn signal(&self, line: &mut Line<'_>, value: u64) {
        match signal_name(value) {
            Some(name) => line.text("SIG").text(name),
            None if (SIGRTMIN..65).contains(&value) => {
                line.text("SIGRT_").udec(value - SIGRTMIN)
            }
            None => line.dec(i64::from(value as u32 as i32)),
        };
    }

    /// A file's type and permissions: `S_IFREG|0644`.
    pub(super) fn file_mode(&self, line: &mut Line<'_>, value: u64) {
        match files::FILE_TYPE.name(value & 0o170000) {
            Some(name) => line.text(name).text("|").mode(value & 0o7777),
            None => line.mode(value),
        };
    }

    /// A device's number: `makedev(0x1, 0x3)`.
    pub(super) fn device(&self, line: &mut Line<'_>, value: u64) {
        let major = (value >> 8 & 0xfff) | (value >> 32 & 0xffff_f000);
        let minor = (value & 0xff) | (value >> 12 & 0xffff_ff00);
        line.text("makedev(").hex(major).text(", ").hex(minor).text(")");
    }

    fn ipc_flags(&self, line: &mut Line<'_>, names: &crate::names::Names, value: u64) {
        let before = line.written();
        let left = line.known_flags(names, value & !0o777, "");
        if left != 0 {
            line.text(if line.written() > before { "|" } else { "" }).hex(left);
        }
        line.text(if line.written() > before { "|" } else { "" }).mode(value & 0o777);
    }
}
