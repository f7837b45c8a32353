//! Servers: started one way, asked by a client that runs natively, ended.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::way::{Way, children_cpu_ms, usage};
use crate::tool;

/// How long a server may take to begin, and to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server program.
pub struct Server {
    /// Path or name of the program.
    pub program: &'static str,
    /// What it is to be told: it listens at this port of the local host, and
    /// writes its process id to this file.
    pub arguments: fn(&Path, u16) -> Result<Vec<String>>,
}

impl Server {
    /// CPU time in milliseconds that a server, and whoever runs it, takes while
    /// a client does its work: from the server's first instruction to its last.
    pub fn cpu_ms(
        &self,
        way: &Way,
        directory: &Path,
        client: impl Fn(u16) -> Command,
    ) -> Result<f64> {
        fs::create_dir_all(directory)?;
        let pid_file = pid_file(directory);
        let _ = fs::remove_file(&pid_file);
        let port = tool::free_port()?;
        let arguments = (self.arguments)(directory, port)?;
        let before = children_cpu_ms()?;
        let mut server = way
            .run(self.program, &arguments)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program))?;
        let asked = await_server(&mut server, port, &pid_file)
            .and_then(|()| usage(&mut client(port)).context("the client"));
        let ended = end(&mut server, &pid_file);
        let client = asked?;
        ended?;
        Ok(children_cpu_ms()? - before - client.cpu_ms)
    }
}

/// Where a server in a directory writes its process id.
pub fn pid_file(directory: &Path) -> PathBuf {
    directory.join("pid")
}

fn await_server(server: &mut Child, port: u16, pid_file: &Path) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(status) = server.try_wait()? {
            bail!("the server ended: {status}");
        }
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() && read_pid(pid_file).is_ok() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    bail!("the server does not listen")
}

/// Asks the server to end and waits for it and for whoever runs it.
fn end(server: &mut Child, pid_file: &Path) -> Result<()> {
    // Not the child: that may be a tracer, which would leave the server alone.
    let asked = read_pid(pid_file).and_then(|pid| Ok(kill(pid, Signal::SIGTERM)?));
    let began = Instant::now();
    while asked.is_ok() && began.elapsed() < PATIENCE {
        if server.try_wait()?.is_some() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(5));
    }
    server.kill()?;
    server.wait()?;
    asked.context("the server did not say who it is")?;
    bail!("the server did not end")
}

fn read_pid(file: &Path) -> Result<Pid> {
    Ok(Pid::from_raw(fs::read_to_string(file)?.trim().parse()?))
}
