//! `top` and `stat -p` look at trees that run already.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use interceptor_tests::{Dist, Ended, Program, Scratch, Tree, kill, need, wait_for};

fn ours(dist: &Dist, arguments: &[&str]) -> Ended {
    Program::new(dist.command()).arguments(arguments).natively()
}

#[test]
fn a_reader_counts_a_dead_member_that_nobody_has_waited_for_as_dead() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let report = scratch.path("report");
    let report = report.to_str().expect("a name in UTF-8");
    for options in [&["stat", "-o", report][..], &["trace", "-o", report]] {
        let script = "sleep 1000 & echo $!; echo $$; exec sleep 1000";
        let mut tree = Tree::start(&dist, options, script);
        let (child, parent) = (tree.line(), tree.line());
        for pid in [&child, &parent] {
            wait_for(pid, "sleep", 'S');
        }
        let top = || ours(&dist, &["top", "-p", &parent, "-n", "1", "-d", "0.1"]);
        let ended = top();
        assert!(ended.stdout.starts_with("interceptor: 2 processes, 2 threads, 2 "), "{ended:?}");
        kill(&child, "-KILL");
        wait_for(&child, "sleep", 'Z');
        let ended = top();
        assert!(ended.stdout.starts_with("interceptor: 1 processes, 1 threads, 2 "), "{ended:?}");
        let row = ended.stdout.lines().find(|line| line.contains(&parent)).expect("the parent");
        assert_eq!(row.split_whitespace().collect::<Vec<_>>(), [&parent, "1", "0", "sleep"]);
        kill(&parent, "-KILL");
    }
}

#[test]
fn a_member_that_has_forked_is_counted_as_dead_when_it_has_ended() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let report = scratch.path("report");
    let report = report.to_str().expect("a name in UTF-8");
    // The shell between has a child, and ends by itself, or is killed.
    for end in ["exit 0", "kill -KILL $$"] {
        let script = format!("echo $$; sh -c '(exit 0) & wait; {end}'; echo; exec sleep 1000");
        let mut tree = Tree::start(&dist, &["stat", "-o", report], &script);
        let pid = tree.line();
        tree.line();
        let ended = ours(&dist, &["top", "-p", &pid, "-n", "1", "-d", "0.1"]);
        assert!(ended.stdout.starts_with("interceptor: 1 processes, 1 threads, 3 "), "{ended:?}");
        kill(&pid, "-KILL");
    }
}

#[test]
fn top_shows_the_rate_of_calls_and_ends_with_the_tree() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let report = scratch.path("report");
    let report = report.to_str().expect("a name in UTF-8");
    let script = "echo $$; exec dd if=/dev/zero of=/dev/null bs=1 2>/dev/null";
    let mut tree = Tree::start(&dist, &["stat", "-o", report], script);
    let pid = tree.line();
    // Of a row, counted from its end.
    let rate = |look: &str, suffix: &str, column: usize| -> Option<u64> {
        let row = look.lines().find(|line| line.ends_with(suffix))?;
        row.split_whitespace().rev().nth(column)?.parse().ok()
    };
    // A look takes the counts one after another: they fit together if nobody else has the
    // processor meanwhile, and are not 0 if the program has it.
    let fits = |look: &str| {
        let rates = (rate(look, " read", 2), rate(look, " write", 2), rate(look, "  dd", 1));
        let (Some(reads), Some(writes), Some(process)) = rates else { return false };
        reads > 0
            && reads.abs_diff(writes) <= reads / 2
            && process.abs_diff(reads + writes) <= process / 2
    };
    let mut looks = Vec::new();
    while !looks.last().is_some_and(|look: &String| fits(look)) {
        assert!(looks.len() < 20, "{looks:#?}");
        let ended = ours(&dist, &["top", "-p", &pid, "-n", "2", "-d", "0.3"]);
        looks.extend(ended.stdout.trim_end().rsplit("\n\n").next().map(str::to_owned));
    }
    // One that ends while it is watched.
    let mut watching = Command::new(dist.command())
        .args(["top", "-p", &pid, "-d", "0.05"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("our command");
    let mut lines = BufReader::new(watching.stdout.take().expect("a pipe")).lines();
    let first = lines.next().expect("a first line").expect("a line");
    assert!(first.contains(" 1 processes"), "{first}");
    kill(&pid, "-KILL");
    let last = lines.map_while(Result::ok).filter(|line| line.starts_with("interceptor: ")).last();
    let is_last = |line: &String| line.starts_with("interceptor: 0 processes, 0 threads, 1 ");
    assert!(last.as_ref().is_some_and(is_last), "{last:?}");
    assert!(watching.wait().expect("a status").success());
}

#[test]
fn stat_of_a_running_tree_counts_from_then_on() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let report = scratch.path("report");
    let report = report.to_str().expect("a name in UTF-8");
    // As many bytes as it is given, one by one.
    let script = "echo $$; read go < go; exec dd bs=1 count=1000 of=/dev/null < /dev/zero";
    let fifo = scratch.path("go");
    let made = Command::new("mkfifo").arg(&fifo).status().expect("mkfifo");
    assert!(made.success());
    let script = script.replace("< go", &format!("< {}", fifo.display()));
    let mut tree = Tree::start(&dist, &["stat", "-o", report], &script);
    let pid = tree.line();
    let table = scratch.path("table");
    let watching = Command::new(dist.command())
        .args(["stat", "-p", &pid, "-o"])
        .arg(&table)
        .spawn()
        .expect("our command");
    // It makes its file after it has looked.
    while !table.exists() {
        thread::sleep(Duration::from_millis(10));
    }
    fs::write(&fifo, "go\n").expect("a reader");
    let ended = watching.wait_with_output().expect("a status");
    assert!(ended.status.success(), "{ended:?}");
    let table = fs::read_to_string(&table).expect("a table");
    let of = |name: &str| -> Option<u64> {
        let row = table.lines().find(|line| line.ends_with(name))?;
        row.split_whitespace().rev().nth(1)?.parse().ok()
    };
    assert!(of(" read").is_some_and(|reads| (1000..1010).contains(&reads)), "{table}");
    // Those of before are not counted.
    assert_eq!(of(" rt_sigprocmask"), None, "{table}");
}

#[test]
fn what_cannot_be_looked_at_is_refused_with_a_reason() {
    let dist = need!(Dist::find());
    let own = std::process::id().to_string();
    for (arguments, reason) in [
        (&["top", "-p", &own][..], "is not counted"),
        (&["stat", "-p", &own], "is not counted"),
        (&["top", "-p", "4194303"], "there is none"),
        (&["top", "-d", "0"], "not a time"),
        (&["stat"], "required"),
    ] {
        let ended = ours(&dist, arguments);
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(reason), "{arguments:?}: {ended:?}");
    }
    let mut tree = Tree::start(&dist, &["trace", "-o", "/dev/null"], "echo $$; exec sleep 1000");
    let pid = tree.line();
    let ended = ours(&dist, &["stat", "-p", &pid]);
    assert!(ended.stderr.contains("its calls are not counted"), "{ended:?}");
    kill(&pid, "-KILL");
}
