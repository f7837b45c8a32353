//! The calls that a trace shows are the kernel's: the same names in the same
//! order as `strace -f` shows for the same program, from the point at which the
//! runtime has started. None is missed, none is invented.
//!
//! The runtime is not there when strace looks, so the two are two runs of the
//! same deterministic program. Before our constructor come the calls of the
//! kernel's exec and of the dynamic linker; so what we show of an image is the
//! end of what strace shows of it.

use std::collections::HashMap;
use std::fs;
use std::process::Command;

use interceptor_tests::{Dist, Program, Scratch, guest, installed, need};

/// The calls of one image in one process.
type Calls = Vec<String>;

/// Programs, with arguments, that make the same calls in each run.
const PROGRAMS: &[&[&str]] = &[
    &["true"],
    &["ls", "-l", "/usr"],
    &["cat", "/etc/passwd"],
    &["sed", "s/a/b/", "/etc/passwd"],
    // Not grep, nor gawk: they read their own mappings, by as many calls as their list is long.
    &["cut", "-d:", "-f1", "/etc/passwd"],
    &["perl", "-e", "print 1; open my $f, '<', '/etc/passwd'; print while <$f>"],
    &["/usr/bin/python3", "-c", "import json; print(json.dumps(list(range(100))))"],
    &["/usr/bin/python3", "-c", "import subprocess; subprocess.run(['ls', '/usr'])"],
    &["git", "--version"],
    &["sqlite3", ":memory:", "create table t(a); insert into t values(1); select * from t;"],
    &["find", "/usr/include", "-name", "*.h"],
    &["tar", "cf", "/dev/null", "/usr/include/linux"],
    &["make", "--version"],
    &["env", "A=1", "sort", "/etc/passwd"],
    &["dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=1000"],
];

#[test]
fn a_trace_shows_the_calls_that_strace_shows() {
    let dist = need!(Dist::find());
    need!(installed("strace"));
    for program in PROGRAMS {
        if !program[0].starts_with('/') {
            need!(installed(program[0]));
        }
        compare_with_strace(&dist, program, &[]);
    }
}

#[test]
fn with_a_net_a_trace_shows_the_calls_that_strace_shows() {
    let dist = need!(Dist::find());
    need!(installed("strace"));
    // The same, with no site patched; with libc left alone.
    let nets: &[&[(&str, &str)]] = &[
        &[("INTERCEPTOR_NET", "1")],
        &[("INTERCEPTOR_NET", "1"), ("INTERCEPTOR_FORCE_RUNG", "trap")],
        &[("INTERCEPTOR_NET", "1"), ("INTERCEPTOR_BYPASS", "libc.so.6")],
    ];
    for net in nets {
        for program in PROGRAMS.iter().filter(|program| installed(program[0]).is_ok()) {
            compare_with_strace(&dist, program, net);
        }
        // Of code that is writable and executable at once, and of code at two places.
        let guest = need!(guest("jit"));
        compare_with_strace(&dist, &[guest.to_str().expect("a name in UTF-8")], net);
    }
}

#[test]
fn with_a_net_calls_of_generated_code_are_shown_from_the_first_one_on() {
    let dist = need!(Dist::find());
    let guest = need!(guest("code_generated"));
    let program = [guest.to_str().expect("a name in UTF-8")];
    let shown = |environment| {
        let lines = trace_with(&dist, &Scratch::new(), &program, environment);
        let count = |call: &str| lines.lines().filter(|line| line.contains(call)).count();
        let calls = [" gettid() = ", " syscall_0x186a0(", " vfork() = "].map(count);
        // Of 42 places that code is written to, one is unmapped meanwhile.
        (calls, lines.contains(", 43 trap, 0 missed"))
    };
    assert_eq!(shown(&[]), ([0, 0, 0], false));
    // One in each of five threads; the others once.
    assert_eq!(shown(&[("INTERCEPTOR_NET", "1")]), ([5, 1, 1], true));
}

/// Compares traces of a program, with some environment.
fn compare_with_strace(dist: &Dist, program: &[&str], environment: &[(&str, &str)]) {
    let scratch = Scratch::new();
    let theirs = images(&strace(&scratch, program));
    let ours = images(&trace_with(dist, &scratch, program, environment));
    assert_eq!(ours.len(), theirs.len(), "{program:?}: images: {ours:?} {theirs:?}");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let difference = || difference(ours, theirs);
        assert!(theirs.ends_with(ours), "{program:?} {environment:?}: {}", difference());
    }
    let seen: usize = ours.iter().map(Vec::len).sum();
    assert!(seen > 0, "{program:?} {environment:?}: nothing was traced");
}

#[test]
fn a_trace_shows_calls_of_threads_that_the_program_makes_itself() {
    let dist = need!(Dist::find());
    let guest = need!(guest("clone_raw"));
    let scratch = Scratch::new();
    let lines = trace(&dist, &scratch, &[guest.to_str().expect("a name in UTF-8")]);
    // Of 400 threads, half of them with storage of the program's making.
    let made =
        lines.lines().filter(|line| line.ends_with(" close(-1) = -1 EBADF (Bad file descriptor)"));
    let mut threads: HashMap<&str, usize> = HashMap::new();
    made.for_each(|line| {
        *threads.entry(line.split(' ').next().unwrap_or_default()).or_default() += 1
    });
    assert_eq!(threads.len(), 400);
    assert!(threads.values().all(|calls| *calls == 100), "{threads:?}");
}

