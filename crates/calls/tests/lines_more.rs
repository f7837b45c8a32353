//! Lines of calls on signals, processes, time and sockets, as `strace` 6.1
//! writes them for the same calls.

mod support;

use support::{Fake, fields, line};

const P: i64 = 0x7000_0000;
const Q: i64 = 0x7000_1000;
const R: i64 = 0x7000_2000;

#[track_caller]
fn check(memory: &Fake, name: &str, args: &[i64], ret: i64, expected: &str) {
    assert_eq!(line(memory, name, args, ret), expected);
}

#[test]
fn signal_sets_name_members_or_what_is_missing() {
    let set = |set: u64| Fake::new().at(P as u64, fields().u64(set));
    let args = [0, P, 0, 8];
    check(&set(0), "rt_sigprocmask", &args, 0, "rt_sigprocmask(SIG_BLOCK, [], NULL, 8) = 0");
    check(
        &set(1 << 1 | 1 << 16),
        "rt_sigprocmask",
        &args,
        0,
        "rt_sigprocmask(SIG_BLOCK, [INT CHLD], NULL, 8) = 0",
    );
    check(
        &set(!(3 << 31)),
        "rt_sigprocmask",
        &args,
        0,
        "rt_sigprocmask(SIG_BLOCK, ~[RTMIN RT_1], NULL, 8) = 0",
    );
    check(
        &set(1 << 33),
        "rt_sigprocmask",
        &[2, 0, P, 8],
        0,
        "rt_sigprocmask(SIG_SETMASK, NULL, [RT_2], 8) = 0",
    );
}

#[test]
fn signal_actions_show_handler_mask_and_flags() {
    let memory = Fake::new()
        .at(P as u64, fields().u64(0x401000).u64(0x1400_0004).u64(0x402000).u64(1 << 1))
        .at(Q as u64, fields().u64(0).u64(0).u64(0).u64(0));
    check(
        &memory,
        "rt_sigaction",
        &[10, P, Q, 8],
        0,
        "rt_sigaction(SIGUSR1, {sa_handler=0x401000, sa_mask=[INT], \
         sa_flags=SA_RESTORER|SA_RESTART|SA_SIGINFO, sa_restorer=0x402000}, \
         {sa_handler=SIG_DFL, sa_mask=[], sa_flags=0}, 8) = 0",
    );
    check(&memory, "kill", &[77, 34], 0, "kill(77, SIGRT_2) = 0");
    check(&memory, "tgkill", &[7, 8, 6], 0, "tgkill(7, 8, SIGABRT) = 0");
    check(&memory, "kill", &[77, 0], 0, "kill(77, 0) = 0");
    let stack = Fake::new().at(P as u64, fields().u64(0).u64(2).u64(0));
    check(
        &stack,
        "sigaltstack",
        &[0, P],
        0,
        "sigaltstack(NULL, {ss_sp=NULL, ss_flags=SS_DISABLE, ss_size=0}) = 0",
    );
}

#[test]
fn a_wait_says_how_the_child_ended() {
    let status = |status: u32| Fake::new().at(P as u64, fields().u32(status));
    let args = [-1, P, 0, 0];
    check(
        &status(0),
        "wait4",
        &args,
        9,
        "wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 9",
    );
    check(
        &status(0x300),
        "wait4",
        &args,
        9,
        "wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 3}], 0, NULL) = 9",
    );
    check(
        &status(9),
        "wait4",
        &args,
        9,
        "wait4(-1, [{WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL}], 0, NULL) = 9",
    );
    check(
        &status(0x8b),
        "wait4",
        &args,
        9,
        "wait4(-1, [{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)}], 0, NULL) = 9",
    );
    check(
        &status(0x137f),
        "wait4",
        &args,
        9,
        "wait4(-1, [{WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP}], 0, NULL) = 9",
    );
    check(&status(0xffff), "wait4", &args, 9, "wait4(-1, [{WIFCONTINUED(s)}], 0, NULL) = 9");
    check(&status(0), "wait4", &[-1, P, 1, 0], 0, "wait4(-1, 0x70000000, WNOHANG, NULL) = 0");
    let child = fields().u32(17).u32(0).u32(2).to(16).u32(9).u32(0).u32(9).to(128);
    check(
        &Fake::new().at(P as u64, child),
        "waitid",
        &[1, 9, P, 4, 0],
        0,
        "waitid(P_PID, 9, {si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid=9, si_uid=0, \
         si_status=SIGKILL, si_utime=0, si_stime=0}, WEXITED, NULL) = 0",
    );
}

