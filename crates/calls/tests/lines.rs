//! Lines of calls, as `strace` 6.1 writes them for the same calls.

mod support;

use interceptor_calls::{Options, Outcome, format_call, format_enter, format_exit};
use support::{Fake, fields, line, nr, parts, six};

const P: i64 = 0x7000_0000;
const Q: i64 = 0x7000_1000;
const R: i64 = 0x7000_2000;
const FDCWD: i64 = -100;

#[track_caller]
fn check(memory: &Fake, name: &str, args: &[i64], ret: i64, expected: &str) {
    assert_eq!(line(memory, name, args, ret), expected);
}

#[test]
fn paths_are_shown_whole_and_flags_by_name() {
    let memory = Fake::new().at(P as u64, "/etc/ld.so.cache\0").at(Q as u64, "x\0");
    check(
        &memory,
        "openat",
        &[FDCWD, P, 0o2000000, 0],
        3,
        "openat(AT_FDCWD, \"/etc/ld.so.cache\", O_RDONLY|O_CLOEXEC) = 3",
    );
    check(
        &memory,
        "openat",
        &[FDCWD, Q, 0o101, 0o644],
        -2,
        "openat(AT_FDCWD, \"x\", O_WRONLY|O_CREAT, 0644) = -1 ENOENT (No such file or directory)",
    );
    check(
        &memory,
        "open",
        &[P, 0o20200002, 0o600],
        3,
        "open(\"/etc/ld.so.cache\", O_RDWR|O_TMPFILE, 0600) = 3",
    );
    check(&memory, "open", &[Q, 0o4010001], 3, "open(\"x\", O_WRONLY|O_SYNC) = 3");
    check(&memory, "open", &[Q, 0x8000_0002], 3, "open(\"x\", O_RDWR|0x80000000) = 3");
    check(&memory, "open", &[0, 0], -14, "open(NULL, O_RDONLY) = -1 EFAULT (Bad address)");
    check(&memory, "open", &[1, 0], -14, "open(0x1, O_RDONLY) = -1 EFAULT (Bad address)");
    check(&memory, "access", &[P, 6], 0, "access(\"/etc/ld.so.cache\", R_OK|W_OK) = 0");
    check(&memory, "access", &[P, 0], 0, "access(\"/etc/ld.so.cache\", F_OK) = 0");
    check(
        &memory,
        "unlinkat",
        &[FDCWD, Q, 0x200],
        0,
        "unlinkat(AT_FDCWD, \"x\", AT_REMOVEDIR) = 0",
    );
    check(&memory, "mkdirat", &[FDCWD, Q, 0o1777], 0, "mkdirat(AT_FDCWD, \"x\", 01777) = 0");
    check(
        &memory,
        "renameat2",
        &[FDCWD, P, FDCWD, Q, 1],
        0,
        "renameat2(AT_FDCWD, \"/etc/ld.so.cache\", AT_FDCWD, \"x\", RENAME_NOREPLACE) = 0",
    );
    check(
        &memory,
        "mknodat",
        &[FDCWD, Q, 0o20600, 0x103],
        -1,
        "mknodat(AT_FDCWD, \"x\", S_IFCHR|0600, makedev(0x1, 0x3)) = -1 EPERM (Operation not permitted)",
    );
    check(&memory, "mknod", &[Q, 0o10600, 7], 0, "mknod(\"x\", S_IFIFO|0600) = 0");
    check(&memory, "fchown", &[3, -1, 0], 0, "fchown(3, -1, 0) = 0");
    check(&memory, "umask", &[0o27], 0o22, "umask(027) = 022");
}

#[test]
fn a_long_path_is_not_cut_at_the_string_limit() {
    let path = "/".repeat(300);
    let memory = Fake::new().at(P as u64, format!("{path}\0"));
    check(&memory, "chdir", &[P], 0, &format!("chdir(\"{path}\") = 0"));
}

