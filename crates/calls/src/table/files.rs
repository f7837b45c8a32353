//! Calls that name files.

use super::calls;

/// Hands the declarations to a macro.
#[doc(hidden)]
#[macro_export]
macro_rules! calls_on_files {
    ($($then:tt)*) => { $($then)*! {
        2 open(path: Path, flags: OpenFlags, mode: CreateMode) -> Fd in file|desc;
        4 stat(path: Path, status: StatOut) -> Int in file|stat;
        6 lstat(path: Path, status: StatOut) -> Int in file|lstat;
        21 access(path: Path, mode: AccessMode) -> Int in file;
        76 truncate(path: Path, length: Position) -> Int in file;
        79 getcwd(buffer: PathOut, size: Size) -> Size in file;
        80 chdir(path: Path) -> Int in file;
        82 rename(old: Path, new: Path) -> Int in file;
        83 mkdir(path: Path, mode: Mode) -> Int in file;
        84 rmdir(path: Path) -> Int in file;
        85 creat(path: Path, mode: Mode) -> Fd in file|desc;
        86 link(old: Path, new: Path) -> Int in file;
        87 unlink(path: Path) -> Int in file;
        88 symlink(target: Path, path: Path) -> Int in file;
        89 readlink(path: Path, buffer: DataOut, size: Size) -> Size in file;
        90 chmod(path: Path, mode: Mode) -> Int in file;
        92 chown(path: Path, owner: Uid, group: Uid) -> Int in file;
        94 lchown(path: Path, owner: Uid, group: Uid) -> Int in file;
        132 utime(path: Path, times: UtimbufIn) -> Int in file;
        133 mknod(path: Path, mode: NodeMode, device: NodeDevice) -> Int in file;
        134 uselib(path: Path) -> Int in file;
        136 ustat(device: Device, status: Pointer) -> Int in ustat;
        137 statfs(path: Path, status: StatfsOut) -> Int in file|statfs;
        155 pivot_root(new: Path, old: Path) -> Int in file;
        161 chroot(path: Path) -> Int in file;
        163 acct(path: Path) -> Int in file;
        165 mount(source: Path, target: Path, fs_type: Text, flags: MountFlags, data: MountData) -> Int in file;
        166 umount2(target: Path, flags: UmountFlags) -> Int in file;
        167 swapon(path: Path, flags: SwapFlags) -> Int in file;
        168 swapoff(path: Path) -> Int in file;
        179 quotactl(command: Hex, special: Path, id: Uid, address: Pointer) -> Int in file;
        188 setxattr(path: Path, name: Text, value: DataIn, size: Size, flags: XattrFlags) -> Int in file;
        189 lsetxattr(path: Path, name: Text, value: DataIn, size: Size, flags: XattrFlags) -> Int in file;
        191 getxattr(path: Path, name: Text, value: DataOut, size: Size) -> Size in file;
        192 lgetxattr(path: Path, name: Text, value: DataOut, size: Size) -> Size in file;
        194 listxattr(path: Path, list: DataOut, size: Size) -> Size in file;
        195 llistxattr(path: Path, list: DataOut, size: Size) -> Size in file;
        197 removexattr(path: Path, name: Text) -> Int in file;
        198 lremovexattr(path: Path, name: Text) -> Int in file;
        235 utimes(path: Path, times: TimevalPairIn) -> Int in file;
        254 inotify_add_watch(fd: Fd, path: Path, mask: InotifyMask) -> Int in file|desc;
        257 openat(dirfd: DirFd, path: Path, flags: OpenFlags, mode: CreateMode) -> Fd in file|desc;
        258 mkdirat(dirfd: DirFd, path: Path, mode: Mode) -> Int in file|desc;
        259 mknodat(dirfd: DirFd, path: Path, mode: NodeMode, device: NodeDevice) -> Int in file|desc;
        260 fchownat(dirfd: DirFd, path: Path, owner: Uid, group: Uid, flags: AtFlags) -> Int in file|desc;
        261 futimesat(dirfd: DirFd, path: Path, times: TimevalPairIn) -> Int in file|desc;
        262 newfstatat(dirfd: DirFd, path: Path, status: StatOut, flags: AtFlags) -> Int in file|desc|fstat;
        263 unlinkat(dirfd: DirFd, path: Path, flags: UnlinkFlags) -> Int in file|desc;
        264 renameat(olddirfd: DirFd, old: Path, newdirfd: DirFd, new: Path) -> Int in file|desc;
        265 linkat(olddirfd: DirFd, old: Path, newdirfd: DirFd, new: Path, flags: AtFlags) -> Int in file|desc;
        266 symlinkat(target: Path, dirfd: DirFd, path: Path) -> Int in file|desc;
        267 readlinkat(dirfd: DirFd, path: Path, buffer: DataOut, size: Size) -> Size in file|desc;
        268 fchmodat(dirfd: DirFd, path: Path, mode: Mode) -> Int in file|desc;
        269 faccessat(dirfd: DirFd, path: Path, mode: AccessMode) -> Int in file|desc;
        280 utimensat(dirfd: DirFd, path: Path, times: TimespecPairIn, flags: AtFlags) -> Int in file|desc;
        301 fanotify_mark(fd: Fd, flags: FanotifyMarkFlags, mask: FanotifyMask, dirfd: DirFd, path: Path) -> Int in file|desc;
        303 name_to_handle_at(dirfd: DirFd, path: Path, handle: Pointer, mount_id: IntOut, flags: HandleFlags) -> Int in file|desc;
        316 renameat2(olddirfd: DirFd, old: Path, newdirfd: DirFd, new: Path, flags: RenameFlags) -> Int in file|desc;
        332 statx(dirfd: DirFd, path: Path, flags: StatxFlags, mask: StatxMask, status: StatxOut) -> Int in file|desc|fstat;
        428 open_tree(dirfd: DirFd, path: Path, flags: OpenTreeFlags) -> Fd in file|desc;
        429 move_mount(fromfd: DirFd, from: Path, tofd: DirFd, to: Path, flags: MoveMountFlags) -> Int in file|desc;
        431 fsconfig(fd: Fd, command: FsconfigCommand, key: Text, value: FsconfigValue, aux: Int) -> Int in file|desc;
        433 fspick(dirfd: DirFd, path: Path, flags: FspickFlags) -> Fd in file|desc;
        437 openat2(dirfd: DirFd, path: Path, how: OpenHowIn, size: Size) -> Fd in file|desc;
        439 faccessat2(dirfd: DirFd, path: Path, mode: AccessMode, flags: AccessAtFlags) -> Int in file|desc;
        442 mount_setattr(dirfd: DirFd, path: Path, flags: MountSetattrFlags, attributes: MountAttrIn, size: Size) -> Int in file|desc;
        452 fchmodat2(dirfd: DirFd, path: Path, mode: Mode, flags: AtFlags) -> Int in file|desc;
        463 setxattrat(dirfd: DirFd, path: Path, flags: AtFlags, name: Text, arguments: XattrArgsIn, size: Size) -> Int in file|desc;
        464 getxattrat(dirfd: DirFd, path: Path, flags: AtFlags, name: Text, arguments: Pointer, size: Size) -> Size in file|desc;
        465 listxattrat(dirfd: DirFd, path: Path, flags: AtFlags, list: DataOut, size: Size) -> Size in file|desc;
        466 removexattrat(dirfd: DirFd, path: Path, flags: AtFlags, name: Text) -> Int in file|desc;
        467 open_tree_attr(dirfd: DirFd, path: Path, flags: OpenTreeFlags, attributes: MountAttrIn, size: Size) -> Fd in file|desc;
        468 file_getattr(dirfd: DirFd, path: Path, attributes: FileAttrOut, size: Size, flags: AtFlags) -> Int in file|desc;
        469 file_setattr(dirfd: DirFd, path: Path, attributes: FileAttrIn, size: Size, flags: AtFlags) -> Int in file|desc;
    } };
}

calls_on_files!(calls);