#[test]
fn clone_shows_the_arguments_that_its_flags_use() {
    let memory = Fake::new().at(P as u64, fields().u32(3));
    check(
        &memory,
        "clone",
        &[0x120_0011, 0, 0, P, 0],
        9,
        "clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x70000000) = 9",
    );
    check(
        &memory,
        "clone",
        &[0x10_0011, 0, P, 0, 0],
        3,
        "clone(child_stack=NULL, flags=CLONE_PARENT_SETTID|SIGCHLD, parent_tid=[3]) = 3",
    );
    let args =
        fields().u64(0x10_0100).u64(0).u64(0).u64(R as u64).u64(17).u64(0x1000).u64(0x8000).to(88);
    let memory = Fake::new().at(P as u64, args).at(R as u64, fields().u32(12));
    check(
        &memory,
        "clone3",
        &[P, 88],
        12,
        "clone3({flags=CLONE_VM|CLONE_PARENT_SETTID, parent_tid=0x70002000, exit_signal=SIGCHLD, \
         stack=0x1000, stack_size=0x8000} => {parent_tid=[12]}, 88) = 12",
    );
    check(&memory, "clone3", &[P, 8], -22, "clone3(0x70000000, 8) = -1 EINVAL (Invalid argument)");
}

#[test]
fn futex_shows_what_its_operation_uses() {
    let memory = Fake::new().at(Q as u64, fields().u64(1).u64(500));
    check(
        &memory,
        "futex",
        &[P, 0x80, 2, 0, 9, 9],
        -11,
        "futex(0x70000000, FUTEX_WAIT_PRIVATE, 2, NULL) = -1 EAGAIN (Resource temporarily unavailable)",
    );
    check(
        &memory,
        "futex",
        &[P, 0x81, 0x7fff_ffff, 0, 9, 9],
        0,
        "futex(0x70000000, FUTEX_WAKE_PRIVATE, 2147483647) = 0",
    );
    check(
        &memory,
        "futex",
        &[P, 0x189, 0, Q, 0, 0xffff_ffff],
        -110,
        "futex(0x70000000, FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME, 0, {tv_sec=1, tv_nsec=500}, \
         FUTEX_BITSET_MATCH_ANY) = -1 ETIMEDOUT (Connection timed out)",
    );
    check(
        &memory,
        "futex",
        &[P, 4, 1, 2, R, 1],
        0,
        "futex(0x70000000, FUTEX_CMP_REQUEUE, 1, 2, 0x70002000, 1) = 0",
    );
}

#[test]
fn times_and_timers_show_their_fields() {
    let memory = Fake::new().at(P as u64, fields().u64(1).u64(2).u64(3).u64(4));
    check(
        &memory,
        "clock_gettime",
        &[1, P],
        0,
        "clock_gettime(CLOCK_MONOTONIC, {tv_sec=1, tv_nsec=2}) = 0",
    );
    check(&memory, "nanosleep", &[P, Q], 0, "nanosleep({tv_sec=1, tv_nsec=2}, 0x70001000) = 0");
    check(
        &memory,
        "nanosleep",
        &[P, P + 16],
        -516,
        "nanosleep({tv_sec=1, tv_nsec=2}, {tv_sec=3, tv_nsec=4}) = ? ERESTART_RESTARTBLOCK (Interrupted by signal)",
    );
    check(&memory, "gettimeofday", &[P, 0], 0, "gettimeofday({tv_sec=1, tv_usec=2}, NULL) = 0");
    check(
        &memory,
        "timerfd_settime",
        &[3, 1, P, 0],
        0,
        "timerfd_settime(3, TFD_TIMER_ABSTIME, {it_interval={tv_sec=1, tv_nsec=2}, it_value={tv_sec=3, tv_nsec=4}}, NULL) = 0",
    );
    let times = Fake::new()
        .at(P as u64, fields().u64(1).u64(0).u64(0).u64((1 << 30) - 2))
        .at(Q as u64, "f\0");
    check(
        &times,
        "utimensat",
        &[-100, Q, P, 0],
        0,
        "utimensat(AT_FDCWD, \"f\", [{tv_sec=1, tv_nsec=0}, UTIME_OMIT], 0) = 0",
    );
}

