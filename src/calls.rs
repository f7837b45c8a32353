//! Typed system calls: for each a structure with its arguments by name.
//!
//! They are made of the table of `crates/calls`, from which traces come, too: there a line
//! declares a call, and here one says of which type an argument of each kind is. A
//! structure is a view: [`SyscallEntry::view`](crate::SyscallEntry::view) makes it of the
//! registers, [`SyscallEntry::put`](crate::SyscallEntry::put) writes it back.
//!
//! ```ignore
//! if let Some(mut open) = call.view::<calls::openat>() {
//!     open.flags &= !O_EXCL;
//!     call.put(open);
//! }
//! ```
#![allow(
    non_camel_case_types,
    missing_docs,
    reason = "structures are named like the calls, whose manual pages explain the arguments"
)]

use crate::guest::{GuestPtr, GuestStr, Iovec, PollFd, Rlimit, Stat, Timespec, Timeval};

/// A call with typed arguments.
pub trait TypedCall: Sized {
    /// Its number.
    const NR: u64;

    /// The view of these arguments.
    fn of(args: &[u64; 6]) -> Self;

    /// Writes them back. Arguments that the call does not have stay as they are.
    fn put(&self, args: &mut [u64; 6]);
}

/// What one argument is, in a register.
trait Word: Copy {
    fn of(word: u64) -> Self;
    fn word(self) -> u64;
}

macro_rules! numbers {
    ($($type:ty)*) => {
        $(impl Word for $type {
            #[inline(always)]
            fn of(word: u64) -> Self {
                word as $type
            }

            #[inline(always)]
            fn word(self) -> u64 {
                self as u64
            }
        })*
    };
}

numbers! { i32 u32 i64 u64 usize }

impl<T> Word for GuestPtr<T> {
    #[inline(always)]
    fn of(word: u64) -> Self {
        Self::new(word)
    }

    #[inline(always)]
    fn word(self) -> u64 {
        self.address()
    }
}

impl Word for GuestStr {
    #[inline(always)]
    fn of(word: u64) -> Self {
        Self::new(word)
    }

    #[inline(always)]
    fn word(self) -> u64 {
        self.address()
    }
}

/// Which type the kinds of the table are.
macro_rules! kinds {
    ($($type:ty { $($kind:ident)* })*) => {
        mod kind {
            use super::*;
            $($(pub type $kind = $type;)*)*
        }
    };
}

