//! What the README tells one to type works, in a directory that has nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use interceptor_tests::{Dist, Link, Missing, Scratch, Workshop, installed, need};

/// What is run elsewhere: all tests are run by these two, and `shipped.rs` installs and
/// packages.
const ELSEWHERE: &[&str] = &[
    "cargo xtask run trace -- git --version",
    "cargo xtask test",
    "cargo xtask install --prefix /usr/local    # and uninstall; --destdir D to stage",
    "cargo xtask package                        # Debian packages, in target/packages",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the sources")
}

/// The lines of all blocks for a shell, block by block.
fn blocks() -> Vec<Vec<String>> {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let blocks = readme.split("```sh\n").skip(1);
    let lines =
        |block: &str| block.split("```").next().map(|text| text.lines().map(Into::into).collect());
    blocks.filter_map(lines).collect()
}

/// The block that has this in it.
fn block(with: &str) -> Vec<String> {
    let mut blocks = blocks().into_iter();
    blocks.find(|block| block.concat().contains(with)).unwrap_or_else(|| panic!("no {with}"))
}

/// A directory with a file, the examples and the deliverables, and nothing else.
struct Place {
    scratch: Scratch,
    /// Where cargo builds.
    target: PathBuf,
}

impl Place {
    fn new() -> Result<Place, Missing> {
        let dist = Dist::find()?;
        let scratch = Scratch::new();
        fs::create_dir(scratch.path("target")).expect("a directory");
        let directory = dist.directory().canonicalize().expect("the deliverables");
        symlink(&directory, scratch.path("target/dist")).expect("a link");
        symlink(root().join("examples"), scratch.path("examples")).expect("a link");
        scratch.file("file", 0o644, "");
        let target = directory.parent().expect("a target").join("examples");
        Ok(Place { scratch, target })
    }

    /// Types a line. Cargo, which wants to know where sources really are, is called there;
    /// it builds where the other tests have built, without what takes most of the time.
    fn types(&self, line: &str) -> Output {
        let line = line.replace("examples/target", self.target.to_str().expect("UTF-8"));
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]);
        if line.starts_with("cargo ") {
            shell.current_dir(root());
        } else {
            shell.current_dir(&self.scratch);
        }
        shell.env("CARGO_TARGET_DIR", &self.target).env("CARGO_PROFILE_RELEASE_LTO", "false");
        shell.output().expect("a shell")
    }

    /// Types a block that builds a hook and then removes a file under it.
    fn keeps_the_file(&self, block: &[String]) {
        let [build, remove] = block else { panic!("{block:?}") };
        let built = self.types(build);
        assert!(built.status.success(), "{build}: {built:?}");
        let removed = self.types(remove);
        let said = String::from_utf8_lossy(&removed.stderr).into_owned();
        assert!(!removed.status.success() && said.contains("Operation not permitted"), "{said}");
        assert!(self.scratch.path("file").exists(), "the file was removed");
    }
}

#[test]
fn the_hook_in_c_is_built_and_run_as_shown() {
    let place = need!(Place::new());
    need!(installed("cc"));
    place.keeps_the_file(&block("deny.c"));
}

#[test]
fn the_hook_in_rust_is_built_and_run_as_shown() {
    let place = need!(Place::new());
    place.keeps_the_file(&block("libdeny.so"));
}

#[test]
fn an_old_hook_is_run_as_shown() {
    let place = need!(Place::new());
    let workshop = need!(Workshop::open());
    let hook = workshop.hook("answers.c", Link::Shared);
    fs::copy(hook, place.scratch.path("old_hook.so")).expect("a hook");
    let [line] = &block("old_hook.so")[..] else { panic!("one line") };
    let listed = place.types(line);
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.status.success() && names.contains("old_hook.so"), "{listed:?}");
    let log = fs::read_to_string(place.scratch.path("calls.log")).expect("a log");
    assert!(log.lines().count() > 10, "{log}");
}

#[test]
fn no_command_is_shown_that_nobody_runs() {
    let run: BTreeSet<String> =
        ["deny.c", "libdeny.so", "old_hook.so"].into_iter().flat_map(block).collect();
    for line in blocks().concat() {
        assert!(run.contains(&line) || ELSEWHERE.contains(&line.as_str()), "{line}");
    }
}
