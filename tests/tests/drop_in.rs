//! Hooks written for libsyscall_intercept work with ours: compiled anew, linked
//! with ours or with the original, shared or static.
//!
//! Sources are in `tests/drop_in`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use interceptor_tests::{
    Dist, Ended, Link, Program, Workshop, differences_under, guest, installed, need,
};

/// Fails unless a hook like `answers.c` works.
fn assert_answers(ended: &Ended, how: &dyn std::fmt::Debug) {
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("4711\n", ""), "{how:?}");
}

#[test]
fn a_hook_works_however_it_was_linked() {
    let workshop = need!(Workshop::open());
    for link in Link::ALL {
        let hook = workshop.hook("answers.c", link);
        let ended = workshop.under(&hook, link, &Program::shell("echo $PPID"));
        assert_answers(&ended, &link);
    }
}

#[test]
fn a_hook_in_cxx_works() {
    let workshop = need!(Workshop::open());
    let compiler = need!(installed("c++"));
    for link in [Link::Shared, Link::ThreadLocal] {
        let flags = ["-x", "none", "-shared", "-fPIC", "-std=c++17"];
        let hook = workshop.build_by(&compiler, "answers.c", link, &flags);
        let ended = workshop.under(&hook, link, &Program::shell("echo $PPID"));
        assert_answers(&ended, &link);
    }
}

#[test]
fn a_hook_works_with_musl() {
    let workshop = need!(Workshop::open());
    let compiler = need!(installed("musl-gcc"));
    let flags = ["-shared", "-fPIC"];
    let hook = workshop.build_by(&compiler, "answers.c", Link::Shared, &flags);
    let hooked = workshop.scratch.path("hook.so");
    fs::rename(hook, &hooked).expect("a hook");
    let source = Workshop::source("own_call.c");
    let program = workshop.run(&compiler, &[source.to_str().expect("a path in UTF-8")], "musl");
    let ended = workshop.under(&hooked, Link::Shared, &Program::new(program));
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("unseen seen\n", ""));
}

#[test]
fn every_declaration_is_used_by_a_program_in_c_in_cxx_and_in_rust() {
    let workshop = need!(Workshop::open());
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.map(str::to_owned).collect()
    };
    let read = |path: &Path| words(&fs::read_to_string(path).expect("a source"));
    let header = workshop.dist.include().join("libsyscall_intercept_hook_point.h");
    let text = fs::read_to_string(header).expect("the header");
    let is_ours = |name: &&str| name.starts_with("intercept_") || name.starts_with("syscall_");
    // A declaration: a name before its arguments.
    let declared: Vec<&str> = text
        .split(['(', ')'])
        .map(|part| part.rsplit([' ', '*', '\n']).next().unwrap_or(""))
        .filter(is_ours)
        .collect();
    assert!(declared.len() >= 6, "{declared:?}");
    let (in_c, in_rust) =
        (read(&Workshop::source("declarations.c")), read(&Workshop::source("declarations.rs")));
    for name in declared {
        assert!(in_c.iter().any(|word| word == name), "{name} is not used in C");
        // That is an inline function of the header.
        let is_exported = name != "syscall_error_code";
        assert!(!is_exported || in_rust.iter().any(|word| word == name), "{name}: Rust");
    }
    let cxx = need!(installed("c++"));
    let mut programs = Vec::new();
    for link in [Link::Shared, Link::ThreadLocal] {
        let run = |program: PathBuf| {
            Program::new(program)
                .environment("LD_LIBRARY_PATH", workshop.search_path(link))
                .natively()
        };
        programs.push(run(workshop.program("declarations.c", link, &["-std=gnu11"])));
        let flags = ["-x", "none", "-std=c++17"];
        programs.push(run(workshop.build_by(&cxx, "declarations.c", link, &flags)));
    }
    let program = workshop.scratch.path("in_rust");
    let built = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition=2024", "-O", "-lsyscall_intercept", "-L"])
        .arg(workshop.dist.lib())
        .arg("-o")
        .args([&program, &Workshop::source("declarations.rs")])
        .status()
        .expect("a compiler");
    assert!(built.success());
    let in_rust = Program::new(program).environment("LD_LIBRARY_PATH", workshop.dist.lib());
    programs.push(in_rust.natively());
    for ended in programs {
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("1 4711 1 1 1 1 0\n", ""));
    }
}

