//! Whatever a process is refused or burdened with: the program runs as it would
//! without us, intercepted where that can be, and one line says what cannot.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use interceptor_tests::{Dist, Missing, Scratch, guest, installed, need, skip};

mod support;

use support::filter::{self, Filter};

/// What tells that nothing was intercepted.
const NOT_ARMED: &str = "interceptor: not armed, the program runs untouched: ";

/// How a program ended: status, output, error output without our lines, our lines.
#[derive(Debug)]
struct Ended {
    status: String,
    stdout: String,
    stderr: String,
    ours: Vec<String>,
}

impl Ended {
    /// What a program gives, without what we say.
    fn theirs(&self) -> (&str, &str, &str) {
        (&self.status, &self.stdout, &self.stderr)
    }
}

fn run(command: &mut Command) -> Ended {
    let output = command.stdin(Stdio::null()).output().expect("a program that can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let stderr = text(&output.stderr);
    let (ours, stderr): (Vec<&str>, Vec<&str>) =
        stderr.lines().partition(|line| line.starts_with("interceptor: "));
    Ended {
        status: output.status.to_string(),
        stdout: text(&output.stdout),
        stderr: stderr.join("\n"),
        ours: ours.into_iter().map(str::to_owned).collect(),
    }
}

/// A script for `sh` that forks, executes, waits and ends with a status of its own.
const SCRIPT: &str = "echo before; ls / >/dev/null && (exit 3); echo after $?; exit 5";

/// A command preloaded with the runtime alone, and the same natively.
fn preloaded(dist: &Dist, program: &Path, arguments: &[&str]) -> [Command; 2] {
    let mut ours = Command::new(program);
    ours.args(arguments).env("LD_PRELOAD", dist.runtime());
    let mut native = Command::new(program);
    native.args(arguments);
    [native, ours]
}

/// Runs the script natively and intercepted, both prepared in the same way, and
/// returns what we said.
fn said(dist: &Dist, prepare: impl Fn(&mut Command)) -> Vec<String> {
    let [mut native, mut ours] = preloaded(dist, Path::new("/bin/sh"), &["-c", SCRIPT]);
    prepare(&mut native);
    prepare(&mut ours);
    let (native, ours) = (run(&mut native), run(&mut ours));
    assert_eq!(native.theirs(), ("exit status: 5", "before\nafter 3\n", ""), "{native:?}");
    assert_eq!(ours.theirs(), native.theirs(), "{ours:?}");
    ours.ours
}

/// The same under a filter that came along with exec.
fn said_under(dist: &Dist, filter: &Filter) -> Vec<String> {
    said(dist, |command| filter.on(command))
}

#[test]
fn memory_that_may_not_become_executable_leaves_the_program_untouched() {
    let dist = need!(Dist::find());
    // As systemd's MemoryDenyWriteExecute=, in its older form.
    let said = said_under(
        &dist,
        &Filter::new(libc::SYS_mprotect, filter::Action::Errno(libc::EACCES)).if_bit(2, 4),
    );
    // The shell, and ls.
    for line in &said {
        assert!(line.starts_with(NOT_ARMED) && line.contains("W^X"), "{line}");
    }
    assert!(!said.is_empty());
}

#[test]
fn refused_calls_of_start_up_cost_nothing_but_what_they_are_for() {
    let dist = need!(Dist::find());
    for nr in [
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_madvise,
        libc::SYS_memfd_create,
        libc::SYS_membarrier,
        libc::SYS_prctl,
        libc::SYS_gettid,
        libc::SYS_sigaltstack,
    ] {
        for errno in [libc::EPERM, libc::ENOSYS] {
            let said = said_under(&dist, &Filter::new(nr, filter::Action::Errno(errno)));
            assert_eq!(said, [""; 0], "call {nr}");
        }
    }
}

#[test]
fn where_the_kernel_has_no_dispatch_a_net_is_said_to_be_missing() {
    let dist = need!(Dist::find());
    for errno in [libc::EPERM, libc::EINVAL] {
        let said = said(&dist, |command| {
            Filter::new(libc::SYS_prctl, filter::Action::Errno(errno)).on(command);
            command.env("INTERCEPTOR_NET", "1");
        });
        assert!(!said.is_empty());
        for line in said {
            assert!(line.contains("no net") && line.contains("missed"), "{line}");
        }
    }
}

#[test]
fn a_filter_that_kills_whoever_makes_an_unusual_call_kills_nobody() {
    let dist = need!(Dist::find());
    // What systemd's @system-service leaves out, of what an interceptor may make.
    for nr in [
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_ptrace,
        libc::SYS_membarrier,
        libc::SYS_memfd_create,
        libc::SYS_userfaultfd,
        libc::SYS_perf_event_open,
        // What no filter has that was made from a program's own calls.
        libc::SYS_get_robust_list,
        libc::SYS_prctl,
        libc::SYS_fstat,
    ] {
        let said = said_under(&dist, &Filter::new(nr, filter::Action::Kill));
        assert_eq!(said, [""; 0], "call {nr}");
    }
    // Nor whose threads are counted.
    let mut counted = Command::new(dist.command());
    counted.args(["stat", "--", "/bin/sh", "-c", SCRIPT]);
    Filter::new(libc::SYS_get_robust_list, filter::Action::Kill).on(&mut counted);
    assert_eq!(run(&mut counted).theirs().0, "exit status: 5");
}

/// A program, in a mount namespace with things changed by a script before.
fn confined(prepare: &str, program: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    let script = format!("set -e; {prepare}; exec \"$@\"");
    command.args(["--mount", "sh", "-c", &script, "sh"]).args(program);
    command
}

#[test]
fn without_proc_the_program_runs_untouched() {
    let dist = need!(Dist::find());
    need!(can_unshare());
    let preload = format!("LD_PRELOAD={}", dist.runtime().display());
    let ended = run(&mut confined("umount -l /proc", &["env", &preload, "/bin/sh", "-c", SCRIPT]));
    assert_eq!(ended.theirs(), ("exit status: 5", "before\nafter 3\n", ""), "{ended:?}");
    assert!(!ended.ours.is_empty());
    for line in &ended.ours {
        assert!(line.starts_with(NOT_ARMED) && line.ends_with("mount /proc"), "{line}");
    }
}

#[test]
fn in_a_root_of_its_own_a_program_is_intercepted_if_that_has_proc() {
    let dist = need!(Dist::find());
    need!(can_unshare());
    let runtime = dist.runtime().canonicalize().expect("the runtime");
    for (mount, is_armed) in [("mount -t proc proc $root/proc", true), (":", false)] {
        let scratch = Scratch::new();
        let root = scratch.as_ref().to_str().expect("UTF-8");
        let prepare = format!(
            "root={root}; for name in bin lib lib64 usr; do mkdir $root/$name; \
             mount --rbind /$name $root/$name; done; mkdir $root/proc; {mount}; \
             cp {} $root/runtime.so",
            runtime.display()
        );
        let script = "echo before; /bin/true; echo after; exit 5";
        let program =
            ["chroot", root, "/bin/env", "LD_PRELOAD=/runtime.so", "/bin/sh", "-c", script];
        let ended = run(&mut confined(&prepare, &program));
        assert_eq!(ended.theirs(), ("exit status: 5", "before\nafter\n", ""), "{ended:?}");
        let is_refused = ended.ours.iter().all(|line| line.starts_with(NOT_ARMED));
        assert_eq!(ended.ours.is_empty(), is_armed, "{ended:?}");
        assert!(is_refused, "{ended:?}");
    }
}

#[test]
fn a_file_system_that_cannot_be_written_is_no_obstacle() {
    let dist = need!(Dist::find());
    need!(can_unshare());
    let interceptor = dist.command();
    let interceptor = interceptor.to_str().expect("UTF-8");
    let prepare = "for at in $(awk '{ print $5 }' /proc/self/mountinfo); do \
                   mount -o remount,bind,ro $at 2>/dev/null || :; done";
    let program =
        [interceptor, "stat", "--", "/bin/sh", "-c", "touch /read-only 2>/dev/null || exit 5"];
    let ended = run(&mut confined(prepare, &program));
    assert_eq!((ended.status.as_str(), ended.stdout.as_str()), ("exit status: 5", ""), "{ended:?}");
    let coverage = ended.ours.last().expect("a line of coverage");
    assert!(coverage.ends_with(" 0 missed"), "{ended:?}");
}

fn can_unshare() -> Result<(), Missing> {
    let status = Command::new("unshare").args(["--mount", "true"]).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Missing("mount namespaces".to_owned())),
    }
}