#[test]
fn a_trace_shows_calls_of_a_library_with_gaps_between_its_segments() {
    let dist = need!(Dist::find());
    let guest = need!(guest("dlgaps"));
    let scratch = Scratch::new();
    let lines = trace(&dist, &scratch, &[guest.to_str().expect("a name in UTF-8")]);
    // The library's text is there three times; loaders of the guest's own show no more of
    // it than the text.
    assert!(lines.contains(" syscall_0x1389("), "{lines}");
}

#[test]
fn a_trace_shows_calls_of_code_in_the_page_of_its_file_that_has_the_headers() {
    let dist = need!(Dist::find());
    let guest = need!(guest("shapes_one_page"));
    let scratch = Scratch::new();
    let lines = trace(&dist, &scratch, &[guest.to_str().expect("a name in UTF-8")]);
    // Of the program, and of a library that it loads.
    assert!(lines.contains(" syscall_0x138a(") && lines.contains(" syscall_0x138b("), "{lines}");
}

#[test]
fn a_trace_shows_calls_of_code_that_the_program_writes() {
    let dist = need!(Dist::find());
    let guest = need!(guest("jit"));
    let scratch = Scratch::new();
    let lines = trace(&dist, &scratch, &[guest.to_str().expect("a name in UTF-8")]);
    let count = |call: &str| lines.lines().filter(|line| line.contains(call)).count();
    // One by libc, five in each of 20 rounds of all that is executable and not writable, but for
    // what has been moved; of the other one there.
    assert_eq!((count(" getpid() = "), count(" syscall_0x3e8(")), (101, 20), "{lines}");
}

#[test]
fn calls_are_counted_that_fail_are_interrupted_or_never_come_out() {
    let dist = need!(Dist::find());
    let hook = need!(guest("libcounts_only.so"));
    Program::new("/bin/true").environment("COUNTED", "1").says_ok_by_each_rung(&dist, &hook);
}

fn strace(scratch: &Scratch, program: &[&str]) -> String {
    let file = scratch.path("strace");
    let status = Command::new("strace")
        .args(["-f", "-o"])
        .arg(&file)
        .args(program)
        .output()
        .expect("strace")
        .status;
    assert!(status.success(), "{program:?} under strace: {status}");
    fs::read_to_string(file).expect("what strace wrote")
}

fn trace(dist: &Dist, scratch: &Scratch, program: &[&str]) -> String {
    trace_with(dist, scratch, program, &[])
}

fn trace_with(
    dist: &Dist,
    scratch: &Scratch,
    program: &[&str],
    environment: &[(&str, &str)],
) -> String {
    let file = scratch.path("trace");
    let options = ["trace".as_ref(), "-o".as_ref(), file.as_os_str()];
    let mut traced = Program::new(program[0]).arguments(&program[1..]);
    for (name, value) in environment {
        traced = traced.environment(name, value);
    }
    let ended = traced.under(dist, &options);
    assert_eq!(ended.status.code(), Some(0), "{program:?}: {ended:?}");
    fs::read_to_string(file).expect("a trace")
}

/// Names of calls, by process in order of appearance and by image.
fn images(lines: &str) -> Vec<Calls> {
    let mut processes: Vec<Vec<Calls>> = Vec::new();
    let mut index = HashMap::new();
    for line in lines.lines() {
        let Some((process, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let is_exec = call.starts_with("exec") || call.starts_with("<... exec");
        let at = *index.entry(process).or_insert_with(|| {
            processes.push(vec![Calls::new()]);
            processes.len() - 1
        });
        let Some(name) = name(call) else {
            if is_exec && call.trim_end().ends_with("= 0") {
                processes[at].push(Calls::new());
            }
            continue;
        };
        processes[at].last_mut().expect("an image").push(name.to_owned());
        if is_exec && call.trim_end().ends_with("= 0") {
            processes[at].push(Calls::new());
        }
    }
    // strace sees the first image's exec, which we come after.
    let calls = processes.into_iter().flatten();
    calls.filter(|calls| calls.iter().any(|name| name != "execve")).collect()
}

/// The name of a call that a line begins with.
fn name(call: &str) -> Option<&str> {
    let (name, _) = call.split_once('(')?;
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    is_name.then_some(name)
}

/// Where two lists differ, seen from their ends.
fn difference(ours: &Calls, theirs: &Calls) -> String {
    let same = ours.iter().rev().zip(theirs.iter().rev()).take_while(|(a, b)| a == b).count();
    let around = |calls: &Calls| {
        let at = calls.len() - same;
        format!("{:?}", &calls[at.saturating_sub(3)..(at + 3).min(calls.len())])
    };
    format!(
        "{} calls, strace {}, the last {same} are the same; before them {}, strace {}",
        ours.len(),
        theirs.len(),
        around(ours),
        around(theirs)
    )
}