#[test]
fn static_libraries_show_nothing_but_the_interface() {
    let dist = need!(Dist::find());
    let nm = need!(installed("nm"));
    for name in ["libsyscall_intercept.a", "libsyscall_intercept_tls.a"] {
        let symbols = |which: &str| {
            let listed = Program::new(&nm)
                .arguments(["-g", which, "-j"])
                .arguments([dist.lib().join(name)])
                .natively();
            assert_eq!(listed.status.code(), Some(0), "{listed:?}");
            let names = listed.stdout.lines().filter(|line| !line.is_empty());
            let mut names: Vec<_> =
                names.filter(|line| !line.ends_with(':')).map(str::to_owned).collect();
            names.sort();
            names
        };
        let expected = [
            "intercept_hook_point",
            "intercept_hook_point_clone_child",
            "intercept_hook_point_clone_parent",
            "syscall_hook_in_process_allowed",
            "syscall_no_intercept",
        ];
        assert_eq!(symbols("--defined-only"), expected, "{name}");
        // What a linker provides by itself, and what may be missing.
        let strong = Program::new(&nm).arguments(["-u"]).arguments([dist.lib().join(name)]);
        for line in strong.natively().stdout.lines().filter(|line| line.contains(" U ")) {
            let name = line.split_whitespace().last().unwrap_or("");
            assert!(
                ["_GLOBAL_OFFSET_TABLE_", "_DYNAMIC", "__ehdr_start", "etext"].contains(&name),
                "{line}"
            );
        }
    }
}

#[test]
fn results_are_the_programs_and_errno_is_not_the_hooks() {
    let workshop = need!(Workshop::open());
    let python = need!(installed("python3"));
    let hook = workshop.hook("answers.c", Link::Shared);
    let script = "import ctypes, os\n\
                  libc = ctypes.CDLL(None, use_errno=True)\n\
                  ctypes.set_errno(7)\n\
                  print(libc.getppid(), ctypes.get_errno())\n\
                  try: os.getpgid(4711)\n\
                  except OSError: pass\n\
                  print(libc.getppid(), libc.syscall(110), ctypes.get_errno() == 95)\n";
    let program = Program::new(python).arguments(["-c", script]);
    let ended = workshop.under(&hook, Link::Shared, &program);
    // getppid cannot fail, so libc does not look; syscall() does.
    assert_eq!(ended.stdout, "4711 7\n-95 -1 True\n", "{ended:?}");
}

#[test]
fn a_program_may_be_linked_with_the_library() {
    let workshop = need!(Workshop::open());
    for link in [Link::Shared, Link::Static, Link::Original] {
        for flags in [&["-fPIE", "-pie"][..], &["-fno-pie", "-no-pie"]] {
            let program = Program::new(workshop.program("linked.c", link, flags))
                .environment("LD_LIBRARY_PATH", workshop.search_path(link));
            assert_eq!(program.natively().stdout, "right 4711 right right\n", "{link:?} {flags:?}");
        }
    }
}

#[test]
fn each_thread_may_have_its_own_hook() {
    let workshop = need!(Workshop::open());
    for link in [Link::ThreadLocal, Link::ThreadLocalStatic, Link::OriginalThreadLocal] {
        let program = Program::new(workshop.program("thread_local.c", link, &[]))
            .environment("LD_LIBRARY_PATH", workshop.search_path(link));
        assert_eq!(program.natively().stdout, "1 1 4712\n4711\n4711\n", "{link:?}");
    }
}

#[test]
fn threads_without_libcs_storage_run_under_such_hooks() {
    let workshop = need!(Workshop::open());
    let program = Program::new(need!(guest("clone_storage")));
    let native = program.natively();
    for link in [Link::Shared, Link::ThreadLocal] {
        let hook = workshop.hook("answers.c", link);
        assert_eq!(workshop.under(&hook, link, &program), native, "{link:?}");
    }
}

#[test]
fn births_on_a_stack_of_their_own_are_told() {
    let workshop = need!(Workshop::open());
    for link in [Link::Shared, Link::Static] {
        let program = Program::new(workshop.program("births.c", link, &[]))
            .environment("LD_LIBRARY_PATH", workshop.search_path(link));
        let expected = "threads: child 100, parent 100\n\
                        fork and a thread there: child 1, parent 1\n\
                        its id\n\
                        posix_spawn: child 1, parent 1\n\
                        hooked 103, foreign 1\n";
        assert_eq!(program.natively().stdout, expected, "{link:?}");
    }
}

#[test]
fn a_hook_may_execute_every_call_itself() {
    let workshop = need!(Workshop::open());
    let hook = workshop.hook("executes.c", Link::Shared);
    let under = |program: &Program| workshop.under(&hook, Link::Shared, program);
    assert_eq!(need!(differences_under(under)), "");
}

