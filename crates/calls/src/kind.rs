//! What an argument or a result means: the types that the table declares.

use crate::names::{Names, files, memory, network, processes, system};

/// How a kind is shown that is only a matter of names.
pub(crate) enum Notation {
    /// Or-ed names; of the low 32 bits, as the kernel takes an `int`.
    Flags(Names),
    /// Or-ed names of all 64 bits.
    LongFlags(Names),
    /// The names of one value, then or-ed names: choices, their bits, flags.
    Mixed(Names, u32, Names),
    /// The name of one value.
    Choice(Names),
    /// Something else.
    Special,
}

macro_rules! kinds {
    (
        special { $($special:ident)* }
        output { $($output:ident)* }
        flags { $($flags:ident: $flags_names:expr;)* }
        long_flags { $($long:ident: $long_names:expr;)* }
        mixed { $($mixed:ident: $choices:expr, $mask:literal, $mixed_names:expr;)* }
        choice { $($choice:ident: $choice_names:expr;)* }
    ) => {
        /// What an argument or a result means.
        ///
        /// Kinds ending in `Out` are memory that the call fills: they can be read
        /// only after it. Those ending in `In` are memory that it reads.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u16)]
        #[allow(missing_docs, reason = "the table is where they are explained")]
        #[non_exhaustive]
        pub enum Kind {
            $($special,)* $($output,)* $($flags,)* $($long,)* $($mixed,)* $($choice,)*
        }

        impl Kind {
            /// Whether this is always memory that the call fills.
            pub const fn is_output(self) -> bool {
                matches!(self, $(Kind::$output)|*)
            }

            pub(crate) fn notation(self) -> Notation {
                match self {
                    $(Kind::$flags => Notation::Flags($flags_names),)*
                    $(Kind::$long => Notation::LongFlags($long_names),)*
                    $(Kind::$mixed => Notation::Mixed($choices, $mask, $mixed_names),)*
                    $(Kind::$choice => Notation::Choice($choice_names),)*
                    _ => Notation::Special,
                }
            }
        }
    };
}

