//! More whole programs under `interceptor stat`, as [`whole`](super::whole)
//! measures them. No target is set for these.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::products::Products;
use super::server::{Server, pid_file};
use super::table::Table;
use super::way::{Way, output, usage};
use super::whole::{Load, compare, new_table, serve};
use crate::{postgres, tool};

const ROUNDS: usize = 7;

/// Archives a tree. A unit is an entry.
pub fn tar(products: &Products) -> Result<Table> {
    let tree = |load| match load {
        Load::Full => "/usr/include",
        Load::Light => "/usr/include/linux",
    };
    let archive = products.file("archive.tar");
    compare(products, "tar of /usr/include, CPU time for each entry", ROUNDS, None, |subject| {
        let tree = tree(subject.load);
        let entries = output(&mut Way::native().run("find", &[tree]))?.lines().count();
        let mut tar = subject.way.run("tar", &["-P", "-c", "-f"]);
        Ok(usage(tar.arg(&archive).arg(tree))?.cpu_ms / entries as f64)
    })
}

/// Asks for the state of a repository of 2,000 files. A unit is a run.
pub fn git(products: &Products) -> Result<Table> {
    let title = "git status, 2000 files, CPU time for each run";
    let Some(repository) = needs("git", || repository(products))? else {
        return Ok(without(title, "git"));
    };
    compare(products, title, ROUNDS, None, |subject| {
        let mut status = subject.way.run("git", &["status", "--porcelain"]);
        Ok(usage(status.current_dir(&repository))?.cpu_ms)
    })
}

fn repository(products: &Products) -> Result<PathBuf> {
    let repository = fresh(products, "repository")?;
    for index in 0..2000 {
        let directory = repository.join(format!("d{}", index % 50));
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(format!("f{index}")), format!("{index}\n"))?;
    }
    let name = ["-c", "user.name=n", "-c", "user.email=n@example.org"];
    let steps: [&[&str]; 3] =
        [&["init", "-q"], &["add", "."], &[&name[..], &["commit", "-q", "-m", "all"]].concat()];
    for words in steps {
        tool::run(Command::new("git").args(words).current_dir(&repository))?;
    }
    Ok(repository)
}

/// Inserts rows, each in a transaction of its own. A unit is a row.
pub fn sqlite(products: &Products) -> Result<Table> {
    let title = "sqlite3, CPU time for each row inserted";
    let Some(directory) = needs("sqlite3", || fresh(products, "sqlite"))? else {
        return Ok(without(title, "sqlite3"));
    };
    compare(products, title, ROUNDS, None, |subject| {
        let rows = match subject.load {
            Load::Full => 5000,
            Load::Light => 500,
        };
        let (script, base) = (directory.join("script"), directory.join("base"));
        let inserts: String =
            (0..rows).map(|n| format!("insert into t values ({n}, 'row {n}');\n")).collect();
        fs::write(
            &script,
            format!("pragma synchronous=off;\ncreate table t (n, text);\n{inserts}"),
        )?;
        let _ = fs::remove_file(&base);
        let read = format!(".read {}", script.display());
        let mut sqlite = subject.way.run("sqlite3", &["-batch"]);
        Ok(usage(sqlite.arg(&base).arg(read))?.cpu_ms / f64::from(rows))
    })
}

/// Compiles a small file: five processes, one after the other. A unit is a run.
pub fn cc(products: &Products) -> Result<Table> {
    let directory = fresh(products, "cc")?;
    let source = directory.join("small.c");
    fs::write(&source, "#include <stdio.h>\nint main(void) { return puts(\"hello\") < 0; }\n")?;
    compare(products, "cc of a small program, CPU time for each run", ROUNDS, None, |subject| {
        let mut cc = subject.way.run("cc", &["-O2", "-o"]);
        Ok(usage(cc.arg(directory.join("small")).arg(&source))?.cpu_ms)
    })
}

/// A database server of several processes. A unit is a transaction that reads; the
/// server's time counts.
pub fn pgbench(products: &Products) -> Result<Table> {
    let Some(programs) = postgres::programs() else {
        return Ok(without("postgres", "postgresql"));
    };
    let directory = products.file("postgres");
    let unprivileged = |program: &Path, words: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(postgres::NOBODY).arg(program).args(words).current_dir(&directory);
        command
    };
    if !directory.join("base/PG_VERSION").exists() {
        fs::create_dir_all(&directory)?;
        tool::run(Command::new("chown").arg("65534:65534").arg(&directory))?;
        let words = ["-D", "base", "-U", "name", "-N", "-A", "trust", "--locale", "C.UTF-8"];
        output(&mut unprivileged(&programs.join("initdb"), &words))?;
    }
    let server = Server {
        program: "setpriv",
        arguments: |directory, port| {
            let program = postgres::programs().context("it was there")?.join("postgres");
            let words = postgres::NOBODY.map(str::to_owned).into_iter().chain([
                program.display().to_string(),
                "-D".to_owned(),
                directory.join("base").display().to_string(),
                "-p".to_owned(),
                port.to_string(),
            ]);
            let settings = [
                "listen_addresses=127.0.0.1".to_owned(),
                "unix_socket_directories=".to_owned(),
                "fsync=off".to_owned(),
                "log_min_messages=panic".to_owned(),
                format!("external_pid_file={}", pid_file(directory).display()),
            ];
            Ok(words.chain(settings.into_iter().flat_map(|s| ["-c".to_owned(), s])).collect())
        },
    };
    let client = |port: u16, words: &[&str]| {
        // It listens before it answers.
        let script =
            "PATH=$1:$PATH; shift; until pg_isready -q; do sleep 0.02; done; exec pgbench \"$@\"";
        let mut pgbench = Command::new("sh");
        pgbench.args(["-c", script, "sh"]).arg(&programs).args(["-n"]).args(words).arg("postgres");
        pgbench.env("PGHOST", "127.0.0.1").env("PGPORT", port.to_string()).env("PGUSER", "name");
        pgbench
    };
    server.cpu_ms(&Way::native(), &directory, |port| client(port, &["-i", "-q"]))?;
    serve(products, "postgres", &["setpriv"], &server, [4000, 800], None, |port, count| {
        client(port, &["-S", "-c", "2", "-t", &(count / 2).to_string()])
    })
}

/// An empty directory.
fn fresh(products: &Products, name: &str) -> Result<PathBuf> {
    let directory = products.file(&format!("{name}.d"));
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// Prepares what a program needs, if it is installed.
fn needs<T>(program: &str, prepare: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
    if tool::is_installed(program) { prepare().map(Some) } else { Ok(None) }
}

fn without(title: &str, program: &str) -> Table {
    let mut table = new_table(title);
    table.missing(program, "it is not installed");
    table
}
