//! A tree of processes of which some are killed and stopped at random.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{HARM, PATIENCE, Random, children, descendants, wait_for};

/// What is built over and over by `make -j2`: pipes, compilers, failing children.
const MAKEFILE: &str = "\
parts = 1 2 3 4 5 6 7 8
all: $(parts:%=part%)
part%:
\t@printf 'int f%s(void) { return %s; }\\n' $* $* | cc -x c -c -o object$* - 2>/dev/null
\t@cat /etc/passwd | sort | wc -l >/dev/null
\t@sh -c 'exit 0' & wait
";

/// The tree that is harmed: whatever happens to its children, it goes on.
const TREE: &str =
    "while [ ! -e stop ]; do make -s -j2 all >/dev/null 2>&1; done; echo >idle; read line <end";

/// A tree of processes that is harmed.
pub struct Tree {
    child: Child,
    root: i32,
    directory: PathBuf,
}

impl Tree {
    pub fn start(interceptor: &Path, directory: &Path) -> Result<Tree> {
        fs::write(directory.join("Makefile"), MAKEFILE)?;
        nix::unistd::mkfifo(&directory.join("end"), nix::sys::stat::Mode::S_IRWXU)?;
        let child = Command::new(interceptor)
            .args(["stat", "-o"])
            .arg(directory.join("tree.stat"))
            .args(["--", "sh", "-c", TREE])
            .current_dir(directory)
            .spawn()
            .context("cannot start the tree")?;
        let deadline = Instant::now() + PATIENCE;
        while children(child.id().cast_signed()).is_empty() {
            if Instant::now() > deadline {
                bail!("no tree");
            }
            thread::sleep(HARM);
        }
        let root = children(child.id().cast_signed())[0];
        Ok(Tree { child, root, directory: directory.to_path_buf() })
    }

    /// Sends a signal to a process below the root. Whether there was one.
    pub fn harm(&self, random: &mut Random) -> bool {
        let below = descendants(self.root);
        if below.is_empty() {
            return false;
        }
        let pid = Pid::from_raw(below[random.below(below.len())]);
        // Who is stopped goes on, unless it is killed as it stands.
        let signals: &[Signal] = match random.below(4) {
            0 => &[Signal::SIGKILL],
            1 => &[Signal::SIGSTOP, Signal::SIGKILL],
            _ => &[Signal::SIGSTOP, Signal::SIGCONT],
        };
        for signal in signals {
            let _ = kill(pid, *signal);
            thread::sleep(HARM / 4);
        }
        true
    }

    /// Waits until only the root is left; returns how many are counted then.
    pub fn end(&mut self, interceptor: &Path) -> Result<String> {
        fs::write(self.directory.join("stop"), "")?;
        wait_for(&self.directory.join("idle"))?;
        let output = Command::new(interceptor)
            .args(["top", "-n", "1", "-p", &self.root.to_string()])
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let counted = text.lines().next().unwrap_or_default();
        let counted = counted.trim_start_matches("interceptor: ");
        let counted = counted.splitn(3, ", ").take(2).collect::<Vec<_>>().join(", ");
        fs::write(self.directory.join("end"), "end\n")?;
        self.child.wait()?;
        Ok(counted)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        for pid in descendants(self.root).into_iter().chain([self.root]) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}
