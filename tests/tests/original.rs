//! What was compiled and linked with the original libsyscall_intercept runs with ours, by
//! `LD_LIBRARY_PATH` alone: hooks and programs of ours, its examples, and its own tests.
//!
//! `cargo xtask test` builds the original; its own tests are told here what they are told by
//! its build files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use interceptor_tests::{
    Dist, Ended, Missing, Program, Scratch, Workshop, guests, installed, need,
};

/// The original, built, and ours.
struct Original {
    build: PathBuf,
    dist: Dist,
    scratch: Scratch,
}

impl Original {
    fn find() -> Result<Original, Missing> {
        let build = guests().join("../original/build");
        if !build.join("complete").is_file() {
            return Err(Missing("the original libsyscall_intercept: cargo xtask test".to_owned()));
        }
        Ok(Original { build, dist: Dist::find()?, scratch: Scratch::new() })
    }

    /// Something that its build has made.
    fn made(&self, name: &str) -> PathBuf {
        self.build.join(name)
    }

    /// Compiles a source of `tests/drop_in` with the original's header and library.
    fn compile(&self, source: &str, flags: &[&str]) -> Result<PathBuf, Missing> {
        let header = fs::read_to_string(self.made("source")).expect("where its source is");
        let product = self.scratch.path(source).with_extension("product");
        let built = Command::new(installed("cc")?)
            .args(["-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-I"])
            .arg(Path::new(&header).join("include"))
            .args(flags)
            .arg("-o")
            .args([&product, &Workshop::source(source)])
            .arg("-L")
            .arg(&self.build)
            .arg("-lsyscall_intercept")
            .status()
            .expect("a compiler");
        assert!(built.success(), "{source}");
        Ok(product)
    }

    /// Runs a program with our library in place of the original.
    fn with_ours(&self, program: &Program) -> Ended {
        program.clone().environment("LD_LIBRARY_PATH", self.dist.lib()).natively()
    }

    /// The same under a hook that was linked with the original.
    fn under(&self, hook: &Path, program: &Program) -> Ended {
        self.with_ours(&program.clone().environment("LD_PRELOAD", hook))
    }
}

#[test]
fn hooks_and_programs_linked_with_the_original_run_with_ours() {
    let original = need!(Original::find());
    let hook = need!(original.compile("answers.c", &["-shared", "-fPIC"]));
    let shell = Program::shell("echo $PPID");
    let with_original = shell.clone().environment("LD_LIBRARY_PATH", &original.build);
    let with_original = with_original.environment("LD_PRELOAD", &hook).natively();
    for ended in [with_original, original.under(&hook, &shell)] {
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("4711\n", ""), "{ended:?}");
    }
    for flags in [&["-fPIE", "-pie"][..], &["-fno-pie", "-no-pie"]] {
        let program = need!(original.compile("linked.c", flags));
        let ended = original.with_ours(&Program::new(program));
        assert_eq!(ended.stdout, "right 4711 right right\n", "{flags:?} {ended:?}");
    }
    let births = need!(original.compile("births.c", &[]));
    let ended = original.with_ours(&Program::new(births));
    assert!(ended.stdout.starts_with("threads: child 100, parent 100\n"), "{ended:?}");
    let executes = need!(original.compile("executes.c", &["-shared", "-fPIC"]));
    let script = Program::shell("ls / | sort | head -3; (exit 7)");
    assert_eq!(original.under(&executes, &script), script.natively());
}

#[test]
fn examples_of_the_original_run_with_ours() {
    let original = need!(Original::find());
    let file = original.scratch.file("file", 0o644, "It is a secret.\n");
    let cat = Program::new("/bin/cat").arguments([&file]);
    // Writes each i as a capital.
    let ended = original.under(&original.made("examples/libicap.so"), &cat);
    assert_eq!((ended.stdout.as_str(), ended.status.code()), ("It Is a secret.\n", Some(0)));
    // Allows some forks.
    let shell = Program::shell("echo a | cat; (exit 3)");
    let ended = original.under(&original.made("examples/libfork_ban.so"), &shell);
    assert_eq!((ended.stdout.as_str(), ended.status.code()), ("a\n", Some(3)), "{ended:?}");
    // Writes a line for each call to a file that it is told.
    let log = original.scratch.path("calls");
    let logged = cat.environment("SYSCALL_LOG_PATH", &log);
    let ended = original.under(&original.made("examples/libsyscall_logger.so"), &logged);
    assert_eq!((ended.stdout.as_str(), ended.status.code()), ("It is a secret.\n", Some(0)));
    let text = fs::read_to_string(log).expect("a log");
    assert!(text.contains("read(") && text.contains("exit_group(0"), "{text}");
}

