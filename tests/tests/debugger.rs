//! A debugger sees through what we put between the program and the kernel.

use std::path::Path;

use interceptor_tests::{Dist, Program, Scratch, guest, installed, need};

/// Stops the program in the system call of its `sleep`; prints the stack.
fn backtrace(dist: &Dist, rung: Option<&str>) -> String {
    let mut gdb = Program::new("gdb").arguments(["-nx", "-batch"]);
    let library = dist.runtime();
    let preload = format!("set environment LD_PRELOAD={}", library.display());
    let rung = rung.map(|rung| format!("set environment INTERCEPTOR_FORCE_RUNG={rung}"));
    let commands = ["set startup-with-shell off", "set debuginfod enabled off", &preload];
    for command in commands.into_iter().chain(rung.as_deref()) {
        gdb = gdb.arguments(["-iex", command]);
    }
    // Forcing one rung makes traps elsewhere.
    let pass = "handle SIGILL nostop noprint pass";
    for command in [pass, "catch syscall clock_nanosleep nanosleep", "run", "backtrace", "kill"] {
        gdb = gdb.arguments(["-ex", command]);
    }
    let ended = gdb.arguments(["--args", "/bin/sleep", "60"]).natively();
    format!("{}{}", ended.stdout, ended.stderr)
}

#[test]
fn a_backtrace_leads_from_a_stub_to_the_program() {
    let dist = need!(Dist::find());
    need!(installed("gdb"));
    for rung in [None, Some("hole"), Some("after"), Some("before")] {
        let text = backtrace(&dist, rung);
        let frame = |n: usize| {
            let start = format!("#{n} ");
            text.lines().find(|line| line.starts_with(&start)).unwrap_or_default().to_owned()
        };
        assert!(frame(0).contains("interceptor_stub"), "{rung:?}: {text}");
        assert!(frame(1).contains("nanosleep"), "{rung:?}: {text}");
        assert!(text.contains("__libc_start_main"), "{rung:?}: {text}");
    }
}

/// What gdb prints about the core file of a program that dies: the signal, and the
/// stack by function and line. gdb makes the file, too, since the kernel makes none
/// everywhere.
fn core(program: &Path, preloaded: Option<&Dist>) -> Vec<String> {
    let scratch = Scratch::new();
    let core = scratch.path("core");
    let preload = preloaded.map_or_else(String::new, |dist| dist.runtime().display().to_string());
    let preload = format!("set environment LD_PRELOAD={preload}");
    let generate = format!("generate-core-file {}", core.display());
    let mut gdb = Program::new("gdb").arguments(["-nx", "-batch"]);
    for command in ["set startup-with-shell off", "set debuginfod enabled off", &preload] {
        gdb = gdb.arguments(["-iex", command]);
    }
    for command in ["handle SIGUSR1 nostop noprint pass", "run", &generate, "kill"] {
        gdb = gdb.arguments(["-ex", command]);
    }
    gdb.arguments([program]).natively();
    let gdb = ["-nx", "-batch", "-iex", "set debuginfod enabled off", "-ex", "backtrace"];
    let ended = Program::new("gdb").arguments(gdb).arguments([program, &core]).natively();
    let is_told = |line: &&str| line.starts_with('#') || line.starts_with("Program terminated");
    let lines = ended.stdout.lines().filter(is_told).map(|line| match line.split_once(" in ") {
        Some((_, function)) => function.to_owned(),
        None => line.to_owned(),
    });
    lines.map(|line| line.split(" (").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_core_file_names_the_fault_of_the_program() {
    let dist = need!(Dist::find());
    need!(installed("gdb"));
    for (name, signal) in [("dies_by_null_call", "SIGSEGV"), ("dies_in_handler", "SIGSEGV")] {
        let program = need!(guest(name));
        let native = core(&program, None);
        assert!(native.len() > 2 && native[0].contains(signal), "{native:?}");
        // Below a handler there are frames of ours, as it returns through us.
        let ours = core(&program, Some(&dist));
        assert_eq!(ours[..2], native[..2]);
        let function = |line: &String| {
            line.trim_start_matches(['#', ' ']).trim_start_matches(char::is_numeric).to_owned()
        };
        let mut frames = ours.iter().map(function);
        for frame in native.iter().map(function) {
            assert!(frames.any(|other| other == frame), "{frame} in {ours:#?}");
        }
    }
}
