//! A debugger sees through what we put between the program and the kernel.

use interceptor_tests::{Dist, Program, installed, need};

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