#[test]
fn in_a_user_and_pid_namespace_a_program_is_intercepted() {
    let dist = need!(Dist::find());
    let unshare = [
        "unshare",
        "-Urpf",
        "--mount-proc",
        "/bin/sh",
        "-c",
        "echo $$; id -u; ls /proc/1/exe; exit 5",
    ];
    let native = run(Command::new(unshare[0]).args(&unshare[1..]));
    let ours = run(Command::new(dist.command()).args(["stat", "--"]).args(unshare));
    assert_eq!((&ours.status, &ours.stdout), (&native.status, &native.stdout), "{ours:?}");
    assert!(ours.ours.last().is_some_and(|line| line.ends_with(" 0 missed")), "{ours:?}");
}

#[test]
fn addresses_that_are_not_random_are_like_others() {
    let dist = need!(Dist::find());
    for name in ["registers", "signal_nested", "vfork_family", "dlstorm", "execs"] {
        let guest = need!(guest(name));
        let guest = guest.to_str().expect("UTF-8");
        let native = run(Command::new("setarch").args(["-R", guest]));
        let ours =
            run(Command::new("setarch").args(["-R", guest]).env("LD_PRELOAD", dist.runtime()));
        assert_eq!(ours.theirs(), native.theirs());
        assert_eq!(ours.ours, [""; 0]);
    }
}

