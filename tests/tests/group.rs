//! Threads and processes are counted exactly, whatever ends them, and a monitor
//! thread does not change what its program does.
//!
//! The scenarios are those of `tests/hooks/census.c`, `counted_stepped.c` and `remote.c`.

use std::env;
use std::time::Duration;

use interceptor_tests::{Dist, Missing, Program, guest, installed, need, skip};

/// Runs a scenario in a process that loads the hook.
fn scenario(name: &str) {
    run(&Program::new("/bin/true").environment("CENSUS", name));
}

fn run(program: &Program) {
    let dist = need!(Dist::find());
    let hook = need!(guest("libcensus.so"));
    let ended = program.under(&dist, &["run".as_ref(), "--hook".as_ref(), hook.as_os_str()]);
    assert_eq!((ended.stdout.as_str(), ended.status.code()), ("ok\n", Some(0)), "{ended:?}");
}

macro_rules! scenarios {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[test]
            fn $test() {
                scenario($name);
            }
        )*
    };
}

scenarios! {
    threads_are_counted_from_birth_to_death: "threads",
    processes_are_counted_whatever_makes_them: "processes",
    births_that_fail_leave_no_trace: "failures",
    threads_that_share_storage_are_counted: "sharers",
    threads_on_storage_of_the_programs_own_are_counted: "foreigners",
    processes_with_threads_are_gone_however_they_end: "deaths",
    exec_keeps_its_thread_and_ends_the_others: "execs",
    no_number_is_given_twice: "unique",
    kill_at_random_moments_is_counted: "kills",
    counting_survives_closed_descriptors: "descriptors",
    monitors_run_are_cancelled_and_hand_over_their_result: "monitors",
}

#[test]
fn thousands_of_threads_are_counted_and_leave_nothing_behind() {
    let mut program = Program::new("/bin/true").environment("CENSUS", "many");
    if env::var_os("INTERCEPTOR_EVERYTHING").is_some() {
        let live = "10000";
        let native = Program::new(need!(guest("threads_many"))).arguments([live]).natively();
        if native.status.code() != Some(0) {
            return skip(&Missing(format!("{live} threads at once, which may not be made here")));
        }
        program = program
            .environment("CENSUS_THREADS", live)
            .environment("CENSUS_BIRTHS", "1000000")
            .environment("CENSUS_PROCESSES", "20000")
            .limit(Duration::from_secs(1800));
    }
    run(&program);
}

#[test]
fn members_of_pid_namespaces_are_counted_whatever_ends_them() {
    let made = Program::shell("unshare -p -f true || unshare -r -p -f true").natively();
    if made.status.code() != Some(0) {
        return skip(&Missing("PID namespaces, which may not be made here".to_owned()));
    }
    scenario("namespaces");
    scenario("identities");
}

/// Of births and ends: what is done, and every how many instructions of it a run kills.
const STEPPED: &[(&str, u32)] = &[
    ("thread ends", 11),
    ("first ends", 37),
    ("process ends", 7),
    ("process with threads ends", 7),
    ("thread is born", 1201),
    ("process is born", 61),
    ("executes", 6007),
];

#[test]
fn who_is_killed_at_any_instruction_of_a_birth_or_an_end_is_counted_as_dead() {
    let dist = need!(Dist::find());
    let hook = need!(guest("libcounted_stepped.so"));
    let is_everything = env::var_os("INTERCEPTOR_EVERYTHING").is_some();
    for (action, each) in STEPPED {
        let each = if is_everything { 1 } else { *each };
        let program = Program::new("/bin/true")
            .environment("STEPPED", action)
            .environment("STEPS", each.to_string())
            .limit(Duration::from_secs(if is_everything { 7200 } else { 180 }));
        let ended = program.under(&dist, &["run".as_ref(), "--hook".as_ref(), hook.as_os_str()]);
        assert_eq!((ended.stdout.as_str(), ended.status.code()), ("ok\n", Some(0)), "{ended:?}");
        // It says at how many: that something was killed is part of what is shown.
        let rounds = ended.stderr.split_whitespace().nth(2).and_then(|count| count.parse().ok());
        assert!(rounds.is_some_and(|rounds: u32| rounds > 5), "{action}: {ended:?}");
    }
}

#[test]
fn a_group_without_a_file_is_said_and_counts_forked_children() {
    let dist = need!(Dist::find());
    let hook = need!(guest("libcensus.so"));
    for limit in ["-f 1", "-n 200"] {
        // Of the program, not of our command.
        let script = format!("ulimit {limit}; CENSUS=processes exec /bin/true");
        let program = Program::shell(&script);
        let options = ["run".as_ref(), "--hook".as_ref(), hook.as_os_str()];
        let ended = program.under(&dist, &options);
        assert_eq!((ended.stdout.as_str(), ended.status.code()), ("ok\n", Some(0)), "{ended:?}");
    }
    let script = format!(
        "ulimit -f 1; CENSUS=processes LD_PRELOAD={}:{} exec /bin/true",
        hook.display(),
        dist.runtime().display()
    );
    let ended = Program::shell(&script).natively();
    assert_eq!((ended.stdout.as_str(), ended.status.code()), ("ok\n", Some(0)), "{ended:?}");
    assert!(ended.stderr.contains("no descriptor for the segment"), "{ended:?}");
    let script = format!("ulimit -f 1; exec {} stat -- /bin/true", dist.command().display());
    let ended = Program::shell(&script).natively();
    assert!(ended.status.signal().is_none() && ended.stderr.contains("ulimit -f"), "{ended:?}");
}