#[test]
fn a_filter_keeps_other_processes_out() {
    let workshop = need!(Workshop::open());
    for link in [Link::Shared, Link::Static] {
        let hook = workshop.hook("answers.c", link);
        let under = |filter: &str| {
            let program = Program::new("/bin/sh")
                .arguments(["-c", "echo $PPID"])
                .environment("INTERCEPT_HOOK_CMDLINE_FILTER", filter);
            workshop.under(&hook, link, &program)
        };
        assert_answers(&under("sh"), &link);
        for filter in ["bin", "h", "bash", "/bin/sh"] {
            let ended = under(filter);
            assert_eq!(ended.stderr, "not allowed\n", "{link:?} {filter}");
            assert_ne!(ended.stdout, "4711\n", "{link:?} {filter}");
        }
    }
}

#[test]
fn the_hook_is_shown_libcs_calls_unless_it_wants_all() {
    let workshop = need!(Workshop::open());
    let hook = workshop.hook("answers.c", Link::Shared);
    let program = Program::new(workshop.run(
        &workshop.compiler,
        &[Workshop::source("own_call.c").to_str().expect("a path in UTF-8")],
        "own_call",
    ));
    for (setting, expected) in [
        (None, "unseen seen\n"),
        (Some("0"), "unseen seen\n"),
        (Some("1"), "seen seen\n"),
        (Some(""), "seen seen\n"),
    ] {
        let program = match setting {
            Some(value) => program.clone().environment("INTERCEPT_ALL_OBJS", value),
            None => program.clone(),
        };
        let ended = workshop.under(&hook, Link::Shared, &program);
        assert_eq!(ended.stdout, expected, "{setting:?}");
        let program = program.environment("INTERCEPT_BYPASS_SO", "own_call");
        let ended = workshop.under(&hook, Link::Shared, &program);
        assert_eq!(ended.stdout, "unseen seen\n", "{setting:?}");
    }
}

#[test]
fn what_is_patched_is_said_on_demand_and_jumps_always_reach() {
    let workshop = need!(Workshop::open());
    let hook = workshop.hook("answers.c", Link::Shared);
    for (setting, is_said) in [("INTERCEPT_DEBUG_DUMP", true), ("INTERCEPT_NO_TRAMPOLINE", false)] {
        for value in ["", "1"] {
            let program = Program::shell("echo $PPID").environment(setting, value);
            let ended = workshop.under(&hook, Link::Shared, &program);
            assert_eq!(ended.stdout, "4711\n", "{setting}={value} {ended:?}");
            let says = |line: &str| {
                line.starts_with("interceptor: ")
                    && line.contains("/libc.so.6: hole ")
                    && line.contains(" missed 0 ")
            };
            assert_eq!(ended.stderr.lines().any(says), is_said, "{setting}={value} {ended:?}");
            assert_eq!(ended.stderr.is_empty(), !is_said, "{setting}={value} {ended:?}");
        }
    }
}

#[test]
fn our_command_runs_such_hooks_and_sees_through_them() {
    let workshop = need!(Workshop::open());
    for link in [Link::Shared, Link::Static, Link::ThreadLocal] {
        let hook = workshop.hook("answers.c", link);
        let hook = hook.to_str().expect("a path in UTF-8");
        let program = Program::shell("echo $PPID");
        let (program, options) = match link {
            // It has the runtime in it.
            Link::Static => (program.environment("INTERCEPTOR_LIB", hook), vec![]),
            _ => {
                let search_path = workshop.search_path(link);
                (program.environment("LD_LIBRARY_PATH", search_path), vec!["--hook", hook])
            }
        };
        let ended = program.under(&workshop.dist, &[&["run"], options.as_slice()].concat());
        assert_answers(&ended, &link);
        let report = workshop.scratch.path("report");
        let report = report.to_str().expect("a path in UTF-8");
        let trace = ["trace", "-o", report, "-e", "trace=getppid"];
        let ended = program.under(&workshop.dist, &[&trace, options.as_slice()].concat());
        assert_answers(&ended, &link);
        let trace = fs::read_to_string(report).expect("a report");
        assert_eq!(trace.matches("getppid() = 4711").count(), 1, "{link:?} {trace}");
        assert!(trace.contains(" sites in "), "{link:?} {trace}");
    }
}

#[test]
fn two_interceptors_with_hooks_are_not_silent() {
    let workshop = need!(Workshop::open());
    let hook = workshop.hook("answers.c", Link::Shared);
    let native = need!(guest("libforward_all.so"));
    let preload =
        format!("{}:{}:{}", hook.display(), native.display(), workshop.dist.runtime().display());
    let ended = workshop.under(Path::new(&preload), Link::Shared, &Program::shell("echo $PPID"));
    assert_eq!(ended.stdout, "4711\n");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert!(ended.stderr.contains("another interceptor"), "{ended:?}");
}
