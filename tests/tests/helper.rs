//! `x86linux/helper.h`: locks, rings, sets, waiting and the logger, in C and C++.
//!
//! Sources are in `tests/helper`, one program for each kind.

use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use interceptor_tests::{Dist, Ended, Missing, Program, Scratch, installed, need};

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("helper").join(name)
}

/// What makes the compilers take a source as their own.
const LANGUAGES: [&[&str]; 2] = [&["-std=gnu11"], &["-std=gnu++17", "-x", "c++"]];

/// A program of this directory, in both languages.
struct Built {
    dist: Dist,
    scratch: Scratch,
    programs: Vec<PathBuf>,
}

/// Programs that were built already, by name.
static BUILT: Mutex<BTreeMap<&str, Arc<Built>>> = Mutex::new(BTreeMap::new());

impl Built {
    /// Builds it for the first test that wants it.
    fn get(name: &'static str) -> Result<Arc<Built>, Missing> {
        let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = built.get(name) {
            return Ok(program.clone());
        }
        let program = Arc::new(Built::new(name)?);
        built.insert(name, program.clone());
        Ok(program)
    }

    fn new(name: &str) -> Result<Built, Missing> {
        let compilers = [installed("cc")?, installed("c++")?];
        let (dist, scratch) = (Dist::find()?, Scratch::new());
        let mut programs = Vec::new();
        for (compiler, language) in compilers.iter().zip(LANGUAGES) {
            let program = scratch.path(&format!("{name}.{}", language[0]));
            let built = Command::new(compiler)
                .args(["-O2", "-fno-omit-frame-pointer", "-Wall", "-Wextra", "-Werror", "-pthread"])
                .args(language)
                .arg(format!("-DX86LINUX_LOG_SOCKET=\"{}\"", scratch.path("socket").display()))
                .arg("-I")
                .arg(dist.include())
                .arg(source(&format!("{name}.c")))
                .args(["-x", "none", "-lm", "-o"])
                .arg(&program)
                .status()
                .expect("a compiler");
            assert!(built.success(), "{name}.c as {}", language[0]);
            programs.push(program);
        }
        Ok(Built { dist, scratch, programs })
    }
}

fn assert_ok(ended: &Ended) {
    assert_eq!((ended.stdout.as_str(), ended.status.code()), ("ok\n", Some(0)), "{ended:?}");
}

#[test]
fn locks_exclude_in_order_with_signals_and_dying_holders() {
    let built = need!(Built::get("locks"));
    for program in &built.programs {
        assert_ok(&Program::new(program).natively());
        assert_ok(&Program::new(program).under(&built.dist, &["stat", "-o", "/dev/null"]));
    }
}

#[test]
fn rings_sets_and_waits_do_what_they_say() {
    let built = need!(Built::get("data"));
    for program in &built.programs {
        assert_ok(&Program::new(program).natively());
    }
}

#[test]
fn the_names_of_libx86linuxextra_mean_the_same() {
    let built = need!(Built::get("names"));
    for program in &built.programs {
        assert_ok(&Program::new(program).natively());
        assert_ok(&Program::new(program).under(&built.dist, &["stat", "-o", "/dev/null"]));
    }
}