#[test]
fn our_descriptors_do_not_make_forks_copy_a_long_table() {
    let dist = need!(Dist::find());
    let hook = need!(guest("libcensus.so"));
    let program = Program::shell("ls /proc/self/fd");
    let numbers = |listing: &str| -> Vec<u32> {
        listing.lines().map(|number| number.parse().expect("a number")).collect()
    };
    let native = numbers(&program.natively().stdout);
    for options in [
        vec!["run".as_ref(), "--hook".as_ref(), hook.as_os_str()],
        vec!["trace".as_ref(), "-o".as_ref(), "/dev/null".as_ref()],
    ] {
        let mut ours = numbers(&program.under(&dist, &options).stdout);
        ours.retain(|number| !native.contains(number));
        assert!(!ours.is_empty() && ours.iter().all(|number| *number < 256), "{ours:?}");
    }
}

#[test]
fn one_line_says_so_where_threads_without_libcs_storage_are_not_seen() {
    let dist = need!(Dist::find());
    let hook = need!(guest("libcensus.so"));
    for (scenario, line) in [
        ("too many", "more than 512 threads that do not have libc's storage"),
        ("elsewhere", "a process on its memory in another PID namespace"),
        ("confined", "restricts its system calls (seccomp) and has threads"),
        ("unseen", "hooks that may use libc do not see them"),
    ] {
        let program = Program::new("/bin/true").environment("CENSUS", scenario);
        let ended = program.under(&dist, &["run".as_ref(), "--hook".as_ref(), hook.as_os_str()]);
        assert_eq!((ended.stdout.as_str(), ended.status.code()), ("ok\n", Some(0)), "{ended:?}");
        let lines: Vec<_> = ended.stderr.lines().collect();
        assert!(lines.len() == 1 && lines[0].contains(line), "{scenario}: {ended:?}");
    }
}

#[test]
fn members_are_told_what_others_did_to_them() {
    let dist = need!(Dist::find());
    let hook = need!(guest("libremote.so"));
    // By the hook of the variable, and by two that are registered, before it.
    for hooks in ["1", "registered"] {
        let program = Program::new("/bin/true").environment("REMOTE", hooks);
        let ended = program.under(&dist, &["run".as_ref(), "--hook".as_ref(), hook.as_os_str()]);
        assert_eq!((ended.stdout.as_str(), ended.status.code()), ("ok\n", Some(0)), "{ended:?}");
    }
}

/// Programs beside a monitor behave as without one.
fn beside_a_monitor(program: &Program) -> Result<(), Missing> {
    let dist = Dist::find()?;
    let hook = guest("libcensus.so")?;
    let native = program.natively();
    let program = program.clone().environment("CENSUS", "attach");
    let ended = program.under(&dist, &["run".as_ref(), "--hook".as_ref(), hook.as_os_str()]);
    assert_eq!(ended, native);
    Ok(())
}

#[test]
fn programs_go_on_while_their_hooks_are_replaced() {
    let dist = need!(Dist::find());
    let hook = need!(guest("libreplaced.so"));
    for name in [
        "births",
        "cancel",
        "clone_raw",
        "clone_shared",
        "clone_storage",
        "fork_family",
        "signal_longjmp",
        "signal_queue",
        "robust",
        "signal_interrupt",
        "spawn",
        "threads",
        "vfork_exec",
        "vfork_family",
    ] {
        let program = Program::new(need!(guest(name)));
        let ended = program.under(&dist, &["run".as_ref(), "--hook".as_ref(), hook.as_os_str()]);
        let native = program.natively();
        let (ours, theirs) = ((&ended.stdout, &ended.status), (&native.stdout, &native.status));
        assert_eq!(ours, theirs, "{name}: {}", ended.stderr);
    }
}

#[test]
fn a_monitor_ends_with_a_thread_on_which_libc_cannot_be_used() {
    let dist = need!(Dist::find());
    let hook = need!(guest("libcensus.so"));
    let program = Program::new(need!(guest("storage_last"))).environment("CENSUS", "attach");
    let ended = program.under(&dist, &["run".as_ref(), "--hook".as_ref(), hook.as_os_str()]);
    let native = program.natively();
    assert_eq!((ended.stdout, ended.status), (native.stdout, native.status), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
}

#[test]
fn a_monitor_does_not_keep_a_process_alive() {
    for name in ["exits_in_thread", "threads", "fork_family", "vfork_family", "cancel"] {
        let program = Program::new(need!(guest(name)));
        need!(beside_a_monitor(&program));
    }
    need!(beside_a_monitor(&Program::shell("ls / | wc -l; (exit 3)")));
    let python = need!(installed("python3"));
    let script = "import ctypes, threading, time\n\
                  threading.Thread(target=lambda: (time.sleep(0.1), print('last', flush=True))).start()\n\
                  ctypes.CDLL(None).pthread_exit(None)\n";
    need!(beside_a_monitor(&Program::new(python).arguments(["-c", script])));
}
