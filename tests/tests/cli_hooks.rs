//! Hook libraries on the command line.

use std::path::PathBuf;
use std::process::Command;

use interceptor_tests::{Dist, Missing, Program, Scratch, installed, need};

fn hook_library(scratch: &Scratch, name: &str) -> Result<PathBuf, Missing> {
    let compiler = installed("cc")?;
    let source = scratch.file("hook.c", 0o644, "int interceptor_test_hook;\n");
    let library = scratch.path(name);
    let built = Command::new(compiler)
        .args(["-shared", "-fPIC", "-nostdlib", "-o"])
        .args([&library, &source])
        .status();
    match built {
        Ok(status) if status.success() => Ok(library),
        _ => Err(Missing("a C compiler that makes libraries".to_owned())),
    }
}

#[test]
fn hooks_are_preloaded_in_order_before_the_runtime_and_earlier_entries() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let first = need!(hook_library(&scratch, "first.so"));
    let second = need!(hook_library(&scratch, "second.so"));
    let earlier = need!(hook_library(&scratch, "earlier.so"));
    let ended = Program::shell("echo $LD_PRELOAD")
        .environment("LD_PRELOAD", &earlier)
        .directory(&scratch)
        .under(&dist, &["run", "--hook", "first.so", "--hook", "./second.so"]);
    let names: Vec<PathBuf> = ended.stdout.trim().split(':').map(PathBuf::from).collect();
    let real = |path: PathBuf| path.canonicalize().expect("a file");
    let names: Vec<PathBuf> = names.into_iter().map(real).collect();
    let expected = [first, second, dist.runtime(), earlier].map(real);
    assert_eq!(names, expected, "{ended:?}");
}

#[test]
fn a_hook_that_cannot_be_loaded_is_refused_before_the_program_runs() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let text = scratch.file("text.so", 0o644, "not a library, though long enough for one");
    let spaced = need!(hook_library(&scratch, "a b.so"));
    for (hook, cause) in [
        (scratch.path("missing.so"), "No such file"),
        (text, "not a shared library"),
        (spaced, "space"),
    ] {
        let hook = hook.to_str().expect("a name in UTF-8");
        for command in ["run", "trace", "stat"] {
            let ended = Program::new("/bin/echo").under(&dist, &[command, "--hook", hook]);
            assert_eq!(ended.status.code(), Some(2), "{ended:?}");
            assert_eq!(ended.stdout, "");
            assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
            assert!(ended.stderr.contains(cause), "{ended:?}");
        }
    }
}

#[test]
fn a_hook_that_exports_nothing_is_noticed() {
    let dist = need!(Dist::find());
    let compiler = need!(installed("cc"));
    let scratch = Scratch::new();
    let source = scratch.file(
        "hook.c",
        0o644,
        "#include <interceptor.h>\n\
         static long hook(long nr, long a, long b, long c, long d, long e, long f, int *forward) {\n\
             (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;\n\
             *forward = nr != 110;\n\
             return 4711;\n\
         }\n\
         __attribute__((constructor)) static void start(void) { interceptor_syscall_hook = hook; }\n",
    );
    for style in ["gnu", "sysv", "both"] {
        let library = scratch.path(&format!("{style}.so"));
        let built = Command::new(&compiler)
            .args(["-shared", "-fPIC", "-nostdlib", &format!("-Wl,--hash-style={style}"), "-I"])
            .arg(dist.include())
            .arg("-o")
            .args([&library, &source])
            .status()
            .expect("a compiler");
        assert!(built.success());
        // getppid, which the shell asks for once.
        let options = ["run".as_ref(), "--hook".as_ref(), library.as_os_str()];
        let ended = Program::shell("echo $PPID").under(&dist, &options);
        assert_eq!(ended.stdout, "4711\n", "{style}: {ended:?}");
    }
}
