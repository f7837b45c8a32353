//! The examples work, and are what the README shows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use interceptor_tests::{Dist, Ended, Program, Scratch, installed, need};

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

#[test]
fn the_example_in_rust_denies() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let target = scratch.path("target");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--manifest-path"])
        .arg(root().join("examples/deny/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .status()
        .expect("cargo");
    assert!(built.success());
    let file = scratch.file("file", 0o644, "");
    let ended = Program::new("/bin/rm")
        .arguments([&file])
        .environment("INTERCEPTOR_LIB", target.join("release/libdeny.so"))
        .under(&dist, &["run"]);
    assert_is_denied(&ended, &file);
}
