//! The log of libsyscall_intercept's users: a line for each call that a hook sees.

use std::fs;

use interceptor_tests::{Link, Program, Workshop, guest, need};

/// What follows `-- ` in each line of a log.
fn calls(log: &str) -> Vec<&str> {
    log.lines().map(|line| line.split_once(" -- ").expect("a call").1).collect()
}

#[test]
fn the_log_has_a_line_for_each_call() {
    let workshop = need!(Workshop::open());
    let hook = workshop.hook("answers.c", Link::Shared);
    let log = workshop.scratch.path("log");
    let file = workshop.scratch.file("file", 0o644, "content\n");
    let cat = Program::new("/bin/cat").arguments([&file]).environment("INTERCEPT_LOG", &log);
    let ended = workshop.under(&hook, Link::Shared, &cat);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("content\n", ""));
    let text = fs::read_to_string(&log).expect("a log");
    for line in text.lines() {
        let (place, _) = line.split_once(" -- ").expect("a call");
        let (object, address) = place.split_once(' ').expect("an object and an address");
        assert!(object.contains("libc.so.6") && address.starts_with("0x"), "{line}");
    }
    let path = format!("\"{}\", O_RDONLY", file.display());
    let position =
        |wanted: &dyn Fn(&str) -> bool| calls(&text).iter().position(|call| wanted(call));
    let opened = position(&|call| call.starts_with("openat(") && call.contains(&path));
    let read = position(&|call| call.contains("\"content\\n\"") && call.ends_with(" = 8"));
    let ended = position(&|call| call == "exit_group(0) = ?");
    assert!(opened.is_some() && opened < read && read < ended, "{text}");
    assert_eq!(ended, Some(calls(&text).len() - 1), "{text}");

    // What is answered and what fails is logged as the program sees it.
    let shell = Program::shell("echo $PPID; cd /nowhere").environment("INTERCEPT_LOG", &log);
    workshop.under(&hook, Link::Shared, &shell);
    let text = fs::read_to_string(&log).expect("a log");
    assert!(calls(&text).contains(&"getppid() = 4711"), "{text}");
    assert!(
        calls(&text).contains(&"chdir(\"/nowhere\") = -1 ENOENT (No such file or directory)"),
        "{text}"
    );
    assert!(!text.contains("content"), "the log was not truncated");
}

#[test]
fn a_log_may_be_kept_and_may_have_the_process_in_its_name() {
    let workshop = need!(Workshop::open());
    let hook = workshop.hook("answers.c", Link::Shared);
    let log = workshop.scratch.path("log");
    let program = Program::new("/bin/true").environment("INTERCEPT_LOG", &log);
    workshop.under(&hook, Link::Shared, &program);
    let once = fs::read_to_string(&log).expect("a log").lines().count();
    let kept = program.clone().environment("INTERCEPT_LOG_TRUNC", "0");
    workshop.under(&hook, Link::Shared, &kept);
    assert_eq!(fs::read_to_string(&log).expect("a log").lines().count(), 2 * once);
    workshop.under(&hook, Link::Shared, &program.environment("INTERCEPT_LOG_TRUNC", "1"));
    assert_eq!(fs::read_to_string(&log).expect("a log").lines().count(), once);

    let each = workshop.scratch.path("each-");
    let program = Program::shell("echo $$; exec /bin/true").environment("INTERCEPT_LOG", &each);
    let pid = workshop.under(&hook, Link::Shared, &program).stdout;
    let name = format!("each-{}", pid.trim());
    assert!(workshop.scratch.path(&name).is_file(), "{name} is missing");

    let nowhere = Program::shell("echo $PPID").environment("INTERCEPT_LOG", "/nowhere/log");
    let ended = workshop.under(&hook, Link::Shared, &nowhere);
    assert_eq!(ended.stdout, "4711\n");
    assert!(ended.stderr.contains("no log: /nowhere/log: ENOENT"), "{ended:?}");
}

#[test]
fn the_log_is_out_of_the_programs_reach() {
    let workshop = need!(Workshop::open());
    let hook = workshop.hook("answers.c", Link::Shared);
    let log = workshop.scratch.path("log");
    for name in ["closefds", "threads", "fork_family", "vfork_family", "execs", "seccomp_filter"] {
        let program = Program::new(need!(guest(name)));
        let logged = program.clone().environment("INTERCEPT_LOG", &log);
        let ended = workshop.under(&hook, Link::Shared, &logged);
        assert_eq!(ended, program.natively(), "{name}");
        let text = fs::read_to_string(&log).expect("a log");
        assert!(text.ends_with('\n') && !calls(&text).is_empty(), "{name}: {text}");
    }
}
