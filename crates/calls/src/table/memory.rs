//! Calls on memory mappings, and System V inter-process communication.

use super::calls;

/// Hands the declarations to a macro.
#[doc(hidden)]
#[macro_export]
macro_rules! calls_on_memory {
    ($($then:tt)*) => { $($then)*! {
        9 mmap(address: Pointer, length: Size, protection: Protection, flags: MapFlags, fd: Fd, offset: HexPosition) -> Address in desc|memory;
        10 mprotect(address: Pointer, length: Size, protection: Protection) -> Int in memory;
        11 munmap(address: Pointer, length: Size) -> Int in memory;
        12 brk(address: Pointer) -> Address in memory;
        25 mremap(old: Pointer, old_size: Size, new_size: Size, flags: RemapFlags, new: RemapAddress) -> Address in memory;
        26 msync(address: Pointer, length: Size, flags: SyncFlags) -> Int in memory;
        27 mincore(address: Pointer, length: Size, residency: ResidencyOut) -> Int in memory;
        28 madvise(address: Pointer, length: Size, advice: Advice) -> Int in memory;
        29 shmget(key: IpcKey, size: Size, flags: ShmGetFlags) -> Int in ipc;
        30 shmat(id: Int, address: Pointer, flags: ShmAtFlags) -> Address in ipc|memory;
        31 shmctl(id: Int, command: ShmCommand, buffer: Pointer) -> Int in ipc;
        64 semget(key: IpcKey, count: Int, flags: IpcGetFlags) -> Int in ipc;
        65 semop(id: Int, operations: SemOpsIn, count: Uint) -> Int in ipc;
        66 semctl(id: Int, index: Int, command: SemCommand, argument: Hex) -> Int in ipc;
        67 shmdt(address: Pointer) -> Int in ipc|memory;
        68 msgget(key: IpcKey, flags: IpcGetFlags) -> Int in ipc;
        69 msgsnd(id: Int, message: MessageIn, size: Size, flags: MsgOpFlags) -> Int in ipc;
        70 msgrcv(id: Int, message: MessageOut, size: Size, kind: Long, flags: MsgOpFlags) -> Size in ipc;
        71 msgctl(id: Int, command: MsgCommand, buffer: Pointer) -> Int in ipc;
        149 mlock(address: Pointer, length: Size) -> Int in memory;
        150 munlock(address: Pointer, length: Size) -> Int in memory;
        151 mlockall(flags: LockAllFlags) -> Int in memory;
        152 munlockall() -> Int in memory;
        206 io_setup(count: Uint, context: PointerOut) -> Int in memory;
        207 io_destroy(context: Pointer) -> Int in memory;
        216 remap_file_pages(address: Pointer, size: Size, protection: Protection, page: Size, flags: MapFlags) -> Int in memory;
        220 semtimedop(id: Int, operations: SemOpsIn, count: Uint, timeout: TimespecIn) -> Int in ipc;
        237 mbind(address: Pointer, length: Size, mode: NumaMode, nodes: NodeMaskIn, highest: Size, flags: NumaFlags) -> Int in memory;
        238 set_mempolicy(mode: NumaMode, nodes: NodeMaskIn, highest: Size) -> Int in memory;
        239 get_mempolicy(mode: NumaModeOut, nodes: Pointer, highest: Size, address: Pointer, flags: NumaGetFlags) -> Int in memory;
        256 migrate_pages(pid: Pid, highest: Size, old: Pointer, new: Pointer) -> Int in memory;
        279 move_pages(pid: Pid, count: Size, pages: Pointer, nodes: Pointer, status: Pointer, flags: NumaFlags) -> Int in memory;
        325 mlock2(address: Pointer, length: Size, flags: Lock2Flags) -> Int in memory;
        329 pkey_mprotect(address: Pointer, length: Size, protection: Protection, key: Int) -> Int in memory;
        330 pkey_alloc(flags: Hex, rights: PkeyRights) -> Int;
        331 pkey_free(key: Int) -> Int;
        440 process_madvise(pidfd: Fd, vectors: VectorsBare, count: Size, advice: Advice, flags: Hex) -> Size in desc;
        450 set_mempolicy_home_node(address: Pointer, length: Size, node: Size, flags: Hex) -> Int in memory;
        453 map_shadow_stack(address: Pointer, length: Size, flags: ShadowStackFlags) -> Address in memory;
        462 mseal(address: Pointer, length: Size, flags: Hex) -> Int in memory;
    } };
}

calls_on_memory!(calls);