#[test]
fn the_originals_own_tests_pass_with_ours() {
    let original = need!(Original::find());
    let test = |name: &str| original.made("test").join(name);
    let filter = Program::new(test("filter_test"));
    for (setting, said) in [
        (None, "hooked - allowed\n"),
        (Some("filter_test"), "hooked - allowed\n"),
        (Some("non_matching_filter"), "disallowed\n"),
        (Some("filter_testA"), "disallowed\n"),
        (Some("Afilter_test"), "disallowed\n"),
    ] {
        let program = match setting {
            Some(value) => filter.clone().environment("INTERCEPT_HOOK_CMDLINE_FILTER", value),
            None => filter.clone(),
        };
        assert_eq!(original.with_ours(&program).stdout, said, "{setting:?}");
    }

    let log = |name: &str| original.scratch.path(name);
    let all = |program: Program| program.environment("INTERCEPT_ALL_OBJS", "1");
    // It switches its log by magic writes, which its hook is not to see: that counts calls.
    let hooked =
        all(Program::new(test("hook_test")).arguments(["None".as_ref(), log("hook").as_os_str()]));
    for hook in ["libhook_test_preload_with_shared.so", "libhook_test_preload_with_static.so"] {
        let ended = original.under(&test(hook), &hooked);
        assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""), "{hook}");
        if hook.ends_with("shared.so") {
            let text = fs::read_to_string(log("hook")).expect("a log");
            let calls: Vec<&str> = text
                .lines()
                .filter_map(|line| line.split_once(" -- "))
                .map(|(_, call)| call)
                .collect();
            assert_eq!(calls.len(), 3, "{text}");
            assert!(calls[0].starts_with("write(8765, \"dummy_data\\0\", 11) = 5"), "{text}");
            assert!(calls[1].starts_with("write(8765, \"thin\", 4) = -1 EBADF"), "{text}");
        }
    }
    // Logs what a parent and its child do, each by its own.
    let input = original.scratch.file("input", 0o644, "/*\n text\n");
    let forks =
        all(Program::new(test("fork_logging")).arguments([&input, &log("one"), &log("two")]));
    for hook in [
        original.dist.lib().join("libsyscall_intercept.so.0"),
        test("libhook_test_clone_preload.so"),
    ] {
        let ended = original.under(&hook, &forks);
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        for (name, call) in [("one", "wait4("), ("two", "\"Done being busy here\\n\", 21) = 21")] {
            let text = fs::read_to_string(log(name)).expect("a log");
            assert!(
                text.contains(call) && text.contains("write(1, \"/*\\n\", 3) = 3"),
                "{name}: {text}"
            );
        }
    }
    let vforks = all(Program::new(test("vfork_logging")).arguments([log("v")]));
    let ended = original.under(&original.dist.lib().join("libsyscall_intercept.so.0"), &vforks);
    assert!(ended.stdout.contains("in_child_created_using_vfork"), "{ended:?}");
    let text = fs::read_to_string(log("v")).expect("a log");
    assert!(text.contains(" -- vfork() = "), "{text}");
    // Calls of libc's code only are shown.
    let hook = test("libintercept_sys_write.so");
    for program in ["executable_with_syscall_pie", "executable_with_syscall_no_pie"] {
        let program = Program::new(test(program)).arguments(["original_syscall"]);
        let ended = original.under(&hook, &program);
        assert!(ended.stdout.starts_with("original_syscall"), "{ended:?}");
    }
}
