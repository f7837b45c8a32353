//! `soak`: programs under load for minutes, while others are killed and stopped at
//! random. Nothing may grow: mappings, descriptors, threads, memory of a server that
//! works all the time; and in the end as many threads are counted as there are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::dist;
use crate::test::packages;
use crate::workspace::{Profile, Workspace};

/// Between two looks at the server.
const LOOK: Duration = Duration::from_secs(5);
/// Between two signals to somebody in the tree that is harmed.
const HARM: Duration = Duration::from_millis(40);
/// How long a program may take to begin and to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a server's memory may grow by, kB: caches of its own.
const SLACK_KB: u64 = 1024;

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

/// Arguments of `soak`.
#[derive(clap::Args)]
pub struct Args {
    /// For how long
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// Where random numbers begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs all of it, and judges.
pub fn execute(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    packages::provide(packages::FOR_TESTS)?;
    dist::lay_out(workspace, Profile::Dev)?;
    let directory = workspace.target().join("soak");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory)?;
    let interceptor = workspace.dist().join("bin/interceptor");
    let mut server = Server::start(&interceptor, &directory)?;
    let mut tree = Tree::start(&interceptor, &directory)?;

    let end = Instant::now() + Duration::from_secs_f64(args.minutes * 60.0);
    let mut random = Random(args.seed.max(1));
    let (mut looks, mut harmed) = (Vec::new(), 0);
    let mut next_look = Instant::now() + LOOK;
    let mut load = server.load()?;
    println!(
        "{:>6} {:>9} {:>12} {:>8} {:>9}",
        "s", "mappings", "descriptors", "threads", "RSS, kB"
    );
    let start = Instant::now();
    while Instant::now() < end {
        if load.try_wait()?.is_some_and(|status| !status.success()) {
            bail!("redis-benchmark has failed; see {}", directory.display());
        }
        if load.try_wait()?.is_some() {
            load = server.load()?;
        }
        harmed += u64::from(tree.harm(&mut random));
        if Instant::now() > next_look {
            next_look += LOOK;
            let look = Look::at(server.pid)?;
            println!(
                "{:>6.0} {:>9} {:>12} {:>8} {:>9}",
                start.elapsed().as_secs_f32(),
                look.mappings,
                look.descriptors,
                look.threads,
                look.rss_kb
            );
            looks.push(look);
        }
        thread::sleep(HARM);
    }
    let _ = load.kill();
    load.wait()?;

    let counted = tree.end(&interceptor)?;
    server.end()?;
    let mut failures = growth(&looks);
    if counted != "1 processes, 1 threads" {
        failures.push(format!("one thread was left, counted were {counted}"));
    }
    println!("{harmed} signals; in the end {counted} were counted");
    for failure in &failures {
        println!("FAILED: {failure}");
    }
    Ok(ExitCode::from(u8::from(!failures.is_empty())))
}

/// A server that works all the time, counted.
struct Server {
    child: Child,
    pid: Pid,
    socket: PathBuf,
}

impl Server {
    fn start(interceptor: &Path, directory: &Path) -> Result<Server> {
        let socket = directory.join("socket");
        let child = Command::new(interceptor)
            .args(["stat", "-o"])
            .arg(directory.join("server.stat"))
            .args(["--", "redis-server", "--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(directory)
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start the server")?;
        wait_for(&socket)?;
        let pid = *children(child.id().cast_signed()).first().context("no server")?;
        Ok(Server { child, pid: Pid::from_raw(pid), socket })
    }

    fn load(&self) -> Result<Child> {
        Command::new("redis-benchmark")
            .arg("-s")
            .arg(&self.socket)
            .args(["-q", "-n", "50000", "-c", "20", "-t", "set,get,incr,lpush,lpop"])
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start redis-benchmark")
    }

    fn end(&mut self) -> Result<()> {
        kill(self.pid, Signal::SIGTERM)?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the server has ended with {status}");
        }
        Ok(())
    }
}

/// A tree of processes that is harmed.
struct Tree {
    child: Child,
    root: i32,
    directory: PathBuf,
}

impl Tree {
    fn start(interceptor: &Path, directory: &Path) -> Result<Tree> {
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
    fn harm(&self, random: &mut Random) -> bool {
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
    fn end(&mut self, interceptor: &Path) -> Result<String> {
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

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill(self.pid, Signal::SIGKILL);
    }
}

/// What a process has at one moment.
struct Look {
    mappings: u64,
    descriptors: u64,
    threads: u64,
    rss_kb: u64,
}

impl Look {
    fn at(pid: Pid) -> Result<Look> {
        let of = |name: &str| format!("/proc/{pid}/{name}");
        let status = fs::read_to_string(of("status"))?;
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let rss = rss.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
        Ok(Look {
            mappings: fs::read_to_string(of("maps"))?.lines().count() as u64,
            descriptors: fs::read_dir(of("fd"))?.count() as u64,
            threads: fs::read_dir(of("task"))?.count() as u64,
            rss_kb: rss.parse()?,
        })
    }
}

/// Something of a look that is not to grow.
type Measure = fn(&Look) -> u64;

/// What has grown from the second third of the looks to the last.
fn growth(looks: &[Look]) -> Vec<String> {
    let third = looks.len() / 3;
    if third == 0 {
        return vec!["too short to tell".to_owned()];
    }
    let (before, after) = looks[third..].split_at(third);
    let measures: [(&str, Measure, u64); 4] = [
        ("mappings", |look| look.mappings, 0),
        ("descriptors", |look| look.descriptors, 0),
        ("threads", |look| look.threads, 0),
        ("kB of memory", |look| look.rss_kb, SLACK_KB),
    ];
    let most = |looks: &[Look], of: Measure| looks.iter().map(of).max().unwrap_or(0);
    measures
        .into_iter()
        .map(|(name, of, slack)| (name, most(before, of), most(after, of), slack))
        .filter(|(_, before, after, slack)| after > &(before + slack))
        .map(|(name, before, after, _)| format!("{name} grew from {before} to {after}"))
        .collect()
}

fn descendants(pid: i32) -> Vec<i32> {
    let mut found = children(pid);
    let mut at = 0;
    while at < found.len() {
        found.extend(children(found[at]));
        at += 1;
    }
    found
}

fn children(pid: i32) -> Vec<i32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn wait_for(path: &Path) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !path.exists() {
        if Instant::now() > deadline {
            bail!("{} does not appear", path.display());
        }
        thread::sleep(HARM);
    }
    Ok(())
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(mappings: u64, rss_kb: u64) -> Look {
        Look { mappings, descriptors: 10, threads: 4, rss_kb }
    }

    #[test]
    fn growth_is_told_apart_from_a_beginning_and_from_caches() {
        let flat = [look(10, 100), look(50, 5000), look(50, 5100), look(50, 5200)];
        assert_eq!(growth(&flat), [""; 0]);
        let leak = [look(10, 100), look(50, 5000), look(51, 9000)];
        assert_eq!(
            growth(&leak),
            ["mappings grew from 50 to 51", "kB of memory grew from 5000 to 9000"]
        );
    }
}
