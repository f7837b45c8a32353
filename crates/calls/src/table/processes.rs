//! Calls on processes, threads, signals, identities and scheduling.

use super::calls;

/// Hands the declarations to a macro.
#[doc(hidden)]
#[macro_export]
macro_rules! calls_on_processes {
    ($($then:tt)*) => { $($then)*! {
        13 rt_sigaction(signal: Signal, action: SigactionIn, old: SigactionOut, size: Size) -> Int in signal;
        14 rt_sigprocmask(how: MaskHow, set: SigsetIn, old: SigsetOut, size: Size) -> Int in signal;
        15 rt_sigreturn() -> Never in signal;
        24 sched_yield() -> Int;
        34 pause() -> Int in signal;
        39 getpid() -> Int in pure;
        56 clone(flags: CloneFlags, stack: Pointer, parent_tid: TidOut, child_tid: CloneChildTid, tls: CloneTls) -> Int in process;
        57 fork() -> Int in process;
        58 vfork() -> Int in process;
        59 execve(path: Path, arguments: Strings, environment: Environment) -> NewImage in file|process;
        60 exit(status: Int) -> Never in process;
        61 wait4(pid: Pid, status: WaitStatusOut, options: WaitOptions, usage: RusageOut) -> Int in process;
        62 kill(pid: Pid, signal: Signal) -> Int in process|signal;
        95 umask(mask: Umask) -> Umask;
        101 ptrace(request: PtraceRequest, pid: Pid, address: Hex, data: Hex) -> Long;
        102 getuid() -> Uid in creds|pure;
        104 getgid() -> Uid in creds|pure;
        105 setuid(uid: Uid) -> Int in creds;
        106 setgid(gid: Uid) -> Int in creds;
        107 geteuid() -> Uid in creds|pure;
        108 getegid() -> Uid in creds|pure;
        109 setpgid(pid: Pid, group: Pid) -> Int;
        110 getppid() -> Int in pure;
        111 getpgrp() -> Int in pure;
        112 setsid() -> Int;
        113 setreuid(real: Uid, effective: Uid) -> Int in creds;
        114 setregid(real: Uid, effective: Uid) -> Int in creds;
        115 getgroups(size: Int, list: GroupsOut) -> Int in creds;
        116 setgroups(size: Int, list: GroupsIn) -> Int in creds;
        117 setresuid(real: Uid, effective: Uid, saved: Uid) -> Int in creds;
        118 getresuid(real: UidOut, effective: UidOut, saved: UidOut) -> Int in creds;
        119 setresgid(real: Uid, effective: Uid, saved: Uid) -> Int in creds;
        120 getresgid(real: UidOut, effective: UidOut, saved: UidOut) -> Int in creds;
        121 getpgid(pid: Pid) -> Int;
        122 setfsuid(uid: Uid) -> Uid in creds;
        123 setfsgid(gid: Uid) -> Uid in creds;
        124 getsid(pid: Pid) -> Int;
        125 capget(header: CapHeaderIn, data: CapDataOut) -> Int in creds;
        126 capset(header: CapHeaderIn, data: CapDataIn) -> Int in creds;
        127 rt_sigpending(set: SigsetOut, size: Size) -> Int in signal;
        128 rt_sigtimedwait(set: SigsetIn, information: SiginfoOut, timeout: TimespecIn, size: Size) -> SignalResult in signal;
        129 rt_sigqueueinfo(pid: Pid, signal: Signal, information: SiginfoIn) -> Int in process|signal;
        130 rt_sigsuspend(mask: SigsetIn, size: Size) -> Int in signal;
        131 sigaltstack(new: StackIn, old: StackOut) -> Int in signal;
        135 personality(persona: Persona) -> Persona;
        140 getpriority(which: PriorityWhich, who: Int) -> Int;
        141 setpriority(which: PriorityWhich, who: Int, priority: Int) -> Int;
        142 sched_setparam(pid: Pid, parameter: IntIn) -> Int;
        143 sched_getparam(pid: Pid, parameter: IntOut) -> Int;
        144 sched_setscheduler(pid: Pid, policy: SchedPolicy, parameter: IntIn) -> Int;
        145 sched_getscheduler(pid: Pid) -> SchedPolicyResult;
        146 sched_get_priority_max(policy: SchedPolicy) -> Int;
        147 sched_get_priority_min(policy: SchedPolicy) -> Int;
        148 sched_rr_get_interval(pid: Pid, interval: TimespecOut) -> Int;
        154 modify_ldt(function: Int, pointer: Pointer, size: Size) -> Int;
        157 prctl(option: PrctlOption, second: PrctlArgument, third: Hex, fourth: Hex, fifth: PrctlLast) -> PrctlResult in creds;
        158 arch_prctl(option: ArchPrctlOption, address: ArchPrctlArgument) -> Int;
        186 gettid() -> Int in pure;
        200 tkill(tid: Pid, signal: Signal) -> Int in process|signal;
        203 sched_setaffinity(pid: Pid, size: Uint, set: CpuSetIn) -> Int;
        204 sched_getaffinity(pid: Pid, size: Uint, set: CpuSetOut) -> Int;
        205 set_thread_area(descriptor: Pointer) -> Int;
        211 get_thread_area(descriptor: Pointer) -> Int;
        218 set_tid_address(address: Pointer) -> Int;
        219 restart_syscall() -> Int;
        231 exit_group(status: Int) -> Never in process;
        234 tgkill(tgid: Pid, tid: Pid, signal: Signal) -> Int in process|signal;
        247 waitid(kind: WaitIdType, id: Pid, information: SiginfoOut, options: WaitOptions, usage: RusageOut) -> Int in process;
        251 ioprio_set(which: IoprioWhich, who: Int, priority: Ioprio) -> Int;
        252 ioprio_get(which: IoprioWhich, who: Int) -> Ioprio;
        272 unshare(flags: UnshareFlags) -> Int;
        273 set_robust_list(head: Pointer, size: Size) -> Int;
        274 get_robust_list(pid: Pid, head: PointerOut, size: UlongOut) -> Int;
        297 rt_tgsigqueueinfo(tgid: Pid, tid: Pid, signal: Signal, information: SiginfoIn) -> Int in process|signal;
        309 getcpu(cpu: UidOut, node: UidOut, cache: Pointer) -> Int;
        310 process_vm_readv(pid: Pid, local: VectorsOut, local_count: Size, remote: VectorsBare, remote_count: Size, flags: Hex) -> Size;
        311 process_vm_writev(pid: Pid, local: VectorsIn, local_count: Size, remote: VectorsBare, remote_count: Size, flags: Hex) -> Size;
        312 kcmp(pid1: Pid, pid2: Pid, kind: KcmpType, first: Hex, second: Hex) -> Int;
        314 sched_setattr(pid: Pid, attributes: SchedAttrIn, flags: Hex) -> Int;
        315 sched_getattr(pid: Pid, attributes: SchedAttrOut, size: Uint, flags: Hex) -> Int;
        317 seccomp(operation: SeccompOperation, flags: SeccompFlags, arguments: Pointer) -> Int;
        322 execveat(dirfd: DirFd, path: Path, arguments: Strings, environment: Environment, flags: ExecAtFlags) -> NewImage in file|desc|process;
        324 membarrier(command: MembarrierCommand, flags: MembarrierFlags, cpu: MembarrierCpu) -> MembarrierResult;
        334 rseq(area: Pointer, size: Hex, flags: RseqFlags, signature: Hex) -> Int;
        335 uretprobe() -> Hex;
        336 uprobe() -> Hex;
        424 pidfd_send_signal(pidfd: Fd, signal: Signal, information: SiginfoIn, flags: Hex) -> Int in desc|process|signal;
        435 clone3(arguments: CloneArgs, size: SizeAfterClone) -> Int in process;
        459 lsm_get_self_attr(attribute: LsmAttribute, context: Pointer, size: UintOut, flags: Hex) -> Int;
        460 lsm_set_self_attr(attribute: LsmAttribute, context: Pointer, size: Uint, flags: Hex) -> Int;
        461 lsm_list_modules(ids: Pointer, size: UintOut, flags: Hex) -> Int;
        471 rseq_slice_yield() -> Int;
    } };
}

calls_on_processes!(calls);