/// Compiles a text that includes headers, in a language, without a warning.
fn compiles(dist: &Dist, compiler: &Path, language: &[&str], text: &str) {
    let scratch = Scratch::new();
    let source = scratch.file("source", 0o644, text);
    let built = Command::new(compiler)
        .args(language)
        .args(["-O2", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"])
        .arg(dist.include())
        .arg(&source)
        .output()
        .expect("a compiler");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{compiler:?} {language:?} {text} {said}");
}

/// Names that a header declares: macros, and functions whose line says so.
fn declared(header: &str) -> Vec<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let of_line = |line: &str| {
        let function = || {
            let before = line.split_once('(').map_or("", |(before, _)| before);
            let name = before.rsplit(|c| !is_word(c)).next().unwrap_or("");
            (line.starts_with("static inline") && !name.is_empty()).then(|| name.to_owned())
        };
        let define =
            line.strip_prefix("#define ").and_then(|rest| rest.split(|c| !is_word(c)).next());
        define.map(str::to_owned).or_else(function)
    };
    header.lines().filter_map(of_line).collect()
}

#[test]
fn every_name_of_the_headers_is_used_in_c_and_cxx() {
    let dist = need!(Dist::find());
    let sources = ["check.h", "data.c", "locks.c", "logging_hook.c", "logs.c", "names.c"];
    let text: String = sources
        .iter()
        .map(|name| std::fs::read_to_string(source(name)).expect("a source"))
        .collect();
    let used: std::collections::BTreeSet<&str> =
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let mut count = 0;
    for header in std::fs::read_dir(dist.include().join("x86linux")).expect("headers") {
        let path = header.expect("a header").path();
        let text = std::fs::read_to_string(&path).expect("a header");
        for name in declared(&text) {
            // Ours alone, a guard, or what older headers of the kernel lack.
            let is_private =
                ["x86linux_", "X86LINUX_", "FUTEX_"].iter().any(|prefix| name.starts_with(prefix));
            count += usize::from(!is_private);
            assert!(is_private || used.contains(name.as_str()), "{name} of {}", path.display());
        }
    }
    assert!(count > 120, "{count}");
}

#[test]
fn headers_go_together_in_any_order() {
    let dist = need!(Dist::find());
    let headers = ["x86linux/helper.h", "interceptor.h", "libsyscall_intercept_hook_point.h"];
    let include = |header: &str| format!("#include <{header}>\n");
    let all = headers.map(include).concat();
    let texts = [
        all.clone(),
        headers.iter().rev().map(|header| include(header)).collect(),
        "#define X86LINUX_NO_SHORT_NAMES\n".to_owned() + &all,
        "#undef _GNU_SOURCE\n#define _GNU_SOURCE\n".to_owned() + &all,
        "#define INTERCEPT_HOOK_POINT_THREAD_LOCAL\n".to_owned() + &all,
    ];
    for (compiler, language) in [
        ("cc", &["-x", "c", "-std=c11", "-pedantic"][..]),
        ("cc", &["-x", "c", "-std=gnu11"]),
        ("c++", &["-x", "c++", "-std=c++17"]),
    ] {
        let compiler = need!(installed(compiler));
        for text in &texts {
            compiles(&dist, &compiler, language, text);
        }
    }
}

#[test]
fn nothing_is_measured_before_it_is_asked_for() {
    let built = need!(Built::get("logs"));
    let strace = need!(installed("strace"));
    let log = built.scratch.path("strace");
    for program in &built.programs {
        let traced = Program::new(&strace)
            .arguments(["-o".as_ref(), log.as_os_str(), program.as_os_str(), "none".as_ref()])
            .natively();
        assert_eq!(traced.status.code(), Some(0), "{traced:?}");
        let calls = std::fs::read_to_string(&log).expect("a trace");
        for call in ["nanosleep", "clock_gettime", "perf_event_open"] {
            assert!(!calls.contains(call), "{calls}");
        }
    }
}

#[test]
fn instructions_that_rest_are_the_processors() {
    let built = need!(Built::get("data"));
    let objdump = need!(installed("objdump"));
    let code = Program::new(objdump)
        .arguments(["-d".as_ref(), "--no-show-raw-insn".as_ref(), built.programs[0].as_os_str()])
        .natively()
        .stdout;
    for instruction in ["tpause %ecx", "umwait %ecx", "umonitor %rax"] {
        let squeezed = code.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed.contains(instruction), "there is no {instruction}");
    }
}

/// What a scenario of `logs.c` writes to standard error, in both languages; ids and
/// addresses are taken out.
fn log(scenario: &str, environment: &[(&str, &str)]) -> Result<Vec<Ended>, Missing> {
    let built = Built::get("logs")?;
    let run = |program: &PathBuf| {
        let mut program = Program::new(program).arguments([scenario]);
        for (name, value) in environment {
            program = program.environment(name, value);
        }
        program.natively()
    };
    Ok(built.programs.iter().map(run).collect())
}

/// Lines without the thread's id and the number of the line in the source.
fn stripped(text: &str) -> Vec<String> {
    let strip = |line: &str| {
        let (_, rest) = line.split_once("] ").expect("an id");
        let mut parts = rest.splitn(4, ':').map(str::trim);
        let (level, file) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        let _line = parts.next();
        format!("{level} {file} {}", parts.next().unwrap_or(""))
    };
    text.lines().map(strip).collect()
}

#[test]
fn lines_have_identity_level_place_and_message() {
    for ended in need!(log("levels", &[("X86LINUX_LOG_LVL", "info")])) {
        let names = ["emerg", "alert", "crit", "err", "warning", "notice", "info"];
        let expected: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(level, name)| format!("{name} logs.c level {level}"))
            .collect();
        assert_eq!(stripped(&ended.stderr), expected);
        assert!(ended.stderr.starts_with("logs."), "{ended:?}");
    }
}

#[test]
fn the_environment_sets_the_level() {
    for (value, lines) in
        [("err", 4), ("0", 1), ("7", 8), ("debug", 8), ("nonsense", 0), ("9", 0), ("", 0)]
    {
        for ended in need!(log("levels", &[("X86LINUX_LOG_LVL", value)])) {
            assert_eq!(ended.stderr.lines().count(), lines, "{value:?} {ended:?}");
        }
    }
    for ended in need!(log("levels", &[])) {
        assert_eq!(ended.stderr, "", "nothing is logged before it is asked for");
    }
}

