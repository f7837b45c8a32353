//! One argument, by its kind.

use crate::format::Scene;
use crate::format::text::Whole;
use crate::format::time::Unit;
use crate::format::vector::Transfer;
use crate::kind::{Kind, Notation};
use crate::line::Line;
use crate::memory::read_u32;
use crate::names::{Names, files, memory, processes, system};

const O_CREAT: u64 = 0o100;
const O_TMPFILE: u64 = 0o20_000_000;
const AT_FDCWD: i32 = -100;
const MREMAP_NEW_ADDRESS: u64 = 2 | 4;

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
            Kind::FcntlArgument | Kind::IoctlArgument | Kind::ArchPrctlArgument => {
                self.has_control_argument(index)
            }
            Kind::RemapAddress => self.arg(index.wrapping_sub(1)) & MREMAP_NEW_ADDRESS != 0,
            Kind::MembarrierCpu => self.arg(index.wrapping_sub(1)) & 1 != 0,
            Kind::MqAttrCreate => self.arg(1) & O_CREAT != 0,
            _ => match self.name {
                "clone" => self.is_clone_argument(index),
                "futex" => self.is_futex_argument(index),
                "prctl" => index < self.prctl_arguments(),
                _ => true,
            },
        }
    }

    /// Whether an argument can be shown only after the call.
    pub(super) fn is_output(&self, index: usize) -> bool {
        self.kind(index).is_output() || self.fills_control_argument(index)
    }

    /// Whether an argument's text begins with what belongs to the one before it.
    pub(super) fn continues(&self, index: usize) -> bool {
        matches!(self.kind(index), Kind::SizeAfterClone | Kind::SizeAfterOffset)
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
            Notation::Special if self.is_left_unfilled(kind, index) => {
                line.address(value);
            }
            Notation::Special => self.special(line, kind, index, value),
        }
    }

    /// Whether this is an output argument that a failed call did not fill.
    fn is_left_unfilled(&self, kind: Kind, index: usize) -> bool {
        let shows_failure = matches!(
            kind,
            Kind::RemainingOut
                | Kind::TidOut
                | Kind::SockaddrLength
                | Kind::SizeAfterClone
                | Kind::SizeAfterOffset
        );
        self.failed() && !shows_failure && self.is_output(index)
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
                line.choice(system::CLOCK, value & 0xffff_ffff);
            }
            Kind::IpcKey if value as i32 == 0 => {
                line.text("IPC_PRIVATE");
            }
            Kind::IpcKey => {
                line.hex(value & 0xffff_ffff);
            }
            Kind::KeySerial => match system::KEY.name(value & 0xffff_ffff) {
                Some(name) => {
                    line.name(name);
                }
                None => {
                    line.dec(i64::from(value as i32));
                }
            },
            Kind::ShmGetFlags => self.ipc_flags(line, memory::SHM_GET, value & 0xffff_ffff),
            Kind::IpcGetFlags => self.ipc_flags(line, memory::IPC_GET, value & 0xffff_ffff),
            Kind::Hex | Kind::HexPosition => {
                line.hex(value);
            }
            _ => self.memory_argument(line, kind, index, value),
        }
    }

    /// What an argument points to, and what several arguments mean together.
    fn memory_argument(&self, line: &mut Line<'_>, kind: Kind, index: usize, value: u64) {
        let (count, next) = (self.count(), self.next(index));
        match kind {
            Kind::Path => self.path(line, value),
            Kind::Text => self.text(line, value),
            Kind::MountData => self.text(line, value),
            Kind::FsconfigValue => self.configuration(line, value),
            // A negative length, of those that are an `int`, is refused.
            Kind::DataIn if self.kind(index + 1) == Kind::Int && (next as i32) < 0 => {
                line.address(value);
            }
            Kind::DataIn => self.data(line, value, next),
            Kind::DataOut => self.data(line, value, count),
            Kind::PathOut => self.data_as(line, value, count.saturating_sub(1), Whole::Yes),
            Kind::RandomOut => self.bytes_in_hex(line, value, count),
            Kind::Strings => self.strings(line, value),
            Kind::Environment => self.environment(line, value),
            Kind::VectorsIn => self.vectors(line, value, next, u64::MAX),
            Kind::VectorsOut => self.vectors(line, value, next, count),
            Kind::VectorsBare => self.bare_vectors(line, value, next),
            Kind::MessageIn => self.message_buffer(line, value, next),
            Kind::MessageOut => self.message_buffer(line, value, count),
            Kind::StatOut => self.status(line, value),
            Kind::StatxOut => self.extended_status(line, value),
            Kind::StatfsOut => self.file_system_status(line, value),
            Kind::FileAttrIn | Kind::FileAttrOut => self.file_attributes(line, value),
            Kind::DirentsOut | Kind::OldDirentsOut => self.entries(line, value),
            Kind::OpenHowIn => self.open_how(line, value),
            Kind::MountAttrIn => self.mount_attributes(line, value),
            Kind::XattrArgsIn => self.attribute_value(line, value),
            Kind::UtimbufIn => self.utimbuf(line, value),
            Kind::TimespecIn | Kind::TimespecOut => self.time(line, value, Unit::Nanoseconds),
            Kind::TimevalIn | Kind::TimevalOut => self.time(line, value, Unit::Microseconds),
            Kind::TimespecPairIn => self.time_pair(line, value, Unit::Nanoseconds),
            Kind::TimevalPairIn => self.time_pair(line, value, Unit::Microseconds),
            Kind::ItimerspecIn | Kind::ItimerspecOut => self.timer(line, value, Unit::Nanoseconds),
            Kind::ItimervalIn | Kind::ItimervalOut => self.timer(line, value, Unit::Microseconds),
            Kind::RemainingOut => self.remaining(line, value),
            Kind::TimezoneIn | Kind::TimezoneOut => self.timezone(line, value),
            Kind::TimexOut => self.timex(line, value),
            Kind::TmsOut => self.process_times(line, value),
            Kind::SigsetIn | Kind::SigsetOut => self.signal_set(line, value),
            Kind::SigsetWithSizeIn => self.signal_set_with_size(line, value),
            Kind::SigactionIn | Kind::SigactionOut => self.action(line, value),
            Kind::StackIn | Kind::StackOut => self.signal_stack(line, value),
            Kind::SiginfoIn | Kind::SiginfoOut => self.signal_information(line, value),
            Kind::SigeventIn => self.notification(line, value),
            Kind::PollFds => self.poll_fds(line, value, next),
            Kind::FdSetIn => self.fd_set(line, value),
            Kind::EpollEventIn => self.epoll_event(line, value),
            Kind::EpollEventsOut => self.epoll_events(line, value),
            Kind::IoEventsOut => self.io_events(line, value),
            Kind::FutexWaitersIn => self.futex_waiters(line, value, next & 0xffff_ffff),
            _ => self.other_argument(line, kind, index, value),
        }
    }

    fn other_argument(&self, line: &mut Line<'_>, kind: Kind, index: usize, value: u64) {
        let (count, next) = (self.count(), self.next(index));
        match kind {
            Kind::SockaddrIn => self.socket_address(line, value, next & 0xffff_ffff),
            Kind::SockaddrOut => self.received_address(line, index),
            Kind::SocketProtocol => self.protocol(line, value & 0xffff_ffff),
            Kind::SocketOption => self.option_name(line, value & 0xffff_ffff),
            Kind::SocketOptionIn => self.option_value(line, value, next & 0xffff_ffff),
            Kind::SocketOptionOut => {
                let size = read_u32(self.memory, next).unwrap_or(0);
                self.option_value(line, value, size.into());
            }
            Kind::MsghdrIn => self.message(line, value, u64::MAX),
            Kind::MsghdrOut => self.message(line, value, count),
            Kind::MmsghdrIn => self.messages(line, value, next & 0xffff_ffff, Transfer::ToCome),
            Kind::MmsghdrOut => self.messages(line, value, count, Transfer::Done),
            Kind::FdPairOut => self.numbers_at::<8>(line, value),
            Kind::IntIn | Kind::IntOut | Kind::SockaddrLength | Kind::TimerOut => {
                self.numbers_at::<4>(line, value);
            }
            Kind::UintOut | Kind::UidOut => self.number_at(line, value),
            Kind::UlongOut | Kind::TimeOut | Kind::PositionIn => self.position_at(line, value),
            Kind::PointerOut => self.pointer_at(line, value),
            Kind::GroupsIn => self.groups(line, value, self.arg(0) & 0xffff_ffff),
            Kind::GroupsOut if self.arg(0) as u32 == 0 => self.groups(line, value, 0),
            Kind::GroupsOut => self.groups(line, value, count),
            Kind::WaitStatusOut => self.wait_status(line, value),
            Kind::RusageOut => self.usage(line, value),
            Kind::RlimitIn | Kind::RlimitOut => self.limit(line, value),
            Kind::UtsnameOut => self.system_names(line, value),
            Kind::SysinfoOut => self.system_information(line, value),
            Kind::CapHeaderIn => self.capability_header(line, value),
            Kind::CapDataIn | Kind::CapDataOut => self.capabilities(line, value),
            Kind::SchedAttrIn | Kind::SchedAttrOut => self.scheduling(line, value),
            Kind::CpuSetIn => self.bits(line, value, self.arg(1) & 0xffff_ffff),
            Kind::CpuSetOut => self.bits(line, value, count),
            Kind::NodeMaskIn => self.bits(line, value, next.saturating_sub(1).div_ceil(8)),
            Kind::NumaMode => self.memory_policy(line, value),
            Kind::NumaModeOut => self.numbers_at::<4>(line, value),
            Kind::CloneFlags => self.clone_flags(line, value),
            Kind::TidOut => self.clone_parent_tid(line, value),
            Kind::CloneChildTid => {
                line.text("child_tidptr=").address(value);
            }
            Kind::CloneTls => {
                line.text("tls=").address(value);
            }
            Kind::CloneArgs => self.clone_arguments(line, value, next),
            Kind::SizeAfterClone => self.clone_results(line, value),
            Kind::SizeAfterOffset => {
                if count > 0 && self.arg(index.wrapping_sub(1)) != 0 {
                    line.text(" => ");
                    self.position_at(line, self.arg(index.wrapping_sub(1)));
                }
                line.text(", ").udec(value);
            }
            Kind::FcntlArgument => self.fcntl(line, value),
            Kind::IoctlRequest => self.ioctl_request(line, value),
            Kind::IoctlArgument => self.ioctl(line, value),
            Kind::PrctlArgument => self.prctl(line, value),
            Kind::PrctlLast => self.prctl_last(line, value),
            Kind::ArchPrctlArgument => self.arch_prctl(line, value),
            Kind::FutexOperation => self.futex_operation(line, value),
            Kind::FutexValue => {
                line.udec(value & 0xffff_ffff);
            }
            Kind::FutexTimeout => self.futex_timeout(line, value),
            Kind::FutexLast => self.futex_last(line, value),
            Kind::Persona => self.persona(line, value),
            Kind::Ioprio => self.io_priority(line, value),
            Kind::MembarrierCpu => {
                line.udec(value & 0xffff_ffff);
            }
            Kind::SemCommand => {
                // Old callers set IPC_64, which is always meant.
                line.choice(memory::SEM_COMMAND, value & 0xffff_feff);
            }
            Kind::SemOpsIn => self.semaphore_operations(line, value, next & 0xffff_ffff),
            Kind::MqAttrIn | Kind::MqAttrCreate | Kind::MqAttrOut => {
                self.queue_attributes(line, value);
            }
            Kind::PerfAttrIn => self.event_attributes(line, value),
            Kind::UringParamsOut => self.ring_parameters(line, value),
            Kind::LandlockRulesetIn => self.ruleset(line, value, next),
            Kind::CacheRangeIn => self.cache_range(line, value),
            Kind::CacheStatOut => self.cache_statistics(line, value),
            Kind::MountRequestIn => self.mount_request(line, value),
            Kind::ResidencyOut => self.residency(line, value, self.arg(1)),
            _ => {
                line.address(value);
            }
        }
    }

    /// `fsconfig`'s value, whose meaning its command decides.
    fn configuration(&self, line: &mut Line<'_>, value: u64) {
        match self.arg(1) as u32 {
            // FSCONFIG_SET_STRING
            1 => self.text(line, value),
            // FSCONFIG_SET_BINARY
            2 => self.data(line, value, self.arg(4) & 0xffff_ffff),
            // FSCONFIG_SET_PATH, FSCONFIG_SET_PATH_EMPTY
            3 | 4 => self.path(line, value),
            _ => {
                line.address(value);
            }
        }
    }

    /// An execution domain with its flags; all ones only asks for it.
    pub(super) fn persona(&self, line: &mut Line<'_>, value: u64) {
        let value = value & 0xffff_ffff;
        match value {
            0xffff_ffff => line.text("0xffffffff"),
            _ => line.mixed(processes::PERSONA, 0xff, processes::PERSONA_FLAGS, value),
        };
    }

    /// `IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 4)`.
    pub(super) fn io_priority(&self, line: &mut Line<'_>, value: u64) {
        let value = value & 0xffff_ffff;
        line.text("IOPRIO_PRIO_VALUE(").choice(processes::IOPRIO_CLASS, value >> 13);
        line.text(", ").udec(value & 0x1fff).text(")");
    }

    /// A user's or group's number; all ones for none.
    pub(super) fn uid(&self, line: &mut Line<'_>, value: u32) {
        match value {
            u32::MAX => line.text("-1"),
            _ => line.udec(value.into()),
        };
    }

    /// A file's type and permissions: `S_IFREG|0644`.
    pub(super) fn file_mode(&self, line: &mut Line<'_>, value: u64) {
        match files::FILE_TYPE.name(value & 0o170000) {
            Some(name) => line.name(name).text("|"),
            None => line,
        };
        for (bit, name) in [(0o4000, "S_ISUID|"), (0o2000, "S_ISGID|"), (0o1000, "S_ISVTX|")] {
            if value & bit != 0 {
                line.text(name);
            }
        }
        let known = files::FILE_TYPE.name(value & 0o170000).is_some();
        line.mode(if known { value & 0o777 } else { value & !0o7000 });
    }

    /// A device's number: `makedev(0x1, 0x3)`.
    pub(super) fn device(&self, line: &mut Line<'_>, value: u64) {
        let major = (value >> 8 & 0xfff) | (value >> 32 & 0xffff_f000);
        let minor = (value & 0xff) | (value >> 12 & 0xffff_ff00);
        line.text("makedev(").hex(major).text(", ").hex(minor).text(")");
    }

    fn ipc_flags(&self, line: &mut Line<'_>, names: Names, value: u64) {
        let before = line.written();
        let left = line.known_flags(names, value & !0o777, "");
        if left != 0 {
            line.text(if line.written() > before { "|" } else { "" }).hex(left);
        }
        line.text(if line.written() > before { "|" } else { "" }).mode(value & 0o777);
    }
}