/// Bytes of a signal frame on this processor, as the kernel tells each program.
fn signal_frame() -> usize {
    const AT_MINSIGSTKSZ: usize = 51;
    let words = fs::read("/proc/self/auxv").expect("the auxiliary vector");
    let words: Vec<usize> = words
        .chunks_exact(size_of::<usize>())
        .map(|word| usize::from_ne_bytes(word.try_into().expect("a word")))
        .collect();
    let entry = words.chunks_exact(2).find(|entry| entry[0] == AT_MINSIGSTKSZ);
    entry.map_or(4096, |entry| entry[1])
}

#[test]
fn a_tight_address_space_holds_the_program_and_us() {
    const FIRST_KB: usize = 2000;
    const STEP_KB: usize = 50;
    /// What the library needs to be loaded; below that the dynamic linker loads
    /// nothing after it.
    const LOADED_KB: usize = 1100;
    /// What we need to intercept everything, without the room for signal frames.
    const ARMED_KB: usize = 1600;
    /// There may be one for each signal at once, on another.
    const SIGNALS: usize = 63;
    let dist = need!(Dist::find());
    let under_limit = |limit: usize, preload: &str| {
        run(Command::new("sh")
            .arg("-c")
            .arg(format!("ulimit -v {limit}; {preload} exec /bin/echo something")))
    };
    let enough = (FIRST_KB..)
        .step_by(STEP_KB)
        .find(|limit| under_limit(*limit, "").status == "exit status: 0")
        .expect("a limit");
    let preload = format!("LD_PRELOAD={}", dist.runtime().display());
    let armed_kb = ARMED_KB + SIGNALS * signal_frame() / 1024;
    let mut has_degraded = false;
    for limit in (enough + LOADED_KB..enough + 2 * armed_kb).step_by(STEP_KB) {
        let ours = under_limit(limit, &preload);
        assert_eq!(ours.theirs(), ("exit status: 0", "something\n", ""), "{limit} KiB: {ours:?}");
        has_degraded |= !ours.ours.is_empty();
        // One for each object that is left alone.
        let most = if limit < enough + armed_kb { 2 } else { 0 };
        assert!(ours.ours.len() <= most, "{limit} KiB: {ours:?}");
    }
    assert!(has_degraded, "no limit was tight");
}

