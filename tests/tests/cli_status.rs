//! How a program ends is how our command ends.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use interceptor_tests::{Dist, Program, Scratch, need};

/// Commands that run programs, each with its report out of the way.
const COMMANDS: &[&[&str]] =
    &[&["run"], &["trace", "-o", "/dev/null"], &["stat", "-o", "/dev/null"]];

#[test]
fn the_exit_status_is_passed_through() {
    let dist = need!(Dist::find());
    for status in [0, 1, 2, 126, 127, 255] {
        let program = Program::shell(&format!("exit {status}"));
        for command in COMMANDS {
            let ended = program.under(&dist, command);
            assert_eq!(ended.status.code(), Some(status), "{command:?}: {ended:?}");
        }
    }
}

#[test]
fn the_killing_signal_is_passed_through() {
    let dist = need!(Dist::find());
    // HUP, QUIT, KILL, SEGV, PIPE, TERM and a real-time signal.
    for signal in [1, 3, 9, 11, 13, 15, 40] {
        let program = Program::shell(&format!("kill -{signal} $$"));
        for command in COMMANDS {
            let ended = program.under(&dist, command);
            assert_eq!(ended.status.signal(), Some(signal), "{command:?}: {ended:?}");
        }
    }
}

#[test]
fn a_signal_sent_to_our_command_reaches_the_program() {
    let dist = need!(Dist::find());
    for signal in [libc_signal::INT, libc_signal::TERM, libc_signal::USR1] {
        let scratch = Scratch::new();
        let ready = scratch.path("ready");
        let script = format!(
            "trap 'exit 42' INT TERM USR1; : > {}; while :; do sleep 0.05; done",
            ready.display()
        );
        let mut child = Command::new(dist.command())
            .args(["stat", "-o", "/dev/null", "--", "sh", "-c", &script])
            .stdin(Stdio::null())
            .spawn()
            .expect("our command");
        while !ready.exists() {
            sleep(Duration::from_millis(5));
        }
        let killed = Command::new("kill")
            .args([format!("-{signal}"), child.id().to_string()])
            .status()
            .expect("kill");
        assert!(killed.success());
        let status = child.wait().expect("our command's end");
        assert_eq!((status.code(), status.signal()), (Some(42), None), "{signal}");
    }
}

#[test]
fn ignored_and_blocked_signals_are_those_our_command_inherited() {
    let dist = need!(Dist::find());
    // Not those that are caught: the runtime may catch one for its traps.
    let show = "grep -E '^Sig(Blk|Ign)' /proc/self/status";
    for prepare in ["", "trap '' PIPE; ", "trap '' INT HUP; "] {
        let native = Program::shell(&format!("{prepare}exec {show}")).natively();
        for command in COMMANDS {
            let ours = format!(
                "{prepare}exec {} {} -- {show}",
                dist.command().display(),
                command.join(" ")
            );
            assert_eq!(Program::shell(&ours).natively().stdout, native.stdout, "{command:?}");
        }
    }
}

/// Numbers of signal(7).
mod libc_signal {
    pub const INT: i32 = 2;
    pub const USR1: i32 = 10;
    pub const TERM: i32 = 15;
}