#[test]
fn waiting_shows_what_became_ready() {
    let fds = fields().i32(3).u16(1).u16(1).i32(-1).u16(1).u16(0);
    let memory = Fake::new().at(P as u64, fds).at(Q as u64, fields().u64(1 << 3 | 1 << 4));
    check(
        &memory,
        "poll",
        &[P, 2, -1],
        1,
        "poll([{fd=3, events=POLLIN}, {fd=-1}], 2, -1) = 1 ([{fd=3, revents=POLLIN}])",
    );
    check(&memory, "poll", &[0, 0, 1], 0, "poll(NULL, 0, 1) = 0 (Timeout)");
    check(
        &memory,
        "select",
        &[5, Q, 0, 0, 0],
        2,
        "select(5, [3 4], NULL, NULL, NULL) = 2 (in [3 4])",
    );
    let event = fields().u32(0x8000_0001).u32(5).u32(0);
    let memory = Fake::new().at(P as u64, event);
    check(
        &memory,
        "epoll_ctl",
        &[4, 1, 3, P],
        0,
        "epoll_ctl(4, EPOLL_CTL_ADD, 3, {events=EPOLLIN|EPOLLET, data={u32=5, u64=5}}) = 0",
    );
    check(
        &memory,
        "epoll_wait",
        &[4, P, 8, -1],
        1,
        "epoll_wait(4, [{events=EPOLLIN|EPOLLET, data={u32=5, u64=5}}], 8, -1) = 1",
    );
    check(&memory, "epoll_wait", &[4, P, 8, 0], 0, "epoll_wait(4, [], 8, 0) = 0");
}

#[test]
fn socket_addresses_show_family_and_name() {
    let connect = |address: support::Fields, size: i64, expected: &str| {
        let memory = Fake::new().at(P as u64, address);
        check(&memory, "connect", &[3, P, size], 0, &format!("connect(3, {expected}, {size}) = 0"));
    };
    connect(
        fields().u16(1).bytes(b"/run/x\0").to(110),
        110,
        "{sa_family=AF_UNIX, sun_path=\"/run/x\"}",
    );
    connect(fields().u16(1).bytes(b"\0abs"), 6, "{sa_family=AF_UNIX, sun_path=@\"abs\"}");
    connect(fields().u16(1), 2, "{sa_family=AF_UNIX}");
    connect(
        fields().u16(2).bytes(&[0, 80, 127, 0, 0, 1]).to(16),
        16,
        "{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"127.0.0.1\")}",
    );
    let ipv6 = |address: [u8; 16], scope: u32| {
        fields().u16(10).bytes(&[0, 53]).u32(0).bytes(&address).u32(scope)
    };
    for (address, shown) in [
        ("::1", "::1"),
        ("::", "::"),
        ("fe80::", "fe80::"),
        ("2001:db8::1:0:0:1", "2001:db8::1:0:0:1"),
        ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"),
        ("1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"),
    ] {
        let address: std::net::Ipv6Addr = address.parse().unwrap();
        connect(
            ipv6(address.octets(), 0),
            28,
            &format!(
                "{{sa_family=AF_INET6, sin6_port=htons(53), sin6_flowinfo=htonl(0), \
             inet_pton(AF_INET6, \"{shown}\", &sin6_addr), sin6_scope_id=0}}"
            ),
        );
    }
    connect(
        fields().u16(16).u16(0).u32(0).u32(0),
        12,
        "{sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}",
    );
    let memory = Fake::new();
    check(
        &memory,
        "socket",
        &[1, 0o2004001, 0],
        3,
        "socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0) = 3",
    );
    check(&memory, "socket", &[16, 3, 0], 3, "socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) = 3");
    check(&memory, "connect", &[3, 1, 16], -14, "connect(3, 0x1, 16) = -1 EFAULT (Bad address)");
}