#[test]
fn a_small_stack_is_enough_for_what_runs_on_it_natively() {
    let dist = need!(Dist::find());
    let (ls, hook) = (need!(installed("ls")), need!(guest("libforward_all.so")));
    // What is left of it is for the program: start-up and hooks have their own.
    for kilobytes in [32, 64, 96] {
        let limited = format!("ulimit -s {kilobytes}; exec {} -l /usr", ls.display());
        let [mut native, mut ours] = preloaded(&dist, Path::new("/bin/sh"), &["-c", &limited]);
        let mut hooked = Command::new(dist.command());
        hooked.args(["run", "--hook"]).arg(&hook).args(["--", "sh", "-c", &limited]);
        let native = run(&mut native);
        assert_eq!((native.status.as_str(), native.stderr.as_str()), ("exit status: 0", ""));
        for ended in [run(&mut ours), run(&mut hooked)] {
            assert_eq!(ended.theirs(), native.theirs(), "{kilobytes} KiB: {ended:?}");
            assert_eq!(ended.ours, [""; 0], "{kilobytes} KiB");
        }
    }
}

/// Where libraries lie below the program, the first mapping of all is one of ours.
#[test]
fn every_layout_of_memory_is_as_natively() {
    let dist = need!(Dist::find());
    need!(installed("python3"));
    for layout in
        ["ulimit -s unlimited; exec", "exec setarch -L", "exec setarch -R", "exec setarch -X"]
    {
        let script =
            format!("{layout} python3 -c 'import threading; print(len(threading.enumerate()))'");
        // Each start lies elsewhere.
        for _ in 0..8 {
            let [native, ours] = preloaded(&dist, Path::new("/bin/sh"), &["-c", &script]);
            let [native, ours] = [native, ours].map(|mut command| run(&mut command));
            assert_eq!(native.theirs(), ("exit status: 0", "1\n", ""), "{layout}: {native:?}");
            assert_eq!(ours.theirs(), native.theirs(), "{layout}: {ours:?}");
            assert_eq!(ours.ours, [""; 0], "{layout}");
        }
    }
}

#[test]
fn without_standard_streams_nothing_of_ours_is_written_elsewhere() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    // The first file opened is descriptor 0, the second 1, the third 2.
    let script = "exec <&- >&- 2>&-; exec ENV python3 -c 'import os; fds = [os.open(f, os.O_CREAT | os.O_RDWR) \
                  for f in \"abc\"]; os.write(fds[2], b\"third\"); os._exit(len(os.listdir(\"/proc/self/fd\")))'";
    let mut results = Vec::new();
    for with in ["", "INTERCEPTOR_DEBUG_DUMP=1 INTERCEPTOR=wrong"] {
        let directory = scratch.path(if with.is_empty() { "native" } else { "ours" });
        fs::create_dir(&directory).expect("a directory");
        let preload = format!("env {with} LD_PRELOAD={}", dist.runtime().display());
        let script = script.replace("ENV", if with.is_empty() { "env" } else { &preload });
        let ended = run(Command::new("sh").args(["-c", &script]).current_dir(&directory));
        let files =
            ["a", "b", "c"].map(|name| fs::read_to_string(directory.join(name)).expect("a file"));
        results.push((ended.status, files));
    }
    assert_eq!(results[0], results[1]);
}

#[test]
fn a_full_disk_costs_the_report_only() {
    let dist = need!(Dist::find());
    for command in ["trace", "stat"] {
        let mut ours = Command::new(dist.command());
        ours.args([command, "-o", "/dev/full", "--", "/bin/sh", "-c", SCRIPT]);
        let ours = run(&mut ours);
        assert_eq!(ours.theirs(), ("exit status: 5", "before\nafter 3\n", ""), "{ours:?}");
        assert_eq!(ours.ours.len(), 1, "{ours:?}");
        assert!(ours.ours[0].contains("/dev/full"), "{ours:?}");
    }
}

