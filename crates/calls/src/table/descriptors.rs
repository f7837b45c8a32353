//! Calls that read, write, make or change file descriptors.

use super::calls;

/// Hands the declarations to a macro.
#[doc(hidden)]
#[macro_export]
macro_rules! calls_on_descriptors {
    ($($then:tt)*) => { $($then)*! {
        0 read(fd: Fd, buffer: DataOut, count: Size) -> Size in desc;
        1 write(fd: Fd, buffer: DataIn, count: Size) -> Size in desc;
        3 close(fd: Fd) -> Int in desc;
        5 fstat(fd: Fd, status: StatOut) -> Int in desc|fstat;
        8 lseek(fd: Fd, offset: Position, whence: Whence) -> Position in desc;
        16 ioctl(fd: Fd, request: IoctlRequest, argument: IoctlArgument) -> Int in desc;
        17 pread64(fd: Fd, buffer: DataOut, count: Size, offset: Position) -> Size in desc;
        18 pwrite64(fd: Fd, buffer: DataIn, count: Size, offset: Position) -> Size in desc;
        19 readv(fd: Fd, vectors: VectorsOut, count: Int) -> Size in desc;
        20 writev(fd: Fd, vectors: VectorsIn, count: Int) -> Size in desc;
        22 pipe(fds: FdPairOut) -> Int in desc;
        32 dup(fd: Fd) -> Fd in desc;
        33 dup2(oldfd: Fd, newfd: Fd) -> Fd in desc;
        72 fcntl(fd: Fd, command: FcntlCommand, argument: FcntlArgument) -> FcntlResult in desc;
        73 flock(fd: Fd, operation: FlockOperation) -> Int in desc;
        74 fsync(fd: Fd) -> Int in desc;
        75 fdatasync(fd: Fd) -> Int in desc;
        77 ftruncate(fd: Fd, length: Position) -> Int in desc;
        78 getdents(fd: Fd, buffer: OldDirentsOut, size: Uint) -> Size in desc;
        81 fchdir(fd: Fd) -> Int in desc;
        91 fchmod(fd: Fd, mode: Mode) -> Int in desc;
        93 fchown(fd: Fd, owner: Uid, group: Uid) -> Int in desc;
        138 fstatfs(fd: Fd, status: StatfsOut) -> Int in desc|fstatfs;
        187 readahead(fd: Fd, offset: Position, count: Size) -> Int in desc;
        190 fsetxattr(fd: Fd, name: Text, value: DataIn, size: Size, flags: XattrFlags) -> Int in desc;
        193 fgetxattr(fd: Fd, name: Text, value: DataOut, size: Size) -> Size in desc;
        196 flistxattr(fd: Fd, list: DataOut, size: Size) -> Size in desc;
        199 fremovexattr(fd: Fd, name: Text) -> Int in desc;
        217 getdents64(fd: Fd, buffer: DirentsOut, size: Uint) -> Size in desc;
        221 fadvise64(fd: Fd, offset: Position, length: Size, advice: FileAdvice) -> Int in desc;
        253 inotify_init() -> Fd in desc;
        255 inotify_rm_watch(fd: Fd, watch: Int) -> Int in desc;
        275 splice(infd: Fd, in_offset: PositionIn, outfd: Fd, out_offset: PositionIn, length: Size, flags: SpliceFlags) -> Size in desc;
        276 tee(infd: Fd, outfd: Fd, length: Size, flags: SpliceFlags) -> Size in desc;
        277 sync_file_range(fd: Fd, offset: Position, length: Position, flags: SyncRangeFlags) -> Int in desc;
        278 vmsplice(fd: Fd, vectors: VectorsIn, count: Size, flags: SpliceFlags) -> Size in desc;
        282 signalfd(fd: Fd, mask: SigsetIn, size: Size) -> Fd in desc|signal;
        283 timerfd_create(clock: Clock, flags: TimerfdFlags) -> Fd in desc;
        284 eventfd(count: Uint) -> Fd in desc;
        285 fallocate(fd: Fd, mode: FallocateMode, offset: Position, length: Position) -> Int in desc;
        286 timerfd_settime(fd: Fd, flags: TimerfdSetFlags, new: ItimerspecIn, old: ItimerspecOut) -> Int in desc;
        287 timerfd_gettime(fd: Fd, value: ItimerspecOut) -> Int in desc;
        289 signalfd4(fd: Fd, mask: SigsetIn, size: Size, flags: SignalfdFlags) -> Fd in desc|signal;
        290 eventfd2(count: Uint, flags: EventfdFlags) -> Fd in desc;
        292 dup3(oldfd: Fd, newfd: Fd, flags: FdFlags) -> Fd in desc;
        293 pipe2(fds: FdPairOut, flags: FdFlags) -> Int in desc;
        294 inotify_init1(flags: InotifyFlags) -> Fd in desc;
        295 preadv(fd: Fd, vectors: VectorsOut, count: Int, offset: Position) -> Size in desc;
        296 pwritev(fd: Fd, vectors: VectorsIn, count: Int, offset: Position) -> Size in desc;
        298 perf_event_open(attributes: PerfAttrIn, pid: Pid, cpu: Int, group: Fd, flags: PerfFlags) -> Fd in desc;
        300 fanotify_init(flags: FanotifyFlags, event_flags: OpenFlags) -> Fd in desc;
        304 open_by_handle_at(mountfd: DirFd, handle: Pointer, flags: OpenFlags) -> Fd in desc;
        306 syncfs(fd: Fd) -> Int in desc;
        308 setns(fd: Fd, kind: NamespaceFlags) -> Int in desc;
        313 finit_module(fd: Fd, parameters: Text, flags: ModuleFlags) -> Int in desc;
        319 memfd_create(name: Text, flags: MemfdFlags) -> Fd in desc;
        320 kexec_file_load(kernelfd: Fd, initrdfd: Fd, length: Size, command_line: Text, flags: KexecFileFlags) -> Int in desc;
        321 bpf(command: BpfCommand, attributes: Pointer, size: Uint) -> Int in desc;
        323 userfaultfd(flags: UserfaultFlags) -> Fd in desc;
        326 copy_file_range(infd: Fd, in_offset: PositionIn, outfd: Fd, out_offset: PositionIn, length: Size, flags: Hex) -> Size in desc;
        327 preadv2(fd: Fd, vectors: VectorsOut, count: Int, offset: Position, high: Unshown, flags: ReadFlags) -> Size in desc;
        328 pwritev2(fd: Fd, vectors: VectorsIn, count: Int, offset: Position, high: Unshown, flags: ReadFlags) -> Size in desc;
        425 io_uring_setup(entries: Uint, parameters: UringParamsOut) -> Fd in desc;
        426 io_uring_enter(fd: Fd, to_submit: Uint, min_complete: Uint, flags: UringEnterFlags, argument: Pointer, size: Size) -> Int in desc|signal;
        427 io_uring_register(fd: Fd, opcode: UringRegister, argument: Pointer, count: Uint) -> Int in desc|memory;
        430 fsopen(name: Text, flags: FsopenFlags) -> Fd in desc;
        432 fsmount(fd: Fd, flags: FsmountFlags, attributes: MountAttributes) -> Fd in desc;
        434 pidfd_open(pid: Pid, flags: PidfdFlags) -> Fd in desc;
        436 close_range(first: Uint, last: Uint, flags: CloseRangeFlags) -> Int;
        438 pidfd_getfd(pidfd: Fd, fd: Fd, flags: Hex) -> Fd in desc;
        443 quotactl_fd(fd: Fd, command: Hex, id: Uid, address: Pointer) -> Int in desc;
        444 landlock_create_ruleset(attributes: LandlockRulesetIn, size: Size, flags: LandlockFlags) -> Fd in desc;
        445 landlock_add_rule(fd: Fd, kind: LandlockRule, attributes: Pointer, flags: Hex) -> Int in desc;
        446 landlock_restrict_self(fd: Fd, flags: Hex) -> Int in desc;
        447 memfd_secret(flags: FdFlags) -> Fd in desc;
        448 process_mrelease(pidfd: Fd, flags: Hex) -> Int in desc;
        451 cachestat(fd: Fd, range: CacheRangeIn, statistics: CacheStatOut, flags: Hex) -> Int in desc;
    } };
}

calls_on_descriptors!(calls);
