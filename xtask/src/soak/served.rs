//! Servers that work all the time.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::look::{Look, growth};
use super::{PATIENCE, children};
use crate::{postgres, tool};

/// Between two attempts to reach a server.
const RETRY: Duration = Duration::from_millis(20);
/// Descriptors that a server has for clients which come and go, and for what they ask for:
/// nginx, of 20. Others keep as many as they have.
const NGINX_SLACK: u64 = 40;
const CLIENT: &str = "PATH=$1:$PATH exec pgbench -n -S -c 2 -T 5 $2 postgres";

/// One of them, and who asks it.
pub struct Served {
    pub name: &'static str,
    server: Child,
    pid: Pid,
    address: Address,
    load: fn(&Address, u64) -> Command,
    client: Option<Child>,
    /// How often a client has done its work.
    rounds: u64,
    looks: Vec<Look>,
}

/// Where a server listens.
enum Address {
    Path(PathBuf),
    Port(u16),
}

impl Address {
    fn is_listening(&self) -> bool {
        match self {
            Address::Path(path) => UnixStream::connect(path).is_ok(),
            Address::Port(port) => TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok(),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Address::Path(path) => path,
            Address::Port(_) => Path::new(""),
        }
    }

    fn port(&self) -> u16 {
        match self {
            Address::Path(_) => 0,
            Address::Port(port) => *port,
        }
    }
}

/// A server that keeps everything in memory, counted.
pub fn redis(interceptor: &Path, directory: &Path) -> Result<Served> {
    let socket = directory.join("redis.socket");
    let mut command = Command::new(interceptor);
    command.args(["stat", "-o"]).arg(directory.join("redis.stat"));
    command.args(["--", "redis-server", "--port", "0", "--save", "", "--unixsocket"]);
    command.arg(&socket).arg("--dir").arg(directory);
    Served::start("redis", command, Address::Path(socket), |address, _| {
        let mut client = Command::new("redis-benchmark");
        client.arg("-s").arg(address.path());
        client.args(["-q", "-n", "50000", "-c", "20", "-t", "set,get,incr,lpush,lpop"]);
        client
    })
}

/// A web server with threads, whose hooks are replaced all the time.
pub fn nginx(interceptor: &Path, hook: &Path, directory: &Path) -> Result<Served> {
    let port = tool::free_port()?;
    let configuration = directory.join("nginx.conf");
    let here = directory.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {here}/nginx.{name};\n"))
        .concat();
    fs::write(directory.join("index.html"), "hello\n")?;
    fs::write(
        &configuration,
        format!(
            "daemon off;\nmaster_process off;\npid {here}/nginx.pid;\nerror_log {here}/nginx.log;\n\
             events {{ }}\nhttp {{\n{temporary}access_log {here}/nginx.access;\n\
             server {{ listen 127.0.0.1:{port}; root {here}; aio threads; }}\n}}\n"
        ),
    )?;
    let mut command = Command::new(interceptor);
    command.args(["run", "--hook"]).arg(hook).args(["--", "nginx", "-c"]).arg(configuration);
    Served::start("nginx", command, Address::Port(port), |address, _| {
        let mut client = Command::new("wrk");
        client.args(["-t", "1", "-c", "20", "-d", "5"]);
        client.arg(format!("http://127.0.0.1:{}/", address.port()));
        client
    })
}