#[test]
fn who_reads_the_trace_may_leave_and_its_file_may_reach_a_limit() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let interceptor = dist.command();
    let interceptor = interceptor.display();
    let fifo = scratch.path("fifo");
    let fifo = fifo.display();
    let file = scratch.path("file");
    let file = file.display();
    let long = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); cd /; done";
    let busy = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); cd /; done; ls -lR /usr/include/linux >/dev/null; echo end; exit 5";
    for script in [
        format!(
            "mkfifo {fifo}; head -c 100 {fifo} >/dev/null & {interceptor} trace -o {fifo} -- sh -c '{busy}'"
        ),
        format!("{interceptor} trace -o {file} -- sh -c 'ulimit -f 8; {busy}'"),
        // Below what it has already, traced and not.
        format!("{interceptor} trace -o {file} -- sh -c '{long}; ulimit -f 1; {busy}'"),
        format!(
            "{interceptor} trace -o {file} -e trace=chdir,newfstatat -- sh -c '{long}; ulimit -f 1; {busy}'"
        ),
    ] {
        let ended = run(Command::new("sh").args(["-c", &script]));
        assert_eq!(
            (ended.status.as_str(), ended.stdout.as_str()),
            ("exit status: 5", "end\n"),
            "{ended:?}"
        );
    }
}

#[test]
fn thousands_of_objects_are_patched_and_found() {
    const COUNT: &str = "5000";
    let dist = need!(Dist::find());
    let (program, library) = (need!(guest("objects")), need!(guest("libdlstorm.so")));
    let scratch = Scratch::new();
    let directory = scratch.as_ref().to_str().expect("UTF-8");
    let arguments = [COUNT, library.to_str().expect("UTF-8"), directory];
    let [mut native, mut ours] = preloaded(&dist, &program, &arguments);
    let (native, ours) = (run(&mut native), run(&mut ours));
    assert_eq!(native.status, "exit status: 0", "{native:?}");
    assert_eq!((ours.theirs(), ours.ours.len()), (native.theirs(), 0), "{ours:?}");
}

/// `N` functions, each with a site.
const SITES: &str = r"
    .rept N
    .balign 16
    .cfi_startproc
    mov $5000, %eax
    syscall
    ret
    .cfi_endproc
    .endr
";

/// What stubs need grows by a number of bytes for each that goes into pages in so many ways.
#[test]
fn whatever_number_of_sites_an_object_has_its_stubs_have_room() {
    const COUNTS: usize = 256;
    let dist = need!(Dist::find());
    let compiler = need!(installed("cc"));
    let scratch = Scratch::new();
    let source = scratch.file("sites.s", 0o644, SITES);
    let library = |sites: usize| scratch.path(&format!("lib{sites}.so"));
    std::thread::scope(|scope| {
        for first in 1..=2 {
            let (compiler, source, library) = (&compiler, &source, &library);
            scope.spawn(move || {
                for sites in (first..=COUNTS).step_by(2) {
                    let built = Command::new(compiler)
                        .args(["-shared", "-nostdlib", &format!("-Wa,--defsym,N={sites}")])
                        .args(["-o".as_ref(), library(sites).as_os_str(), source.as_os_str()])
                        .status();
                    assert!(built.expect("a compiler").success());
                }
            });
        }
    });
    let libraries = (1..=COUNTS).map(|sites| library(sites).display().to_string());
    let libraries = libraries.collect::<Vec<_>>().join(":");
    let mut command = Command::new("/bin/echo");
    command.arg("runs").env("LD_PRELOAD", format!("{}:{libraries}", dist.runtime().display()));
    let ended = run(command.env("INTERCEPTOR_CARRY", "0").env("INTERCEPTOR_DEBUG_DUMP", "1"));
    assert_eq!(ended.theirs(), ("exit status: 0", "runs\n", ""), "{ended:?}");
    for sites in 1..=COUNTS {
        let name = format!("/lib{sites}.so:");
        let line = ended.ours.iter().find(|line| line.contains(&name)).expect("a line for each");
        assert!(line.contains(" missed 0 "), "{line}");
    }
}