kinds! {
    i32 {
        Int Fd DirFd Pid Signal Clock IpcKey KeySerial Whence FileAdvice FsconfigCommand
        EpollOperation Advice ShmCommand MsgCommand MembarrierCommand SocketDomain
        ShutdownHow SocketLevel MaskHow WaitIdType PtraceRequest PriorityWhich PrctlOption
        ArchPrctlOption SeccompOperation IoprioWhich KcmpType ItimerWhich RlimitResource
        RusageWho SyslogAction RebootMagic RebootCommand KeyctlOperation BpfCommand
        UringRegister LandlockRule LsmAttribute
    }
    u32 {
        Uint Uid Mode CreateMode NodeMode Umask FcntlCommand Persona Ioprio FutexOperation
        SemCommand MembarrierCpu ShmGetFlags IpcGetFlags NumaMode IoctlRequest
        SocketProtocol SocketOption FutexLast FutexValue FdFlags AccessMode AccessAtFlags
        AtFlags UnlinkFlags HandleFlags RenameFlags StatxMask MountSetattrFlags
        FlockOperation XattrFlags SpliceFlags SyncRangeFlags FallocateMode ReadFlags
        MemfdFlags InotifyFlags InotifyMask FanotifyMarkFlags CloseRangeFlags PidfdFlags
        UmountFlags OpenTreeFlags MoveMountFlags FsopenFlags FspickFlags FsmountFlags
        MountAttributes SwapFlags EpollFlags EventfdFlags SignalfdFlags TimerfdFlags
        TimerfdSetFlags RemapFlags SyncFlags LockAllFlags Lock2Flags PkeyRights
        ShadowStackFlags NumaFlags NumaGetFlags ShmAtFlags MsgOpFlags MembarrierFlags
        UserfaultFlags SocketFlags MessageFlags WaitOptions NamespaceFlags UnshareFlags
        ExecAtFlags SeccompFlags RseqFlags TimerSetFlags DeleteModuleFlags ModuleFlags
        KexecFlags KexecFileFlags RandomFlags PerfFlags UringEnterFlags LandlockFlags
        OpenFlags StatxFlags FanotifyFlags MapFlags SocketType SchedPolicy Futex2Flags
    }
    u64 {
        CloneFlags Hex HexPosition Unshown Device NodeDevice CloneTls FcntlArgument
        IoctlArgument PrctlArgument PrctlLast ArchPrctlArgument RemapAddress FutexTimeout
        CloneChildTid Protection MountFlags FanotifyMask
    }
    i64 {
        Long Position
    }
    usize {
        Size
    }
    GuestStr {
        Path Text
    }
    GuestPtr<GuestStr> {
        Strings Environment
    }
    GuestPtr<Timespec> {
        TimespecIn TimespecOut RemainingOut
    }
    GuestPtr<[Timespec; 2]> {
        TimespecPairIn
    }
    GuestPtr<Timeval> {
        TimevalIn TimevalOut
    }
    GuestPtr<[Timeval; 2]> {
        TimevalPairIn
    }
    GuestPtr<Stat> {
        StatOut
    }
    GuestPtr<u64> {
        SigsetIn SigsetOut UlongOut PointerOut
    }
    GuestPtr<i32> {
        IntIn IntOut TidOut TimerOut WaitStatusOut
    }
    GuestPtr<u32> {
        UintOut UidOut SockaddrLength
    }
    GuestPtr<i64> {
        PositionIn TimeOut
    }
    GuestPtr<[i32; 2]> {
        FdPairOut
    }
    GuestPtr<PollFd> {
        PollFds
    }
    GuestPtr<Iovec> {
        VectorsIn VectorsBare VectorsOut
    }
    GuestPtr<Rlimit> {
        RlimitIn RlimitOut
    }
    GuestPtr<u8> {
        Pointer MountData FsconfigValue DataIn MessageIn SocketOptionIn OpenHowIn
        MountAttrIn XattrArgsIn FileAttrIn UtimbufIn ItimerspecIn ItimervalIn TimezoneIn
        SigsetWithSizeIn SigactionIn StackIn SiginfoIn SigeventIn FdSetIn EpollEventIn
        FutexWaitersIn SockaddrIn MsghdrIn MmsghdrIn CapHeaderIn CapDataIn SchedAttrIn
        CpuSetIn GroupsIn CloneArgs SemOpsIn NodeMaskIn MqAttrIn MqAttrCreate PerfAttrIn
        LandlockRulesetIn CacheRangeIn MountRequestIn DataOut PathOut RandomOut MessageOut
        StatxOut StatfsOut FileAttrOut DirentsOut OldDirentsOut TimezoneOut ItimerspecOut
        ItimervalOut TimexOut TmsOut SigactionOut StackOut SiginfoOut EpollEventsOut
        IoEventsOut SockaddrOut MsghdrOut MmsghdrOut SocketOptionOut GroupsOut
        SizeAfterOffset SizeAfterClone RusageOut UtsnameOut SysinfoOut CapDataOut
        SchedAttrOut CpuSetOut ResidencyOut NumaModeOut MqAttrOut UringParamsOut
        CacheStatOut
    }
}

macro_rules! views {
    ($(
        $nr:literal $name:ident($($parameter:ident: $kind:ident),*)
        -> $result:ident $(in $($class:ident)|+)?;
    )*) => {
        $(
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub struct $name {
                $(pub $parameter: kind::$kind,)*
            }

            impl TypedCall for $name {
                const NR: u64 = $nr;

                #[inline(always)]
                fn of(args: &[u64; 6]) -> Self {
                    let [$($parameter,)* ..] = *args;
                    Self { $($parameter: Word::of($parameter),)* }
                }

                #[inline(always)]
                fn put(&self, args: &mut [u64; 6]) {
                    let [$($parameter,)* ..] = args;
                    $(*$parameter = self.$parameter.word();)*
                }
            }
        )*
    };
}

interceptor_calls::calls_on_files!(views);
interceptor_calls::calls_on_descriptors!(views);
interceptor_calls::calls_on_memory!(views);
interceptor_calls::calls_on_networks!(views);
interceptor_calls::calls_on_processes!(views);
interceptor_calls::calls_that_wait!(views);
interceptor_calls::calls_on_the_system!(views);
