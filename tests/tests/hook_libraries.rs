//! How hook libraries are compiled and loaded, and what becomes of those that cannot be.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use interceptor_tests::{Dist, Ended, Missing, Program, Scratch, guest, installed, need};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs a program with a hook library.
fn under(dist: &Dist, hook: &Path, program: &Program) -> Ended {
    program.under(dist, &["run".as_ref(), "--hook".as_ref(), hook.as_os_str()])
}

/// The words of a text that begin like names of ours.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_ours =
        |word: &&str| word.starts_with("interceptor_") || word.starts_with("INTERCEPTOR_");
    words.filter(is_ours).collect()
}

#[test]
fn every_declaration_is_used_by_a_hook_in_c_in_cxx_and_in_rust() {
    let read = |path: &str| fs::read_to_string(root().join(path)).expect(path);
    let header = read("include/interceptor.h");
    // Without comments, which name others' names.
    let mut code = String::new();
    for (index, part) in header.split("/*").enumerate() {
        code += if index == 0 { part } else { part.split_once("*/").expect("an end").1 };
    }
    let (in_c, in_rust) =
        (read("tests/hooks/declarations.c"), read("tests/hooks/declarations_rs.rs"));
    let unused: Vec<_> = names(&code).difference(&names(&in_c)).copied().collect();
    assert_eq!(unused, ["INTERCEPTOR_H"], "C and C++");
    let symbols = read("xtask/symbols.txt");
    let unused: Vec<_> = names(&symbols).difference(&names(&in_rust)).copied().collect();
    assert_eq!(unused, ["INTERCEPTOR_0"], "Rust");

    let dist = need!(Dist::find());
    for library in ["libdeclarations.so", "libdeclarations_cxx.so"] {
        let ended = under(&dist, &need!(guest(library)), &Program::new("/bin/true"));
        assert_eq!((ended.stdout.as_str(), ended.status.code()), ("ok\n", Some(0)), "{ended:?}");
        assert_eq!(ended.stderr, "");
    }
    let ended = under(&dist, &need!(guest("libdeclarations_rs.so")), &Program::new("/bin/true"));
    assert_eq!((ended.stdout.as_str(), ended.status.code()), ("ok\n", Some(0)), "{ended:?}");
}

#[test]
fn a_hook_of_the_interceptor_before_this_one_works_unchanged() {
    let dist = need!(Dist::find());
    let hook = need!(guest("liboriginal.so"));
    let scratch = Scratch::new();
    let script = "echo $PPID; kill -USR1 $$; echo alive; (exit 3); echo $?; (sleep 0.1; exit 4); \
                  echo $?; mkdir d";
    let program = Program::new(need!(installed("bash"))).arguments(["-c", script]);
    let ended = under(&dist, &hook, &program.directory(&scratch));
    assert_eq!(ended.stdout, "4711\nalive\n3\n4\n", "{ended:?}");
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("Read-only file system"), "{ended:?}");
    assert!(ended.stderr.contains("monitor of the first, thread 1"), "{ended:?}");
    assert!(!scratch.path("d").exists());
}

#[test]
fn a_hook_in_the_style_of_the_published_documentation_compiles_and_works() {
    let dist = need!(Dist::find());
    let hook = need!(guest("libpublished.so"));
    let script = "cd /nowhere; kill -USR1 $$; (exit 3); echo $?";
    let bash = Program::new(need!(installed("bash"))).arguments(["-c", script]);
    let trapped = Program::new(need!(installed("bash")))
        .arguments(["-c", &format!("trap 'echo usr1' USR1; {script}")]);
    let python = Program::new(need!(installed("python3"))).arguments([
        "-Sc",
        "import os, threading\n\
         threads = [threading.Thread(target=os.write, args=(1, b'x')) for _ in range(9)]\n\
         [thread.start() for thread in threads]; [thread.join() for thread in threads]",
    ]);
    for program in [bash, trapped, python, Program::new("/bin/ls").arguments(["/"])] {
        let native = program.natively();
        for (level, least) in [("3", 0), ("4", 0), ("7", 20)] {
            let ended = under(&dist, &hook, &program.clone().environment("LOG_LVL", level));
            assert_eq!((&ended.stdout, ended.status), (&native.stdout, native.status), "{ended:?}");
            assert!(ended.stderr.lines().count() >= least, "{ended:?}");
            if native.stdout.starts_with("usr1") {
                let is_said = |text: &str| ended.stderr.lines().any(|line| line.contains(text));
                assert!(is_said("chdir(") && is_said("ENOENT (No such file or directory)"));
                assert_eq!(is_said("SIGUSR1"), level != "3", "{ended:?}");
                assert_eq!(is_said("threads of"), level == "7", "{ended:?}");
                assert_eq!(is_said("exit_group(") || is_said("close("), level == "7", "{ended:?}");
            }
        }
    }
}