#[test]
fn a_hostile_environment_is_named_and_survived() {
    let dist = need!(Dist::find());
    let huge = "x".repeat(100_000);
    let said = said(&dist, |command| {
        command
            .env("INTERCEPTOR", "neither")
            .env("INTERCEPTOR_TRACE_FD", "-5")
            .env("INTERCEPTOR_SEGMENT_FD", "99999999999999999999")
            .env("INTERCEPTOR_SAVE", &huge)
            .env("INTERCEPTOR_FORCE_RUNG", "\u{1f980}")
            .env("INTERCEPTOR_BYPASS", ":::")
            .env("INTERCEPTOR_UNKNOWN", "1")
            .env("HUGE", &huge);
        for number in 0..2000 {
            command.env(format!("VARIABLE_{number}"), "value");
        }
    });
    // Each of the two programs names each of the bad values.
    for name in ["", "_TRACE_FD", "_SEGMENT_FD", "_SAVE", "_FORCE_RUNG"] {
        let name = format!(" INTERCEPTOR{name}=");
        assert_eq!(said.iter().filter(|line| line.contains(&name)).count(), 2, "{name}: {said:#?}");
    }
}

#[test]
fn a_second_copy_of_the_runtime_stands_back_and_says_so() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let copy = scratch.path("libcopy.so");
    fs::copy(dist.runtime(), &copy).expect("a copy");
    let runtime = dist.runtime();
    let (runtime, copy) = (runtime.display(), copy.display());
    for preload in
        [format!("{runtime}:{runtime}"), format!("{runtime}:{copy}"), format!("{copy}:{runtime}")]
    {
        let said = said(&dist, |command| {
            if command.get_envs().count() > 0 {
                command.env("LD_PRELOAD", &preload);
            }
        });
        let has_copy = preload.contains("libcopy");
        assert_eq!(said.is_empty(), !has_copy, "{said:?}");
        assert!(said.iter().all(|line| line.contains("another interceptor")), "{said:?}");
    }
}

#[test]
fn libraries_that_replace_parts_of_libc_work_beside_us() {
    const LIBRARIES: &[&str] = &[
        "libjemalloc.so.2",
        "libtcmalloc_minimal.so.4",
        "libeatmydata.so",
        "faketime/libfaketime.so.1",
        "faketime/libfaketimeMT.so.1",
    ];
    let dist = need!(Dist::find());
    let threads = need!(guest("c11_threads"));
    let script = format!(
        "date +%Y; python3 -c 'import subprocess; print(subprocess.run([\"date\", \"+%Y\"]))'; {}; exit 3",
        threads.display()
    );
    for name in LIBRARIES {
        let library = Path::new("/usr/lib/x86_64-linux-gnu").join(name);
        if !library.is_file() {
            return skip(&Missing(library.display().to_string()));
        }
        let (library, runtime) = (library.display(), dist.runtime().display().to_string());
        let under = |preload: String| {
            let mut command = Command::new("sh");
            command
                .args(["-c", &script])
                .env("LD_PRELOAD", preload)
                .env("FAKETIME", "2020-02-02 00:00:00");
            run(&mut command)
        };
        let native = under(library.to_string());
        assert_eq!(native.status, "exit status: 3", "{native:?}");
        for preload in [format!("{library}:{runtime}"), format!("{runtime}:{library}")] {
            let ours = under(preload);
            assert_eq!(ours.theirs(), native.theirs());
            assert_eq!(ours.ours, [""; 0]);
        }
    }
}

#[test]
fn bad_pointers_have_the_kernels_errno_under_a_filter() {
    let dist = need!(Dist::find());
    let program = need!(guest("efault"));
    let mut results = Vec::new();
    for mut command in preloaded(&dist, &program, &[]) {
        Filter::new(libc::SYS_process_vm_readv, filter::Action::Kill).on(&mut command);
        results.push(run(&mut command));
    }
    assert_eq!(results[0].theirs(), results[1].theirs(), "{results:?}");
    assert_eq!(results[1].ours, [""; 0]);
}
