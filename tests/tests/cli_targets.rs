//! Programs that cannot be run, or not intercepted: one line says why.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use interceptor_tests::{Dist, Ended, Missing, Program, Scratch, installed, need};

/// Commands that run programs.
const COMMANDS: &[&str] = &["run", "trace", "stat"];

/// Runs a program under each command and checks that nothing of it is seen but
/// one line of ours that contains `cause`.
fn refused(dist: &Dist, program: &Program, status: i32, cause: &str) {
    for command in COMMANDS {
        let ended = program.under(dist, &[command]);
        assert_eq!(ended.status.code(), Some(status), "{command}: {ended:?}");
        assert_eq!(ended.stdout, "", "{command}");
        assert_one_line(&ended, cause);
    }
}

fn assert_one_line(ended: &Ended, cause: &str) {
    let ours: Vec<&str> =
        ended.stderr.lines().filter(|line| line.starts_with("interceptor: ")).collect();
    assert_eq!(ours.len(), 1, "{ended:?}");
    assert!(ours[0].contains(cause), "{ended:?}");
}

#[test]
fn a_missing_program_is_not_found() {
    let dist = need!(Dist::find());
    refused(&dist, &Program::new("no-such-program"), 127, "not found in PATH");
    refused(&dist, &Program::new("./no-such-program"), 127, "no such file");
}

#[test]
fn what_may_not_be_executed_is_refused() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let text = scratch.file("text", 0o644, "hello");
    refused(&dist, &Program::new(text), 126, "not executable");
    refused(&dist, &Program::new(&scratch), 126, "is a directory");
}

#[test]
fn a_file_of_no_known_format_is_refused() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let text = scratch.file("text", 0o755, "echo hello\n");
    refused(&dist, &Program::new(text), 126, "neither an ELF program nor a script");
    let empty = scratch.file("empty", 0o755, "");
    refused(&dist, &Program::new(empty), 126, "neither an ELF program nor a script");
}

#[test]
fn a_script_without_its_interpreter_is_refused() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let script = scratch.file("script", 0o755, "#!/no/such/interpreter -x\n");
    refused(&dist, &Program::new(script), 126, "/no/such/interpreter is missing");
}

#[test]
fn a_script_runs_by_its_interpreter() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let script = scratch.file("script", 0o755, "#!/bin/sh\necho \"$0 $*\"; exit 3\n");
    let program = Program::new(&script).arguments(["a b", "-c"]);
    let ended = program.under(&dist, &["run"]);
    assert_eq!(ended, program.natively());
    assert_eq!(ended.status.code(), Some(3));
}

#[test]
fn a_program_for_another_processor_is_refused() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    // ELFCLASS64, little endian; ET_EXEC; EM_AARCH64.
    let mut head = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0\x01\0\0\0".to_vec();
    head.resize(64, 0);
    let program = scratch.file("foreign", 0o755, head);
    refused(&dist, &Program::new(program), 126, "AArch64");
}

#[test]
fn a_32_bit_program_runs_after_one_line() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let program = Program::new(scratch.file("bits32", 0o755, exit_5_in_32_bits()));
    let runs_here = Command::new(scratch.path("bits32")).status().is_ok();
    for command in COMMANDS {
        let ended = program.under(&dist, &[command]);
        assert_one_line(&ended, "32-bit");
        // Kernels may be built without 32-bit programs.
        let expected = if runs_here { 5 } else { 126 };
        assert_eq!(ended.status.code(), Some(expected), "{ended:?}");
    }
}

/// A program that ends with status 5: one segment, no libraries.
fn exit_5_in_32_bits() -> Vec<u8> {
    const BASE: u32 = 0x0804_8000;
    const HEADERS: u32 = 52 + 32;
    // mov eax, 1 (exit); mov ebx, 5; int 0x80
    let code = [0xb8, 1, 0, 0, 0, 0xbb, 5, 0, 0, 0, 0xcd, 0x80];
    let size = HEADERS + code.len() as u32;
    let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0".to_vec();
    // Version, entry, offsets of program and section headers, flags.
    for word in [1, BASE + HEADERS, 52, 0, 0] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    // Sizes and numbers of headers.
    for half in [52u16, 32, 1, 40, 0, 0] {
        file.extend_from_slice(&half.to_le_bytes());
    }
    // PT_LOAD, readable and executable.
    for word in [1, 0, BASE, BASE, size, size, 5, 0x1000] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(&code);
    file
}

#[test]
fn a_static_program_runs_after_one_line() {
    let dist = need!(Dist::find());
    let compiler = need!(installed("cc"));
    let scratch = Scratch::new();
    let source = scratch.file(
        "static.c",
        0o644,
        "#include <stdio.h>\nint main(void) { puts(\"ran\"); return 9; }\n",
    );
    for flag in ["-static", "-static-pie"] {
        let path = scratch.path(flag);
        let built = Command::new(&compiler)
            .args([flag, "-o"])
            .args([&path, &source])
            .output()
            .expect("a compiler");
        if !built.status.success() {
            return interceptor_tests::skip(&Missing("a static C library".to_owned()));
        }
        for command in COMMANDS {
            let ended = Program::new(&path).under(&dist, &[command]);
            assert_one_line(&ended, "statically linked");
            assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(9), "ran\n"));
        }
        // There is nothing to plan.
        let planned = dist.plan(&scratch.path("plans"), [&path]);
        let said = String::from_utf8_lossy(&planned.stderr);
        assert!(planned.status.code() == Some(1) && said.contains("statically linked"), "{said}");
    }
}

#[test]
fn a_program_that_changes_its_user_runs_after_one_line() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let path = scratch.copy("/bin/true", "set-user-id");
    if fs::metadata(&path).expect("a file").uid() != 0 || is_nosuid(&scratch) {
        return interceptor_tests::skip(&Missing("root and a place for set-user-ID files".into()));
    }
    const NOBODY: u32 = 65534;
    chown(&path, Some(NOBODY), None).expect("another owner");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o4755)).expect("permissions");
    for command in COMMANDS {
        let ended = Program::new(&path).under(&dist, &[command]);
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        assert_one_line(&ended, "changes to user");
    }
    // One that changes to who we are anyway is nothing special.
    chown(&path, Some(0), None).expect("another owner");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o4755)).expect("permissions");
    let ended = Program::new(&path).under(&dist, &["run"]);
    assert!(!ended.stderr.contains("changes to user"), "{ended:?}");
}

fn is_nosuid(path: impl AsRef<Path>) -> bool {
    Command::new("findmnt")
        .args(["--noheadings", "--output", "OPTIONS", "--target"])
        .arg(path.as_ref())
        .output()
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("nosuid"))
}
