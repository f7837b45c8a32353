//! `doctor` tells what will happen, without running anything.

use std::ffi::OsStr;
use std::process::{Command, Output};

use interceptor_tests::{Dist, Scratch, need};

fn doctor(dist: &Dist, program: impl AsRef<OsStr>) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(dist.command()).arg("doctor").arg(program).output().expect("doctor");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn an_ordinary_program_will_be_intercepted() {
    let dist = need!(Dist::find());
    let (status, stdout, stderr) = doctor(&dist, "ls");
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    for object in ["/ls", "libc.so.6", "ld-linux-x86-64.so.2"] {
        let is_listed = stdout.lines().any(|line| line.ends_with(object));
        assert!(is_listed, "{object}: {stdout}");
    }
    let verdict = stdout.lines().last().expect("a verdict");
    assert!(verdict.starts_with("ls: will be intercepted: "), "{verdict}");
}

#[test]
fn the_libc_has_hundreds_of_sites_and_none_is_missed() {
    let dist = need!(Dist::find());
    let (_, stdout, _) = doctor(&dist, "ls");
    let line = stdout.lines().find(|line| line.ends_with("libc.so.6")).expect("libc");
    let counts: Vec<u64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
    // hole, after, before, trap, missed
    assert!(counts[..3].iter().sum::<u64>() > 300, "{line}");
    assert_eq!(counts[4], 0, "{line}");
}

#[test]
fn a_script_is_followed_to_the_program_that_runs_it() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let inner = scratch.file("inner", 0o755, "#!/usr/bin/env sh\n");
    let outer = scratch.file("outer", 0o755, format!("#! {} -x\n", inner.display()));
    let (status, stdout, _) = doctor(&dist, &outer);
    assert_eq!(status, Some(0));
    let chain = stdout.lines().next().expect("a first line");
    let mut at = 0;
    for part in ["outer", "inner", "/usr/bin/env", "/sh"] {
        let found = chain[at..].find(part).unwrap_or_else(|| panic!("{part}: {chain}"));
        at += found;
    }
}

#[test]
fn the_program_and_its_dynamic_linker_are_not_executed() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let trace = scratch.path("trace");
    if interceptor_tests::installed("strace").is_err() {
        return interceptor_tests::skip(&interceptor_tests::Missing("strace".to_owned()));
    }
    let status = Command::new("strace")
        .args(["-f", "-e", "trace=execve,execveat", "-o"])
        .arg(&trace)
        .arg(dist.command())
        .args(["doctor", "ls"])
        .output()
        .expect("strace")
        .status;
    assert!(status.success());
    let text = std::fs::read_to_string(&trace).expect("a trace");
    let executed = text.lines().filter(|line| line.contains("exec")).count();
    assert_eq!(executed, 1, "{text}");
}

#[test]
fn a_missing_program_is_not_found() {
    let dist = need!(Dist::find());
    let (status, stdout, stderr) = doctor(&dist, "no-such-program");
    assert_eq!((status, stdout.as_str()), (Some(127), ""));
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn a_program_with_a_missing_library_will_not_start() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let source = scratch.file("main.c", 0o644, "int f(void);\nint main(void) { return f(); }\n");
    let library = scratch.file("lib.c", 0o644, "int f(void) { return 0; }\n");
    let compiler = need!(interceptor_tests::installed("cc"));
    let object = scratch.path("libgone.so");
    let program = scratch.path("program");
    let built = Command::new(&compiler)
        .args(["-shared", "-fPIC", "-o"])
        .args([&object, &library])
        .status()
        .and_then(|_| {
            Command::new(&compiler)
                .arg("-o")
                .args([&program, &source, &object])
                .arg(format!("-Wl,-rpath,$ORIGIN:{}", scratch.path("").display()))
                .status()
        })
        .expect("a compiler");
    assert!(built.success());
    assert_eq!(doctor(&dist, &program).0, Some(0));

    std::fs::remove_file(&object).expect("to be removed");
    let (status, stdout, _) = doctor(&dist, &program);
    assert_eq!(status, Some(1));
    let verdict = stdout.lines().last().expect("a verdict");
    assert!(verdict.contains("libgone.so is missing"), "{verdict}");
}