kinds! {
    special {
        // Numbers.
        Int Uint Long Size Hex Position HexPosition Pointer Address Unshown
        Fd DirFd Pid Uid Mode CreateMode NodeMode Umask Device NodeDevice Signal Clock
        IpcKey KeySerial
        // Results only.
        Never NewImage Ready SignalResult SchedPolicyResult FcntlResult PrctlResult MembarrierResult
        // Text and data.
        Path Text MountData FsconfigValue DataIn Strings Environment
        VectorsIn VectorsBare MessageIn
        // Arguments whose meaning other arguments decide; they may be output.
        FcntlArgument IoctlRequest IoctlArgument PrctlArgument PrctlLast ArchPrctlArgument
        SocketProtocol SocketOption SocketOptionIn RemapAddress Persona Ioprio
        FutexOperation FutexValue FutexTimeout FutexLast CloneChildTid CloneTls MembarrierCpu SemCommand
        // Structures.
        OpenHowIn MountAttrIn XattrArgsIn FileAttrIn UtimbufIn
        TimespecIn TimespecPairIn TimevalIn TimevalPairIn ItimerspecIn ItimervalIn TimezoneIn
        SigsetIn SigsetWithSizeIn SigactionIn StackIn SiginfoIn SigeventIn
        PollFds FdSetIn EpollEventIn FutexWaitersIn
        SockaddrIn MsghdrIn MmsghdrIn
        RlimitIn CapHeaderIn CapDataIn SchedAttrIn CpuSetIn GroupsIn IntIn
        CloneFlags CloneArgs SemOpsIn NodeMaskIn MqAttrIn MqAttrCreate PositionIn
        ShmGetFlags IpcGetFlags PerfAttrIn LandlockRulesetIn CacheRangeIn MountRequestIn NumaMode
    }
    output {
        DataOut PathOut RandomOut VectorsOut MessageOut
        StatOut StatxOut StatfsOut FileAttrOut DirentsOut OldDirentsOut
        TimespecOut RemainingOut TimevalOut TimezoneOut TimeOut ItimerspecOut ItimervalOut
        TimexOut TmsOut
        SigsetOut SigactionOut StackOut SiginfoOut
        EpollEventsOut IoEventsOut
        SockaddrOut SockaddrLength MsghdrOut MmsghdrOut SocketOptionOut
        FdPairOut IntOut UintOut UlongOut UidOut TidOut TimerOut PointerOut GroupsOut
        SizeAfterOffset SizeAfterClone
        WaitStatusOut RusageOut RlimitOut UtsnameOut SysinfoOut CapDataOut SchedAttrOut CpuSetOut
        ResidencyOut NumaModeOut MqAttrOut UringParamsOut CacheStatOut
    }
    flags {
        FdFlags: files::FD_FLAGS;
        AccessMode: files::ACCESS;
        AccessAtFlags: files::ACCESS_AT;
        AtFlags: files::AT;
        UnlinkFlags: files::UNLINK;
        HandleFlags: files::HANDLE;
        RenameFlags: files::RENAME;
        StatxMask: files::STATX;
        MountSetattrFlags: files::AT;
        FlockOperation: files::FLOCK;
        XattrFlags: files::XATTR;
        SpliceFlags: files::SPLICE;
        SyncRangeFlags: files::SYNC_RANGE;
        FallocateMode: files::FALLOCATE;
        ReadFlags: files::READ_FLAGS;
        MemfdFlags: files::MEMFD;
        InotifyFlags: files::INOTIFY_INIT;
        InotifyMask: files::INOTIFY;
        FanotifyMarkFlags: files::FANOTIFY_MARK;
        CloseRangeFlags: files::CLOSE_RANGE;
        PidfdFlags: files::PIDFD;
        UmountFlags: files::UMOUNT;
        OpenTreeFlags: files::OPEN_TREE;
        MoveMountFlags: files::MOVE_MOUNT;
        FsopenFlags: files::FSOPEN;
        FspickFlags: files::FSPICK;
        FsmountFlags: files::FSMOUNT;
        MountAttributes: files::MOUNT_ATTRIBUTES;
        SwapFlags: files::SWAP;
        EpollFlags: files::EPOLL_CREATE;
        EventfdFlags: files::EVENTFD;
        SignalfdFlags: files::SIGNALFD;
        TimerfdFlags: files::TIMERFD;
        TimerfdSetFlags: files::TIMERFD_SET;
        RemapFlags: memory::REMAP;
        SyncFlags: memory::SYNC;
        LockAllFlags: memory::LOCK_ALL;
        Lock2Flags: memory::LOCK2;
        PkeyRights: memory::PKEY_RIGHTS;
        ShadowStackFlags: memory::SHADOW_STACK;
        NumaFlags: memory::NUMA;
        NumaGetFlags: memory::NUMA_GET;
        ShmAtFlags: memory::SHM_AT;
        MsgOpFlags: memory::MSG_OPERATION;
        MembarrierFlags: memory::MEMBARRIER_FLAGS;
        UserfaultFlags: memory::USERFAULT;
        SocketFlags: network::SOCKET;
        MessageFlags: network::MESSAGE;
        WaitOptions: processes::WAIT;
        NamespaceFlags: processes::UNSHARE;
        UnshareFlags: processes::UNSHARE;
        ExecAtFlags: processes::EXEC_AT;
        SeccompFlags: processes::SECCOMP_FILTER;
        RseqFlags: processes::RSEQ;
        TimerSetFlags: system::TIMER_SET;
        DeleteModuleFlags: system::DELETE_MODULE;
        ModuleFlags: system::MODULE;
        KexecFlags: system::KEXEC;
        KexecFileFlags: system::KEXEC_FILE;
        RandomFlags: system::RANDOM;
        PerfFlags: system::PERF;
        UringEnterFlags: system::URING_ENTER;
        LandlockFlags: system::LANDLOCK;
    }
    long_flags {
        Protection: memory::PROTECTION;
        MountFlags: files::MOUNT;
        FanotifyMask: files::FANOTIFY_MASK;
    }
    mixed {
        OpenFlags: files::ACCESS_MODE_OF_OPEN, 3, files::OPEN;
        StatxFlags: files::STATX_SYNC, 0x6000, files::STATX_AT;
        FanotifyFlags: files::FANOTIFY_CLASS, 0xc, files::FANOTIFY_INIT;
        MapFlags: memory::MAP_TYPE, 0xf, memory::MAP;
        SocketType: network::TYPE, 0xf, network::SOCKET;
        SchedPolicy: processes::SCHEDULER, 0xbfff_ffff, processes::SCHEDULER_RESET;
        Futex2Flags: processes::FUTEX2_SIZE, 3, processes::FUTEX2;
    }
    choice {
        Whence: files::WHENCE;
        FcntlCommand: files::FCNTL;
        FileAdvice: files::FILE_ADVICE;
        FsconfigCommand: files::FSCONFIG;
        EpollOperation: files::EPOLL_OPERATION;
        Advice: memory::ADVICE;
        ShmCommand: memory::SHM_COMMAND;
        MsgCommand: memory::MSG_COMMAND;
        MembarrierCommand: memory::MEMBARRIER;
        SocketDomain: network::DOMAIN;
        ShutdownHow: network::SHUTDOWN;
        SocketLevel: network::LEVEL;
        MaskHow: processes::MASK_HOW;
        WaitIdType: processes::WAIT_ID;
        PtraceRequest: processes::PTRACE;
        PriorityWhich: processes::PRIORITY;
        PrctlOption: processes::PRCTL;
        ArchPrctlOption: processes::ARCH_PRCTL;
        SeccompOperation: processes::SECCOMP;
        IoprioWhich: processes::IOPRIO_WHO;
        KcmpType: processes::KCMP;
        ItimerWhich: system::ITIMER;
        ClockState: system::CLOCK_STATE;
        RlimitResource: system::RLIMIT;
        RusageWho: system::USAGE;
        SyslogAction: system::SYSLOG;
        RebootMagic: system::REBOOT_MAGIC;
        RebootCommand: system::REBOOT;
        KeyctlOperation: system::KEYCTL;
        BpfCommand: system::BPF;
        UringRegister: system::URING_REGISTER;
        LandlockRule: system::LANDLOCK_RULE;
        LsmAttribute: system::LSM;
    }
}