#[test]
fn data_is_escaped_as_in_c_and_cut_at_the_string_limit() {
    let memory = Fake::new()
        .at(
            P as u64,
            b"\x7fELF\x02\x01\x01\x03\0\0\0\0\0\0\0\0\x03\0>\0\x01\0\0\0\x20\x74\x02\0\0\0\0\0\0\0",
        )
        .at(Q as u64, b"a\x01\x0021\xff\x1b\n");
    check(
        &memory,
        "read",
        &[3, P, 34],
        34,
        "read(3, \"\\177ELF\\2\\1\\1\\3\\0\\0\\0\\0\\0\\0\\0\\0\\3\\0>\\0\\1\\0\\0\\0 t\\2\\0\\0\\0\\0\\0\"..., 34) = 34",
    );
    check(&memory, "write", &[4, Q, 8], 8, "write(4, \"a\\1\\00021\\377\\33\\n\", 8) = 8");
    check(&memory, "write", &[4, Q, 0], 0, "write(4, \"\", 0) = 0");
    check(&memory, "read", &[3, P, 100], 5, "read(3, \"\\177ELF\\2\", 100) = 5");
    check(&memory, "read", &[3, 0x10, 100], -14, "read(3, 0x10, 100) = -1 EFAULT (Bad address)");
    check(&memory, "write", &[3, 0x10, 100], -14, "write(3, 0x10, 100) = -1 EFAULT (Bad address)");
    check(&memory, "pread64", &[3, P, 4, 7], 4, "pread64(3, \"\\177ELF\", 4, 7) = 4");
    let quotes = Fake::new().at(P as u64, b"\"\\\t\r\x0b\x0c\0");
    check(&quotes, "chdir", &[P], 0, "chdir(\"\\\"\\\\\\t\\r\\v\\f\") = 0");
}

#[test]
fn an_escape_before_a_digit_has_three_digits_wherever_memory_is_read_in_pieces() {
    let mut bytes = vec![b'x'; 400];
    for at in [31, 159, 160, 161, 319, 320] {
        bytes[at] = 1;
        bytes[at + 1] = b'7';
    }
    let memory = Fake::new().at(P as u64, &bytes);
    let mut line = String::new();
    let options = Options { string_limit: 400, ..Options::default() };
    format_call(&mut line, 1, &six(&[1, P, 400]), Outcome::Returned(400), &memory, &options)
        .unwrap();
    assert!(!line.contains("\\17"), "{line}");
    assert_eq!(line.matches("\\0017").count(), 3, "{line}");
}

#[test]
fn execve_shows_its_arguments_and_counts_its_environment() {
    let memory = Fake::new()
        .at(P as u64, "/usr/bin/git\0")
        .at(Q as u64, fields().u64(R as u64).u64(R as u64 + 4).u64(0))
        .at(R as u64, "git\0--version\0")
        .at(R as u64 + 0x100, fields().u64(1).u64(2).u64(3).u64(0));
    check(
        &memory,
        "execve",
        &[P, Q, R + 0x100],
        0,
        "execve(\"/usr/bin/git\", [\"git\", \"--version\"], 0x70002100 /* 3 vars */) = 0",
    );
    check(
        &memory,
        "execve",
        &[P, 0, 0],
        -14,
        "execve(\"/usr/bin/git\", NULL, NULL) = -1 EFAULT (Bad address)",
    );
    check(
        &memory,
        "execve",
        &[P, 1, 2],
        -14,
        "execve(\"/usr/bin/git\", 0x1, 0x2) = -1 EFAULT (Bad address)",
    );
}

#[test]
fn what_the_call_reads_is_shown_as_it_was_before_the_call() {
    let before = Fake::new().at(P as u64, "/bin/true\0");
    let (enter, exit) = parts([&before, &Fake::new()], "execve", &[P, 0, 0], 0);
    assert_eq!((enter.as_str(), exit.as_str()), ("execve(\"/bin/true\", NULL, NULL", ") = 0"));
}