/// Standard error of a program that was compiled with NDEBUG, or not.
fn traces(is_debug: bool) -> Result<String, Missing> {
    let (dist, scratch) = (Dist::find()?, Scratch::new());
    let program = scratch.path("logs");
    let built = Command::new(installed("cc")?)
        .args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-I"])
        .arg(dist.include())
        .arg(if is_debug { "-UNDEBUG" } else { "-DNDEBUG" })
        .arg(source("logs.c"))
        .args(["-lm", "-o"])
        .arg(&program)
        .status()
        .expect("a compiler");
    assert!(built.success());
    Ok(Program::new(program).arguments(["traces"]).natively().stderr)
}

#[test]
fn traces_are_logs_unless_ndebug_is_defined() {
    assert_eq!(need!(traces(false)), "");
    let traced = need!(traces(true));
    let lines = stripped(&traced);
    let expected = [
        "info logs.c traced 1",
        "err logs.c perror: ENOENT",
        "err logs.c errno == 0: ENOENT",
        "err logs.c EINVAL: EINVAL",
        "err logs.c close(-1): EBADF",
        "debug logs.c twice(2, 3) = 7",
        "warning logs.c vtrace",
    ];
    assert_eq!(lines[..expected.len()], expected, "{traced}");
    assert!(traced.lines().nth(expected.len()).is_some_and(|line| line.contains("#0 0x")));
}

#[test]
fn errors_have_names() {
    for ended in need!(log("errors", &[])) {
        let lines = stripped(&ended.stderr);
        let expected = [
            "err logs.c open %s: ENOENT",
            "err logs.c ENOENT",
            "err logs.c count == 0: ENOENT",
            "err logs.c -EACCES: EACCES",
            "err logs.c 4000: error 4000",
            "err logs.c close(-1): EBADF",
            "info logs.c twice(2, 3) = 7",
            "warning logs.c own function EAGAIN",
            "info logs.c (null)",
        ];
        assert_eq!(lines, expected, "{ended:?}");
        assert_eq!(ended.status.code(), Some(0));
    }
}

#[test]
fn formats_are_libcs() {
    for ended in need!(log("formats", &[])) {
        assert_ok(&ended);
    }
}

#[test]
fn the_log_can_be_switched() {
    for ended in need!(log("switches", &[])) {
        let expected = ["err logs.c shown", "notice logs.c at 1", "info elsewhere.c vlog_at 2"];
        assert_eq!(stripped(&ended.stderr), expected, "{ended:?}");
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    }
}

#[test]
fn long_lines_are_cut() {
    for ended in need!(log("long", &[])) {
        assert_eq!(ended.stderr.lines().count(), 1);
        assert!((1000..=1024).contains(&ended.stderr.len()) && ended.stderr.ends_with("xx\n"));
    }
}

#[test]
fn what_does_not_hold_ends_the_process() {
    for (scenario, first, output) in [
        ("verify", "crit logs.c count == 3 does not hold", "evaluated\n"),
        ("verify_errno", "crit logs.c EPERM: EPERM", ""),
        ("verify_error", "crit logs.c close(-1): EBADF", ""),
        ("abort", "crit logs.c aborted", ""),
    ] {
        for ended in need!(log(scenario, &[])) {
            assert_eq!(ended.status.signal(), Some(6), "{ended:?}");
            assert_eq!(stripped(&ended.stderr)[0], first);
            assert!(ended.stderr.contains("  #0 0x"), "{ended:?}");
            // The output is in libc's buffer when the process ends.
            assert!(output.starts_with(&ended.stdout), "{ended:?}");
        }
    }
}

#[test]
fn callers_are_named_by_object_and_address() {
    let built = need!(Built::get("logs"));
    let addr2line = need!(installed("addr2line"));
    let ended = Program::new(&built.programs[0]).arguments(["backtrace"]).natively();
    let functions: Vec<String> = ended
        .stderr
        .lines()
        .take(3)
        .map(|line| {
            let (_, address) = line.rsplit_once('+').expect("an address in the file");
            let found = Program::new(&addr2line)
                .arguments(["-f", "-e"])
                .arguments([built.programs[0].as_os_str(), address.as_ref()])
                .natively();
            found.stdout.lines().next().unwrap_or("").to_owned()
        })
        .collect();
    assert_eq!(functions, ["innermost", "outer", "main"], "{ended:?}");
}

#[test]
fn lines_of_threads_and_handlers_do_not_mix() {
    for ended in need!(log("threads", &[])) {
        assert_eq!(ended.stderr.lines().count(), 4 * 2000);
        let mut different = stripped(&ended.stderr);
        different.sort();
        different.dedup();
        assert_eq!(different.len(), 1, "{different:?}");
    }
    for ended in need!(log("handlers", &[])) {
        let lines = stripped(&ended.stderr);
        let of_main = lines.iter().filter(|line| line.starts_with("info logs.c main ")).count();
        let of_handler = lines.iter().filter(|line| *line == "notice logs.c handler of 14").count();
        assert_eq!((of_main, of_main + of_handler), (3000, lines.len()));
        assert!(of_handler > 0);
    }
}