#[test]
fn messages_and_options_of_sockets_are_decoded() {
    let control = fields().u64(20).u32(1).u32(1).i32(7).to(24);
    let header = fields().u64(0).u64(0).u64(Q as u64).u64(1).u64(R as u64).u64(24).u64(0);
    let memory = Fake::new()
        .at(P as u64, header)
        .at(Q as u64, fields().u64(Q as u64 + 64).u64(5).to(64).bytes(b"hello"))
        .at(R as u64, control)
        .at(R as u64 + 0x100, fields().i32(1))
        .at(R as u64 + 0x200, fields().i32(4));
    check(
        &memory,
        "sendmsg",
        &[3, P, 0x4000],
        5,
        "sendmsg(3, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"hello\", iov_len=5}], msg_iovlen=1, \
         msg_control=[{cmsg_len=20, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[7]}], \
         msg_controllen=24, msg_flags=0}, MSG_NOSIGNAL) = 5",
    );
    check(
        &memory,
        "setsockopt",
        &[3, 1, 2, R + 0x100, 4],
        0,
        "setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0",
    );
    check(
        &memory,
        "getsockopt",
        &[3, 6, 1, R + 0x100, R + 0x200],
        0,
        "getsockopt(3, SOL_TCP, TCP_NODELAY, [1], [4]) = 0",
    );
    check(
        &memory,
        "recvfrom",
        &[3, Q + 64, 100, 0, 0, 0],
        5,
        "recvfrom(3, \"hello\", 100, 0, NULL, NULL) = 5",
    );
}

#[test]
fn limits_names_and_identities_are_decoded() {
    let memory = Fake::new()
        .at(P as u64, fields().u64(8 << 20).u64(u64::MAX))
        .at(Q as u64, fields().bytes(b"Linux").to(65).bytes(b"host").to(390))
        .at(R as u64, fields().u64(3).to(128));
    check(
        &memory,
        "prlimit64",
        &[0, 3, 0, P],
        0,
        "prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0",
    );
    check(&memory, "uname", &[Q], 0, "uname({sysname=\"Linux\", nodename=\"host\", ...}) = 0");
    check(&memory, "sched_getaffinity", &[0, 128, R], 8, "sched_getaffinity(0, 128, [0 1]) = 8");
    check(&memory, "setresuid", &[-1, -1, 0], 0, "setresuid(-1, -1, 0) = 0");
    check(&memory, "getuid", &[], 1000, "getuid() = 1000");
    check(&memory, "arch_prctl", &[0x1002, P], 0, "arch_prctl(ARCH_SET_FS, 0x70000000) = 0");
    check(&memory, "prctl", &[38, 1, 0, 0, 0], 0, "prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) = 0");
    check(&memory, "prctl", &[15, Q, 9, 9, 9], 0, "prctl(PR_SET_NAME, \"Linux\") = 0");
    check(&memory, "set_tid_address", &[P], 7, "set_tid_address(0x70000000) = 7");
    check(
        &memory,
        "getrandom",
        &[Q, 4, 1],
        4,
        "getrandom(\"\\x4c\\x69\\x6e\\x75\", 4, GRND_NONBLOCK) = 4",
    );
    check(&memory, "personality", &[0xffff_ffff], 0, "personality(0xffffffff) = 0 (PER_LINUX)");
    check(&memory, "sched_getscheduler", &[0], 0, "sched_getscheduler(0) = 0 (SCHED_OTHER)");
}