#[test]
fn a_process_that_is_left_alone_runs_and_its_hook_is_told() {
    let dist = need!(Dist::find());
    let hook = need!(guest("liballowed.so"));
    let list = format!("{}:{}", hook.display(), dist.runtime().display());
    let program = Program::shell("echo $0").environment("LD_PRELOAD", list);
    for (name, value, said) in [
        ("INTERCEPTOR", "off", "not allowed"),
        ("INTERCEPTOR_CMDLINE_FILTER", "other", "not allowed"),
        ("INTERCEPTOR_CMDLINE_FILTER", "sh", "allowed"),
    ] {
        let ended = program.clone().environment(name, value).natively();
        assert_eq!(ended.stdout.lines().next(), Some(said), "{name}={value} {ended:?}");
        assert_eq!((ended.stdout.lines().count(), ended.status.code()), (2, Some(0)), "{ended:?}");
        assert_eq!(ended.stderr, "");
    }
}

/// A hook that answers one call with a number.
fn answering(call: &str, answer: u32) -> String {
    format!(
        "#include <interceptor.h>\n\
         static int enter(struct interceptor_call *call, void *data) {{\n\
             call->result += {answer} + (data != 0);\n\
             return INTERCEPTOR_ANSWER;\n\
         }}\n\
         __attribute__((constructor)) static void start(void) {{\n\
             struct interceptor_hook hook = {{.size = sizeof hook, .calls = \"{call}\", .enter = enter}};\n\
             interceptor_register(&hook);\n\
         }}\n"
    )
}

/// Compiles a library.
fn library(
    dist: &Dist,
    scratch: &Scratch,
    name: &str,
    source: &str,
    flags: &[&OsStr],
) -> Result<PathBuf, Missing> {
    let source = scratch.file(&format!("{name}.c"), 0o644, source);
    let product = scratch.path(&format!("{name}.so"));
    let built = Command::new(installed("cc")?)
        .args(["-shared", "-fPIC", "-I"])
        .arg(dist.include())
        .args(["-o".as_ref(), product.as_os_str(), source.as_os_str()])
        .args(flags)
        .status()
        .expect("a compiler");
    assert!(built.success());
    Ok(product)
}

#[test]
fn a_hook_that_registers_before_the_runtime_has_started_is_refused_with_one_line() {
    let dist = need!(Dist::find());
    let musl = Program::new(need!(guest("args6.musl")));
    let scratch = Scratch::new();
    let hook = need!(library(&dist, &scratch, "early", &answering("getuid", 4711), &[]));
    let native = musl.natively();
    let ended = under(&dist, &hook, &musl);
    assert_eq!((&ended.stdout, ended.status), (&native.stdout, native.status), "{ended:?}");
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert!(matches!(lines[..], [said] if said.contains("has to stand behind")), "{ended:?}");
    let list = format!("{}:{}", dist.runtime().display(), hook.display());
    assert_eq!(musl.environment("LD_PRELOAD", list).natively(), native);
}

/// The options that link a library with ours.
fn linked(directory: &Path) -> [std::ffi::OsString; 3] {
    let option = |option: &str| [option.as_ref(), directory.as_os_str()].concat_os();
    [option("-L"), option("-Wl,-rpath,"), "-linterceptor".into()]
}

trait ConcatOs {
    fn concat_os(&self) -> std::ffi::OsString;
}

impl ConcatOs for [&OsStr; 2] {
    fn concat_os(&self) -> std::ffi::OsString {
        let mut whole = self[0].to_owned();
        whole.push(self[1]);
        whole
    }
}