#[test]
fn writers_that_are_killed_and_readers_that_are_gone_do_no_harm() {
    for scenario in ["killed", "broken"] {
        for ended in need!(log(scenario, &[])) {
            assert_ok(&ended);
        }
    }
}

#[test]
fn syslog_gets_priority_identity_and_message() {
    let built = need!(Built::get("logs"));
    for program in &built.programs {
        let path = built.scratch.path("socket");
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        let ended = Program::new(program).arguments(["syslog"]).natively();
        assert_eq!(ended.stdout, "0\n");
        assert_eq!(stripped(&ended.stderr), ["err logs.c to both"]);
        // local3.warning under its own name; user.err under the program's
        for (priority, text) in [("<156>named[", "to syslog"), ("<11>logs.", "to both")] {
            let mut bytes = [0; 2048];
            let count = socket.recv(&mut bytes).expect("a message");
            let message = String::from_utf8_lossy(&bytes[..count]);
            assert!(message.starts_with(priority) && message.ends_with(text), "{message}");
        }
        drop(socket);
        // Nobody listens: lost, and counted.
        let ended = Program::new(program).arguments(["syslog"]).natively();
        assert_eq!(ended.stdout, "2\n");
    }
}

#[test]
fn vector_free_hooks_may_use_all_of_it() {
    let dist = need!(Dist::find());
    let (compiler, objdump) = (need!(installed("cc")), need!(installed("objdump")));
    let scratch = Scratch::new();
    let source = scratch.file(
        "hook.c",
        0o644,
        "#include <x86linux/helper.h>\n\
         static struct ticket_lock ticket;\n\
         static struct pi_lock pi;\n\
         static uint64_t set[4];\n\
         int hook(int number, struct spsc_ring *ring)\n\
         {\n\
             ticket_lock_lock(&ticket);\n\
             log_verify(pi_lock_lock(&pi) == 0);\n\
             log(LOG_INFO, \"number %5d\", number);\n\
             tsc_wait(tsc_from_ns(10));\n\
             pi_lock_unlock(&pi);\n\
             ticket_lock_unlock(&ticket);\n\
             return spsc_ring_push(ring, &number) && bitset_add_atomic(set, (size_t)number);\n\
         }\n",
    );
    let object = scratch.path("hook.o");
    let built = Command::new(compiler)
        .args(["-std=c11", "-O3", "-Wall", "-Wextra", "-Werror", "-fPIC", "-mgeneral-regs-only"])
        .args(["-c", "-I"])
        .arg(dist.include())
        .arg(&source)
        .arg("-o")
        .arg(&object)
        .status()
        .expect("a compiler");
    assert!(built.success());
    let code = Program::new(objdump).arguments(["-d".as_ref(), object.as_os_str()]).natively();
    assert!(code.stdout.contains("syscall"), "{code:?}");
    for register in ["%xmm", "%ymm", "%zmm", "%mm", "%st"] {
        assert!(!code.stdout.contains(register), "{register} is used");
    }
}

#[test]
fn a_hook_may_log_and_lock() {
    let built = need!(Built::get("logs"));
    let hook = built.scratch.path("hook.so");
    let status = Command::new(need!(installed("cc")))
        .args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-I"])
        .arg(built.dist.include())
        .arg(source("logging_hook.c"))
        .arg("-o")
        .arg(&hook)
        .status()
        .expect("a compiler");
    assert!(status.success());
    let file = built.scratch.file("file", 0o644, "content\n");
    let options = ["run".as_ref(), "--hook".as_ref(), hook.as_os_str()];
    let shell = Program::shell(&format!("cat {}; exit 3", file.display()));
    let ended = shell.under(&built.dist, &options);
    assert_eq!((ended.stdout.as_str(), ended.status.code()), ("content\n", Some(3)));
    let opened = format!("logging_hook.c:17: open {}\n", file.display());
    assert!(ended.stderr.contains(&opened), "{ended:?}");
    assert!(ended.stderr.ends_with("notice: logging_hook.c:19: many calls\n"), "{ended:?}");
    // In the program's own threads and handlers, which log and lock as well.
    for scenario in ["threads", "handlers"] {
        let program = Program::new(&built.programs[0]).arguments([scenario]);
        let ended = program.under(&built.dist, &options);
        assert_eq!(ended.status.code(), Some(0));
        let lines = ended.stderr.lines().filter(|line| line.starts_with("logs.")).count();
        assert!(lines >= 3000, "{lines}");
    }
}
