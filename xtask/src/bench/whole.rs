//! Whole programs under `interceptor stat`: CPU time per unit of work.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use super::products::{self, Products};
use super::rounds::{Series, interleave, native};
use super::server::{Server, pid_file};
use super::table::{TARGET, Table, verdict};
use super::way::{Way, output, usage};
use crate::tool;

/// Times native.
const LIMIT: Option<f64> = Some(1.10);

/// strace takes long.
const STRACE_ROUNDS: usize = 3;

/// A way, and how much work it is given.
pub(super) struct Subject {
    pub way: Way,
    pub load: Load,
}

#[derive(Clone, Copy)]
pub(super) enum Load {
    Full,
    Light,
}

/// Walks a large tree. A unit is an entry found.
pub fn find(products: &Products) -> Result<Table> {
    let tree = |load| match load {
        Load::Full => "/usr",
        Load::Light => "/usr/share/doc",
    };
    let count = |load| -> Result<f64> {
        Ok(output(&mut Way::native().run("find", &[tree(load)]))?.lines().count() as f64)
    };
    let (full, light) = (count(Load::Full)?, count(Load::Light)?);
    compare(products, "find /usr, CPU time for each entry found", 7, LIMIT, |subject| {
        let entries = match subject.load {
            Load::Full => full,
            Load::Light => light,
        };
        Ok(usage(&mut subject.way.run("find", &[tree(subject.load)]))?.cpu_ms / entries)
    })
}

/// Copies bytes one by one. A unit is a byte: two calls.
pub fn dd(products: &Products) -> Result<Table> {
    compare(products, "dd bs=1 count=300k, CPU time for each byte", 7, LIMIT, |subject| {
        let bytes = match subject.load {
            Load::Full => 300_000,
            Load::Light => 30_000,
        };
        let count = format!("count={bytes}");
        let arguments = ["if=/dev/zero", "of=/dev/null", "bs=1", "status=none", count.as_str()];
        Ok(usage(&mut subject.way.run("dd", &arguments))?.cpu_ms / f64::from(bytes))
    })
}

/// A server of values in memory. A unit is a request; the server's time counts.
pub fn redis(products: &Products) -> Result<Table> {
    let server = Server {
        program: "redis-server",
        arguments: |directory, port| {
            let pid_file = pid_file(directory).display().to_string();
            let port = port.to_string();
            let directory = directory.display().to_string();
            let words = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
            let words = words.into_iter().chain(["--daemonize", "no", "--loglevel", "warning"]);
            let words = words.chain(["--port", &port, "--pidfile", &pid_file, "--dir", &directory]);
            Ok(words.map(str::to_owned).collect())
        },
    };
    serve(
        products,
        "redis-server",
        &["redis-server", "redis-benchmark"],
        &server,
        [50_000, 5_000],
        LIMIT,
        |port, count| {
            let mut client = Command::new("redis-benchmark");
            client.args(["-q", "-t", "get", "-c", "10"]);
            client.args(["-p".to_owned(), port.to_string(), "-n".to_owned(), count.to_string()]);
            client
        },
    )
}

/// A web server. A unit is a request; the server's time counts.
pub fn nginx(products: &Products) -> Result<Table> {
    let server = Server {
        program: "nginx",
        arguments: |directory, port| {
            let configuration = directory.join("nginx.conf");
            fs::write(directory.join("index.html"), "hello\n")?;
            fs::write(&configuration, nginx_configuration(directory, port))?;
            Ok(vec!["-c".to_owned(), configuration.display().to_string()])
        },
    };
    let client = products.file("requests");
    serve(products, "nginx", &["nginx"], &server, [80_000, 8_000], LIMIT, |port, count| {
        let mut command = Command::new(&client);
        command.args([port.to_string(), count.to_string()]);
        command
    })
}

fn nginx_configuration(directory: &Path, port: u16) -> String {
    let directory = directory.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("{name}_temp_path {directory}/{name};\n"))
        .collect();
    format!(
        "daemon off;\nmaster_process off;\npid {directory}/pid;\nerror_log /dev/null;\n\
         events {{ }}\n\
         http {{\n{temporary}access_log off;\nkeepalive_requests 1000000000;\n\
         server {{ listen 127.0.0.1:{port}; root {directory}; }}\n}}\n"
    )
}

/// Measures a server whose client is given a port and a number of requests,
/// many or few.
pub(super) fn serve(
    products: &Products,
    program: &str,
    needed: &[&str],
    server: &Server,
    requests: [u32; 2],
    limit: Option<f64>,
    client: impl Fn(u16, u32) -> Command,
) -> Result<Table> {
    let title = format!("{program}, CPU time of the server for each request");
    for needed in needed {
        if !tool::is_installed(needed) {
            let mut table = new_table(&title);
            table.missing(program, &format!("{needed} is not installed"));
            return Ok(table);
        }
    }
    let directory = products.file(program);
    compare(products, &title, 7, limit, |subject| {
        let [full, light] = requests;
        let count = match subject.load {
            Load::Full => full,
            Load::Light => light,
        };
        let cpu_ms = server.cpu_ms(&subject.way, &directory, |port| {
            let mut client = client(port, count);
            client.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            client
        })?;
        Ok(cpu_ms / f64::from(count))
    })
}

/// Measures milliseconds for each unit: natively, under us, under others.
pub(super) fn compare(
    products: &Products,
    title: &str,
    rounds: usize,
    limit: Option<f64>,
    measure: impl Fn(&Subject) -> Result<f64>,
) -> Result<Table> {
    let mut table = new_table(title);
    let full = |way| Subject { way, load: Load::Full };
    let subjects = [Way::native(), products.nobody(), products.stat(), Way::guard()].map(full);
    let results = interleave(rounds, &subjects, &measure);
    add_rows(&mut table, products, &subjects, results, limit)?;
    let mut ways = vec![Way::native().named("native, less work")];
    for (name, tool) in products::tools() {
        match tool {
            Ok(way) => ways.push(way),
            Err(why) => table.missing(name, why),
        }
    }
    ways.push(Way::guard().named("native again, less work"));
    if ways.len() > 2 {
        let light = |way| Subject { way, load: Load::Light };
        let subjects: Vec<Subject> = ways.into_iter().map(light).collect();
        let results = interleave(STRACE_ROUNDS, &subjects, &measure);
        add_rows(&mut table, products, &subjects, results, limit)?;
    }
    Ok(table)
}

/// Adds a row for each subject of one set of rounds.
fn add_rows(
    table: &mut Table,
    products: &Products,
    subjects: &[Subject],
    results: Vec<Result<Vec<f64>>>,
    limit: Option<f64>,
) -> Result<()> {
    let native = native(&results, |ms| *ms)?;
    let us = products.stat().name;
    for (subject, result) in subjects.iter().zip(results) {
        let series: Series = match result {
            Ok(rounds) => rounds.into_iter().collect(),
            Err(error) => {
                table.failed(subject.way.name, &error);
                continue;
            }
        };
        let ratio = series.ratio(&native);
        table.row([
            subject.way.name.to_owned(),
            format!("{:.3}", series.median() * 1e3),
            format!("{ratio:.2}"),
            match limit.filter(|_| subject.way.name == us) {
                Some(limit) => verdict("x", ratio, limit),
                None => String::new(),
            },
        ]);
    }
    Ok(())
}

pub(super) fn new_table(title: &str) -> Table {
    Table::new(
        title,
        "in µs; medians of interleaved runs. Others are given less work",
        &["way", "µs", "x native", TARGET],
    )
}