/// A database server that makes a process for each connection, whose hooks are replaced all
/// the time.
pub fn postgres(interceptor: &Path, hook: &Path, directory: &Path) -> Result<Served> {
    let programs = postgres::programs().context("PostgreSQL is not installed")?;
    let directory = directory.join("postgres");
    fs::create_dir_all(&directory)?;
    tool::run(Command::new("chown").arg("65534:65534").arg(&directory))?;
    let unprivileged = || {
        let mut command = Command::new("setpriv");
        command.args(postgres::NOBODY).current_dir(&directory);
        command
    };
    let mut initdb = unprivileged();
    initdb.arg(programs.join("initdb"));
    initdb.args(["-D", "base", "-U", "name", "-N", "-A", "trust", "--locale", "C.UTF-8"]);
    tool::run(initdb.stdout(Stdio::null()))?;
    let port = tool::free_port()?;
    // Not the other way round: setpriv changes a privilege of its own thread's, and glibc
    // aborts when its other thread's call then fails.
    let mut command = unprivileged();
    command.arg(interceptor).args(["run", "--hook"]).arg(hook).arg("--");
    command.arg(programs.join("postgres")).args(["-D", "base", "-p", &port.to_string()]);
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=off",
        "log_min_messages=panic",
    ] {
        command.args(["-c", setting]);
    }
    let served = Served::start("postgres", command, Address::Port(port), |address, round| {
        let programs = postgres::programs().unwrap_or_default();
        let mut client = Command::new("sh");
        client.args(["-c", CLIENT, "sh"]).arg(programs);
        // By turns a connection for each transaction, and one for all.
        client.arg(if round.is_multiple_of(2) { "-C" } else { "-r" });
        client.env("PGHOST", "127.0.0.1").env("PGPORT", address.port().to_string());
        client.env("PGUSER", "name");
        client
    })?;
    let mut fill = Command::new("sh");
    fill.args([
        "-c",
        "PATH=$1:$PATH; until pg_isready -q -d postgres; do sleep 0.02; done; pgbench -iq postgres",
    ]);
    fill.arg("sh").arg(programs).env("PGHOST", "127.0.0.1").env("PGPORT", port.to_string());
    tool::run(fill.env("PGUSER", "name").stderr(Stdio::null()))?;
    Ok(served)
}

impl Served {
    fn start(
        name: &'static str,
        mut command: Command,
        address: Address,
        load: fn(&Address, u64) -> Command,
    ) -> Result<Served> {
        let mut server = command
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let deadline = Instant::now() + PATIENCE;
        while !address.is_listening() {
            if let Some(status) = server.try_wait()? {
                bail!("{name} has ended: {status}");
            }
            if Instant::now() > deadline {
                server.kill()?;
                bail!("{name} does not listen");
            }
            thread::sleep(RETRY);
        }
        let command = server.id().cast_signed();
        // `run` executes the program; `stat` waits for it.
        let pid = Pid::from_raw(match name {
            "redis" => *children(command).first().context("no server")?,
            _ => command,
        });
        Ok(Served { name, server, pid, address, load, client: None, rounds: 0, looks: Vec::new() })
    }

    /// Looks after whoever asks it: one that is done is followed by another.
    pub fn go_on(&mut self) -> Result<()> {
        if let Some(status) = self.server.try_wait()? {
            bail!("{} has ended: {status}", self.name);
        }
        if let Some(client) = &mut self.client {
            let Some(status) = client.try_wait()? else {
                return Ok(());
            };
            if !status.success() {
                bail!("the client of {} has failed: {status}", self.name);
            }
            self.rounds += 1;
        }
        let mut client = (self.load)(&self.address, self.rounds);
        let client = client.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.client = Some(client.with_context(|| format!("no client for {}", self.name))?);
        Ok(())
    }

    pub fn look(&mut self) -> Result<Look> {
        let look = Look::at(self.pid)?;
        self.looks.push(look);
        Ok(look)
    }

    /// Ends it. Returns what was wrong with it.
    pub fn end(mut self) -> Result<Vec<String>> {
        if let Some(client) = &mut self.client {
            let _ = client.kill();
            client.wait()?;
        }
        kill(self.pid, Signal::SIGTERM)?;
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.server.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                bail!("{} does not end", self.name);
            }
            thread::sleep(RETRY);
        };
        let slack = if self.name == "nginx" { NGINX_SLACK } else { 0 };
        let mut wrong = growth(&self.looks, slack);
        if !status.success() {
            wrong.push(format!("it has ended with {status}"));
        }
        if self.rounds == 0 {
            wrong.push("no client has come to its end".to_owned());
        }
        Ok(wrong.into_iter().map(|what| format!("{}: {what}", self.name)).collect())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        for child in [self.client.as_mut(), Some(&mut self.server)].into_iter().flatten() {
            let _ = child.kill();
        }
        let _ = kill(self.pid, Signal::SIGKILL);
    }
}