#[test]
fn what_the_call_fills_is_shown_as_it_was_after_the_call() {
    let before = Fake::new().at(P as u64, "old");
    let after = Fake::new().at(P as u64, "new");
    let (enter, exit) = parts([&before, &after], "read", &[3, P, 3], 3);
    assert_eq!((enter.as_str(), exit.as_str()), ("read(3, ", "\"new\", 3) = 3"));
}

#[test]
fn a_call_without_outcome_is_unfinished_and_one_that_cannot_have_any_has_a_question_mark() {
    let memory = Fake::new();
    let show = |name: &str, outcome| {
        let mut line = String::new();
        format_call(&mut line, nr(name), &six(&[3, P, 1]), outcome, &memory, &Options::default())
            .unwrap();
        line
    };
    assert_eq!(show("exit_group", Outcome::NoReturn), "exit_group(3) = ?");
    assert_eq!(show("read", Outcome::Running), "read(3,  <unfinished ...>");
    check(
        &memory,
        "pause",
        &[],
        -514,
        "pause() = ? ERESTARTNOHAND (To be restarted if no handler)",
    );
    check(
        &memory,
        "read",
        &[3, P, 1],
        -512,
        "read(3, 0x70000000, 1) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)",
    );
    check(&memory, "close", &[3], -4095, "close(3) = -1 (errno 4095)");
}

#[test]
fn results_stand_in_a_column() {
    let memory = Fake::new();
    let options = Options { align: 40, ..Options::default() };
    let mut line = String::new();
    format_call(&mut line, nr("close"), &six(&[3]), Outcome::Returned(0), &memory, &options)
        .unwrap();
    assert_eq!(line, "close(3)                                = 0");
    // The same behind a prefix and in two parts.
    let mut line = String::from("123 ");
    format_enter(&mut line, nr("close"), &six(&[3]), &memory, &options).unwrap();
    let written = line.len();
    let options = Options { written, ..options };
    format_exit(&mut line, nr("close"), &six(&[3]), Outcome::Returned(0), &memory, &options)
        .unwrap();
    assert_eq!(line, "123 close(3)                            = 0");
}

#[test]
fn unknown_numbers_show_all_six_registers() {
    let mut line = String::new();
    let args = six(&[1, 2, 3, 4, 0, -1]);
    format_call(&mut line, 500, &args, Outcome::Returned(-38), &Fake::new(), &Options::default())
        .unwrap();
    assert_eq!(
        line,
        "syscall_0x1f4(0x1, 0x2, 0x3, 0x4, 0, 0xffffffffffffffff) = -1 ENOSYS (Function not implemented)"
    );
}

#[test]
fn file_status_shows_type_mode_and_size() {
    let status = |mode: u32, device: u64, size: u64| {
        Fake::new()
            .at(P as u64, "\0")
            .at(Q as u64, fields().to(24).u32(mode).to(40).u64(device).u64(size).to(144))
    };
    check(
        &status(0o100644, 0, 33699),
        "newfstatat",
        &[3, P, Q, 0x1000],
        0,
        "newfstatat(3, \"\", {st_mode=S_IFREG|0644, st_size=33699, ...}, AT_EMPTY_PATH) = 0",
    );
    check(
        &status(0o20620, 0x8801, 0),
        "fstat",
        &[3, Q],
        0,
        "fstat(3, {st_mode=S_IFCHR|0620, st_rdev=makedev(0x88, 0x1), ...}) = 0",
    );
    check(
        &status(0o41777, 0, 40),
        "fstat",
        &[3, Q],
        0,
        "fstat(3, {st_mode=S_IFDIR|S_ISVTX|0777, st_size=40, ...}) = 0",
    );
    check(
        &status(0, 0, 0),
        "fstat",
        &[9, Q],
        -9,
        "fstat(9, 0x70001000) = -1 EBADF (Bad file descriptor)",
    );
    let extended =
        fields().u32(0x17ff).u32(4096).u64(0x2000).to(28).u16(0o40755).to(40).u64(4096).to(256);
    let memory = Fake::new().at(P as u64, "/\0").at(Q as u64, extended);
    check(
        &memory,
        "statx",
        &[FDCWD, P, 0x900, 0x20e, Q],
        0,
        "statx(AT_FDCWD, \"/\", AT_STATX_SYNC_AS_STAT|AT_SYMLINK_NOFOLLOW|AT_NO_AUTOMOUNT, \
         STATX_MODE|STATX_NLINK|STATX_UID|STATX_SIZE, {stx_mask=STATX_BASIC_STATS|STATX_MNT_ID, \
         stx_attributes=STATX_ATTR_MOUNT_ROOT, stx_mode=S_IFDIR|0755, stx_size=4096, ...}) = 0",
    );
}

