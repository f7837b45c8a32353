//! The examples work, and are what the README shows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use interceptor_tests::{Dist, Ended, Program, Scratch, guest, installed, need};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect(path)
}

/// Without the comment that says what a file is.
fn body(source: &str) -> String {
    let lines = source.lines().filter(|line| !line.starts_with("//!"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_readme_shows_the_examples() {
    let readme = read("README.md");
    for (example, text) in [
        ("examples/deny.c", read("examples/deny.c")),
        ("examples/deny/src/lib.rs", body(&read("examples/deny/src/lib.rs"))),
    ] {
        assert!(readme.contains(text.trim()), "README.md does not show {example} as it is");
        assert!(readme.contains(example), "README.md does not name {example}");
    }
}

fn assert_is_denied(ended: &Ended, file: &Path) {
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("Operation not permitted"), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert!(file.is_file(), "the file was removed");
}

#[test]
fn the_example_in_c_denies() {
    let dist = need!(Dist::find());
    let compiler = need!(installed("cc"));
    let scratch = Scratch::new();
    let hook = scratch.path("deny.so");
    let built = Command::new(compiler)
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-I"])
        .arg(dist.include())
        .arg("-o")
        .args([&hook, &root().join("examples/deny.c")])
        .status()
        .expect("a compiler");
    assert!(built.success());
    let file = scratch.file("file", 0o644, "");
    let options = ["run".as_ref(), "--hook".as_ref(), hook.as_os_str()];
    let ended = Program::new("/bin/rm").arguments([&file]).under(&dist, &options);
    assert_is_denied(&ended, &file);
}

/// Builds an example in Rust, as its own package.
fn build(name: &str, scratch: &Scratch) -> PathBuf {
    let target = scratch.path("target");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--manifest-path"])
        .arg(root().join(format!("examples/{name}/Cargo.toml")))
        .arg("--target-dir")
        .arg(&target)
        .status()
        .expect("cargo");
    assert!(built.success());
    target.join(format!("release/lib{name}.so"))
}

#[test]
fn the_example_in_rust_denies() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let hook = build("deny", &scratch);
    let file = scratch.file("file", 0o644, "");
    let ended = Program::new("/bin/rm")
        .arguments([&file])
        .environment("INTERCEPTOR_LIB", hook)
        .under(&dist, &["run"]);
    assert_is_denied(&ended, &file);
}

#[test]
fn the_example_in_rust_tells_of_lives() {
    let dist = need!(Dist::find());
    let threads = need!(guest("main_pthread_exit"));
    let scratch = Scratch::new();
    let hook = build("lives", &scratch);
    let run = |program: Program| {
        let ended = program.environment("INTERCEPTOR_LIB", &hook).under(&dist, &["run"]);
        let mut lines: Vec<String> = ended.stderr.lines().map(str::to_owned).collect();
        // Parent and child are told at the same time.
        lines.sort();
        lines
    };
    // dash forks for the first and becomes the second.
    let lines = run(Program::shell("/bin/false; exec /bin/true"));
    let expected = [
        "has a child",
        "process ends",
        "process executes",
        "process executes",
        "process fails",
        "process starts",
    ];
    assert_eq!(lines, expected);
    let lines = run(Program::new(threads));
    let count = |wanted: &str| lines.iter().filter(|line| *line == wanted).count();
    assert!(count("thread starts") > 0 && count("thread ends") > 0, "{lines:?}");
    assert_eq!(count("has a child"), count("thread starts") + count("process starts"), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("confused")), "{lines:?}");
}
