//! A debugger sees through what we put between the program and the kernel.

use std::fs;
use std::path::{Path, PathBuf};

use interceptor_tests::{Dist, Ended, Program, Scratch, guest, installed, need};

/// The debugger, about to run a program with these libraries preloaded. Natively it has a
/// variable of the same length instead, so that the stack is where it is with them.
fn gdb(preloaded: &[&Path], rung: Option<&str>) -> Program {
    let libraries: Vec<_> = preloaded.iter().map(|library| library.to_str()).collect();
    let libraries: Option<Vec<_>> = libraries.into_iter().collect();
    let libraries = libraries.expect("names in UTF-8").join(":");
    let mut commands = vec!["set startup-with-shell off".to_owned()];
    commands.push("set debuginfod enabled off".to_owned());
    if !preloaded.is_empty() {
        commands.push(format!("set environment LD_PRELOAD={libraries}"));
    }
    if let Some(rung) = rung {
        commands.push(format!("set environment INTERCEPTOR_FORCE_RUNG={rung}"));
        // Forcing one rung makes traps elsewhere.
        commands.push("handle SIGILL nostop noprint pass".to_owned());
    }
    let options = commands.iter().flat_map(|command| ["-iex", command]);
    Program::new("gdb").arguments(["-nx", "-batch"]).arguments(options)
}

/// Stops the program in the system call of its `sleep`; prints the stack.
fn backtrace(dist: &Dist, rung: Option<&str>) -> String {
    let mut gdb = gdb(&[&dist.runtime()], rung);
    for command in ["catch syscall clock_nanosleep nanosleep", "run", "backtrace", "kill"] {
        gdb = gdb.arguments(["-ex", command]);
    }
    let ended = gdb.arguments(["--args", "/bin/sleep", "60"]).natively();
    format!("{}{}", ended.stdout, ended.stderr)
}

#[test]
fn a_backtrace_leads_from_a_stub_to_the_program() {
    let dist = need!(Dist::find());
    need!(installed("gdb"));
    for rung in [None, Some("hole"), Some("after"), Some("before")] {
        let text = backtrace(&dist, rung);
        let frame = |n: usize| {
            let start = format!("#{n} ");
            text.lines().find(|line| line.starts_with(&start)).unwrap_or_default().to_owned()
        };
        assert!(frame(0).contains("interceptor_stub"), "{rung:?}: {text}");
        assert!(frame(1).contains("nanosleep"), "{rung:?}: {text}");
        assert!(text.contains("__libc_start_main"), "{rung:?}: {text}");
    }
}