#[test]
fn directories_are_counted_and_links_read() {
    let mut entries = fields();
    for index in 0..20_u64 {
        entries = entries.u64(index).u64(index).u16(24).bytes(&[4, b'a', 0, 0, 0, 0]);
    }
    let memory = Fake::new().at(P as u64, entries).at(Q as u64, "sl\0").at(R as u64, "target/xx");
    check(
        &memory,
        "getdents64",
        &[3, P, 32768],
        480,
        "getdents64(3, 0x70000000 /* 20 entries */, 32768) = 480",
    );
    check(
        &memory,
        "getdents64",
        &[3, P, 32768],
        0,
        "getdents64(3, 0x70000000 /* 0 entries */, 32768) = 0",
    );
    check(&memory, "readlink", &[Q, R, 100], 6, "readlink(\"sl\", \"target\", 100) = 6");
    check(&memory, "getcwd", &[R, 4096], 7, "getcwd(\"target\", 4096) = 7");
}

#[test]
fn control_of_descriptors_shows_what_each_command_takes() {
    let lock = fields().u16(1).u16(0).to(8).u64(0).u64(10).i32(77).to(32);
    let memory =
        Fake::new().at(P as u64, lock).at(Q as u64, fields().u16(24).u16(80).u16(0).u16(0));
    check(&memory, "fcntl", &[3, 1, 0], 1, "fcntl(3, F_GETFD) = 0x1 (flags FD_CLOEXEC)");
    check(&memory, "fcntl", &[3, 1, 0], 0, "fcntl(3, F_GETFD) = 0");
    check(&memory, "fcntl", &[3, 2, 1], 0, "fcntl(3, F_SETFD, FD_CLOEXEC) = 0");
    check(
        &memory,
        "fcntl",
        &[3, 3, 0],
        0x8002,
        "fcntl(3, F_GETFL) = 0x8002 (flags O_RDWR|O_LARGEFILE)",
    );
    check(
        &memory,
        "fcntl",
        &[3, 4, 0o6000],
        0,
        "fcntl(3, F_SETFL, O_RDONLY|O_APPEND|O_NONBLOCK) = 0",
    );
    check(
        &memory,
        "fcntl",
        &[3, 6, P],
        0,
        "fcntl(3, F_SETLK, {l_type=F_WRLCK, l_whence=SEEK_SET, l_start=0, l_len=10}) = 0",
    );
    check(
        &memory,
        "fcntl",
        &[3, 5, P],
        0,
        "fcntl(3, F_GETLK, {l_type=F_WRLCK, l_whence=SEEK_SET, l_start=0, l_len=10, l_pid=77}) = 0",
    );
    check(
        &memory,
        "fcntl",
        &[3, 999, 1],
        -22,
        "fcntl(3, 0x3e7 /* F_??? */, 0x1) = -1 EINVAL (Invalid argument)",
    );
    check(
        &memory,
        "ioctl",
        &[1, 0x5413, Q],
        0,
        "ioctl(1, TIOCGWINSZ, {ws_row=24, ws_col=80, ws_xpixel=0, ws_ypixel=0}) = 0",
    );
    check(
        &memory,
        "ioctl",
        &[1, 0x5401, 5],
        -25,
        "ioctl(1, TCGETS, 0x5) = -1 ENOTTY (Inappropriate ioctl for device)",
    );
    check(&memory, "ioctl", &[1, 0x5451, 5], 0, "ioctl(1, FIOCLEX) = 0");
    check(
        &memory,
        "ioctl",
        &[1, 0xc018_1234, 5],
        -25,
        "ioctl(1, _IOC(_IOC_READ|_IOC_WRITE, 0x12, 0x34, 0x18), 0x5) = -1 ENOTTY (Inappropriate ioctl for device)",
    );
    check(&memory, "lseek", &[3, -1, 2], 39, "lseek(3, -1, SEEK_END) = 39");
    check(&memory, "dup3", &[3, 41, 0o2000000], 41, "dup3(3, 41, O_CLOEXEC) = 41");
    let pair = Fake::new().at(P as u64, fields().i32(3).i32(4));
    check(&pair, "pipe2", &[P, 0o2004000], 0, "pipe2([3, 4], O_NONBLOCK|O_CLOEXEC) = 0");
}