#[test]
fn hooks_are_preloaded_alone_by_the_command_and_two_at_once() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let directory = dist.runtime().parent().expect("a directory").to_path_buf();
    let options = linked(&directory);
    let options: Vec<&OsStr> = options.iter().map(AsRef::as_ref).collect();
    let build =
        |name, call, answer| library(&dist, &scratch, name, &answering(call, answer), &options);
    let first = need!(build("first", "getuid", 4711));
    let second = need!(build("second", "getppid", 815));
    let program = Program::new("/bin/sh").arguments(["-c", "echo $PPID; id -ru"]);
    let native = program.natively();
    let preloaded = |list: String| program.clone().environment("LD_PRELOAD", list).natively();
    let ended = preloaded(first.display().to_string());
    let parent = native.stdout.lines().next().expect("a line").len();
    assert!(ended.stdout.lines().next().is_some_and(|line| line.len().abs_diff(parent) < 3));
    assert_eq!(ended.stdout.lines().nth(1), Some("4711"), "{ended:?}");
    let ended = preloaded(format!("{}:{}", first.display(), second.display()));
    assert_eq!(ended.stdout, "815\n4711\n", "{ended:?}");
    let options = ["run".as_ref(), "--hook".as_ref(), second.as_os_str(), "--hook".as_ref()];
    let ended = program.under(&dist, &[&options[..], &[first.as_os_str()]].concat());
    assert_eq!(ended.stdout, "815\n4711\n", "{ended:?}");
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_library_that_is_missing_from_the_preload_list_is_said_and_the_program_runs() {
    let dist = need!(Dist::find());
    let list = format!("/nowhere/libhook.so:{}", dist.runtime().display());
    let ended = Program::shell("echo runs").environment("LD_PRELOAD", list).natively();
    assert_eq!((ended.stdout.as_str(), ended.status.code()), ("runs\n", Some(0)));
    assert!(ended.stderr.contains("/nowhere/libhook.so"), "{ended:?}");
}

#[test]
fn a_library_that_needs_what_ours_lacks_is_not_run() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    // Of another version of the interface.
    fs::create_dir(scratch.path("other")).expect("a directory");
    let map = scratch.file("map", 0o644, "INTERCEPTOR_9 { global: *; };\n");
    let script = format!("-Wl,--version-script={}", map.display());
    let flags = [script.as_ref(), "-Wl,-soname,libinterceptor.so".as_ref()];
    let other = "int interceptor_register(const void *hook) { return hook != 0; }\n";
    let other = need!(library(&dist, &scratch, "other/libinterceptor", other, &flags));
    let options =
        ["-L".as_ref(), other.parent().expect("a directory").as_os_str(), "-linterceptor".as_ref()];
    let version = need!(library(&dist, &scratch, "version", &answering("getuid", 1), &options));
    // And a function of the future.
    let source = "extern int interceptor_of_the_future(void);\n\
                  __attribute__((constructor)) static void start(void) { interceptor_of_the_future(); }\n";
    let lazy = need!(library(&dist, &scratch, "lazy", source, &[]));
    let now = need!(library(&dist, &scratch, "now", source, &["-Wl,-z,now".as_ref()]));
    for (library, missing) in [
        (version, "INTERCEPTOR_9"),
        (lazy, "interceptor_of_the_future"),
        (now, "interceptor_of_the_future"),
    ] {
        // The command says so before anything runs; else the dynamic linker does.
        let program = Program::shell("echo runs");
        let ended = under(&dist, &library, &program);
        assert_eq!((ended.stdout.as_str(), ended.status.code()), ("", Some(2)), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        assert!(ended.stderr.contains(&format!(": needs {missing}, which ")), "{ended:?}");
        let list = format!("{}:{}", library.display(), dist.runtime().display());
        let ended = program.environment("LD_PRELOAD", list).natively();
        assert_eq!(ended.stdout, "", "{ended:?}");
        assert!(matches!(ended.status.code(), Some(1 | 127)), "{ended:?}");
        assert!(ended.stderr.contains(missing), "{ended:?}");
    }
    // What another hook library has is there.
    let other = "int interceptor_of_the_future(void) { return 0; }\n";
    let other = need!(library(&dist, &scratch, "future", other, &[]));
    let lazy = scratch.path("lazy.so");
    let options = ["run", "--hook"].map(AsRef::as_ref);
    let hooks = [lazy.as_os_str(), "--hook".as_ref(), other.as_os_str()];
    let ended = Program::shell("echo runs").under(&dist, &[&options[..], &hooks].concat());
    assert_eq!(ended.stdout, "runs\n", "{ended:?}");
}