/// What gdb prints about the core file of a program that dies: the signal, and the
/// stack by function and line. gdb makes the file, too, since the kernel makes none
/// everywhere.
fn core(program: &Path, preloaded: Option<&Dist>) -> Vec<String> {
    let scratch = Scratch::new();
    let core = scratch.path("core");
    let runtime = preloaded.map(Dist::runtime);
    let libraries: Vec<_> = runtime.iter().map(PathBuf::as_path).collect();
    let generate = format!("generate-core-file {}", core.display());
    let mut gdb = gdb(&libraries, None);
    for command in ["handle SIGUSR1 nostop noprint pass", "run", &generate, "kill"] {
        gdb = gdb.arguments(["-ex", command]);
    }
    gdb.arguments([program]).natively();
    let gdb = ["-nx", "-batch", "-iex", "set debuginfod enabled off", "-ex", "backtrace"];
    let ended = Program::new("gdb").arguments(gdb).arguments([program, &core]).natively();
    let is_told = |line: &&str| line.starts_with('#') || line.starts_with("Program terminated");
    let lines = ended.stdout.lines().filter(is_told).map(|line| match line.split_once(" in ") {
        Some((_, function)) => function.to_owned(),
        None => line.to_owned(),
    });
    lines.map(|line| line.split(" (").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_core_file_names_the_fault_of_the_program() {
    let dist = need!(Dist::find());
    need!(installed("gdb"));
    for (name, signal) in [("dies_by_null_call", "SIGSEGV"), ("dies_in_handler", "SIGSEGV")] {
        let program = need!(guest(name));
        let native = core(&program, None);
        assert!(native.len() > 2 && native[0].contains(signal), "{native:?}");
        // Below a handler there are frames of ours, as it returns through us.
        let ours = core(&program, Some(&dist));
        assert_eq!(ours[..2], native[..2]);
        let function = |line: &String| {
            let number = |c: char| c == '#' || c == ' ' || c.is_numeric();
            line.trim_start_matches(number).to_owned()
        };
        let mut frames = ours.iter().map(function);
        for frame in native.iter().map(function) {
            assert!(frames.any(|other| other == frame), "{frame} in {ours:#?}");
        }
    }
}

/// Runs what `script` says, in gdb's own language, on `tests/adversity/debugged.c`.
fn debug(script: &str, preloaded: &[&Path], rung: Option<&str>) -> Ended {
    let scratch = Scratch::new();
    let file = scratch.path("script");
    fs::write(&file, script).expect("a script");
    let program = guest("debugged").expect("built with the other guests");
    gdb(preloaded, rung)
        .arguments(["-x".as_ref(), file.as_os_str(), program.as_os_str()])
        .natively()
}

/// What a script printed after `SEEN `.
fn seen(ended: &Ended) -> Vec<&str> {
    let lines = ended.stdout.lines().filter_map(|line| line.split_once("SEEN "));
    lines.map(|(_, seen)| seen).collect()
}

#[test]
fn breakpoints_that_were_set_before_the_start_stay() {
    let dist = need!(Dist::find());
    need!(installed("gdb"));
    need!(guest("debugged"));
    // In the program and in its libc; text of both is patched. gdb writes them as soon as
    // the objects are mapped.
    let script = "set breakpoint pending on\nbreak main\nbreak make_call\nbreak _exit\n\
                  run\nset $n = 0\nwhile $n < 4\ncontinue\nset $n = $n + 1\nend\n\
                  info breakpoints\ncontinue\n";
    let hits = |ended: &Ended| -> Vec<String> {
        let hits = ended.stdout.lines().filter_map(|line| line.split_once(", "));
        let hits = hits.filter(|(what, _)| {
            what.strip_prefix("Breakpoint ").is_some_and(|number| number.parse::<f32>().is_ok())
        });
        // Addresses of libraries differ.
        let places = hits.map(|(_, place)| place.rsplit(" in ").next().unwrap_or_default());
        places.map(|place| place.split(" (").next().unwrap_or_default().to_owned()).collect()
    };
    let native = debug(script, &[], None);
    let ours = debug(script, &[&dist.runtime()], None);
    assert_eq!(hits(&native).len(), 5, "{native:?}");
    assert_eq!(hits(&ours), hits(&native), "{ours:?}");
}

/// From a breakpoint at the site's function to its caller, one instruction after another:
/// each of the program's that there is, and what comes out. Then breakpoints around the
/// site, on the calls that follow.
const STEPS: &str = "\
break main
run
break make_call
continue
set $rdi = 1
set $rsi = 2
set $rdx = 3
set $r10 = 4
set $r8 = 5
set $r9 = 6
set $eflags = 0x8d7
set $top = $rsp
set $n = 0
while $rsp <= $top && $n < 100
  stepi
  set $n = $n + 1
end
printf \"SEEN steps %d\\n\", $n < 100
printf \"SEEN %d, %d %d %d %d %d %d\\n\", $rax, $rdi, $rsi, $rdx, $r10, $r8, $r9
printf \"SEEN rcx %d, rsp %d\\n\", $rcx == (long)&make_call_after, $rsp - $top
printf \"SEEN flags %x, r11 %x\\n\", $eflags & 0xcd5, $r11 & 0xcd5
continue
printf \"SEEN entry %d\\n\", $pc == (long)&make_call
delete
tbreak printf
continue
printf \"SEEN printf\\n\"
continue
";

/// Breakpoints on the site and behind it, where no instruction has moved.
const STOPS: &str = "\
break main
run
break *make_call_site
break *make_call_after
continue
printf \"SEEN site %d, rax %d\\n\", $pc == (long)&make_call_site, $rax
continue
printf \"SEEN after %d, rax %d\\n\", $pc == (long)&make_call_after, $rax
continue
printf \"SEEN site %d, rax %d\\n\", $pc == (long)&make_call_site, $rax
delete
continue
";

#[test]
fn single_steps_and_breakpoints_pass_a_patched_site() {
    let dist = need!(Dist::find());
    need!(installed("gdb"));
    need!(guest("debugged"));
    let is_as_natively = |script, seen_natively: usize, rungs: &[&str]| -> Vec<Ended> {
        let native = debug(script, &[], None);
        assert_eq!(seen(&native).len(), seen_natively, "{native:?}");
        let ours = rungs.iter().map(|rung| debug(script, &[&dist.runtime()], Some(rung)));
        ours.inspect(|ours| assert_eq!(seen(ours), seen(&native), "{ours:?}")).collect()
    };
    for ours in is_as_natively(STEPS, 6, &["hole", "after", "before"]) {
        assert!(ours.stdout.contains("in interceptor_stub"), "{ours:?}");
    }
    is_as_natively(STOPS, 3, &["hole"]);
}

/// Looks at the whole stack at each instruction of a call. What gdb has no name for are
/// thunks, which are copies; after `pushfq` (9c) the stack is not where tables say.
const WALKS: &str = "\
import gdb
gdb.execute('break make_call')
gdb.execute('run')
total = 0
while gdb.newest_frame().name() != 'main':
    frame, names = gdb.newest_frame(), []
    pc, name = frame.pc(), frame.name()
    while frame is not None and len(names) < 40:
        names.append(frame.name())
        frame = frame.older()
    before = bytes(gdb.selected_inferior().read_memory(pc - 1, 1))
    if names[-1] != 'main' and name is not None and before != b'\\x9c':
        print('SEEN', hex(pc), names)
    total += 1
    gdb.execute('stepi', to_string=True)
print('SEEN', total >= 200)
";

#[test]
fn a_backtrace_leads_to_the_program_from_each_instruction_of_a_hook_and_around() {
    let dist = need!(Dist::find());
    need!(installed("gdb"));
    need!(guest("debugged"));
    let script = format!("python\n{WALKS}end\n");
    let runtime = dist.runtime();
    let (c, rust) = (need!(guest("libforward_all.so")), need!(guest("librust_forward.so")));
    for preloaded in [&[c.as_path(), &runtime][..], &[&rust]] {
        let ours = debug(&script, preloaded, None);
        assert_eq!(seen(&ours), ["True"], "{ours:?}");
    }
}

#[test]
fn strace_shows_the_calls_of_an_intercepted_program() {
    let dist = need!(Dist::find());
    need!(installed("strace"));
    let hook = need!(guest("libforward_all.so"));
    let script = "echo one; (echo two; exit 3); echo $?; kill -TERM $$";
    // What was printed, how it ended, and what strace has seen, without process ids.
    let run = |options: &[&str]| {
        let scratch = Scratch::new();
        let log = scratch.path("log");
        let calls = ["-f", "-qq", "-e", "trace=write,exit_group,kill", "-e", "signal=SIGTERM"];
        let strace =
            Program::new("strace").arguments(calls).arguments(["-o".as_ref(), log.as_os_str()]);
        let ended = strace.arguments(options).arguments(["sh", "-c", script]).natively();
        let log = fs::read_to_string(&log).expect("strace's log");
        let calls = log.lines().filter_map(|line| line.split_once(' ')).map(|(_, call)| call);
        // What we say of ourselves are calls, too.
        let calls = calls.filter(|call| !call.contains("interceptor: "));
        let is_digit = |letter: char| letter.is_ascii_digit();
        let is_no_id = |word: &&str| word.trim_end_matches(|letter| !is_digit(letter)).len() < 2;
        let calls = calls.map(|call| {
            call.split_inclusive(|letter| !is_digit(letter)).filter(is_no_id).collect::<String>()
        });
        (ended.clone(), calls.collect::<Vec<_>>())
    };
    let (native, seen) = run(&[]);
    assert_eq!(native.stdout, "one\ntwo\n3\n", "{native:?}");
    assert_eq!(native.status.signal(), Some(15), "{native:?}");
    assert!(seen.len() >= 5, "{seen:?}");
    let preload = format!("LD_PRELOAD={}:{}", hook.display(), dist.runtime().display());
    let (ours, seen_of_ours) = run(&["-E", &preload, "-E", "INTERCEPTOR_DEBUG_DUMP=1"]);
    assert!(ours.stderr.contains("interceptor: "), "{ours:?}");
    assert_eq!((&ours.stdout, ours.status), (&native.stdout, native.status), "{ours:?}");
    assert_eq!(seen_of_ours, seen);
}