#[test]
fn vectors_show_their_data() {
    let memory = Fake::new()
        .at(P as u64, fields().u64(Q as u64).u64(5).u64(Q as u64 + 5).u64(3))
        .at(Q as u64, "hello\nxy")
        .at(R as u64, fields().u64(4));
    check(
        &memory,
        "writev",
        &[1, P, 2],
        8,
        "writev(1, [{iov_base=\"hello\", iov_len=5}, {iov_base=\"\\nxy\", iov_len=3}], 2) = 8",
    );
    check(
        &memory,
        "readv",
        &[1, P, 2],
        6,
        "readv(1, [{iov_base=\"hello\", iov_len=5}, {iov_base=\"\\n\", iov_len=3}], 2) = 6",
    );
    check(&memory, "sendfile", &[1, 3, R, 5], 4, "sendfile(1, 3, [4] => [4], 5) = 4");
    check(&memory, "sendfile", &[1, 3, 0, 5], 4, "sendfile(1, 3, NULL, 5) = 4");
}

#[test]
fn memory_calls_show_protection_and_flags() {
    let memory = Fake::new().at(P as u64, [1, 0]);
    check(
        &memory,
        "mmap",
        &[0, 8192, 3, 0x22, -1, 0],
        0x7f00_0000_0000,
        "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000",
    );
    check(
        &memory,
        "mmap",
        &[P, 4096, 5, 0x812, 3, 0x7000],
        P,
        "mmap(0x70000000, 4096, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, 3, 0x7000) = 0x70000000",
    );
    check(&memory, "mprotect", &[P, 4096, 0], 0, "mprotect(0x70000000, 4096, PROT_NONE) = 0");
    check(&memory, "madvise", &[P, 4096, 4], 0, "madvise(0x70000000, 4096, MADV_DONTNEED) = 0");
    check(
        &memory,
        "mremap",
        &[P, 8192, 16384, 1, 5],
        Q,
        "mremap(0x70000000, 8192, 16384, MREMAP_MAYMOVE) = 0x70001000",
    );
    check(
        &memory,
        "mremap",
        &[P, 1, 1, 3, Q],
        Q,
        "mremap(0x70000000, 1, 1, MREMAP_MAYMOVE|MREMAP_FIXED, 0x70001000) = 0x70001000",
    );
    check(&memory, "brk", &[0], 0x5550_0000, "brk(NULL) = 0x55500000");
    check(&memory, "mincore", &[R, 8192, P], 0, "mincore(0x70002000, 8192, [1, 0]) = 0");
    check(
        &memory,
        "shmget",
        &[0, 4096, 0o1600],
        2,
        "shmget(IPC_PRIVATE, 4096, IPC_CREAT|0600) = 2",
    );
    check(&memory, "munmap", &[P, 4096], 0, "munmap(0x70000000, 4096) = 0");
}
