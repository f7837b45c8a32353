//! The examples work, and are what the README shows.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use interceptor_tests::{Dist, Ended, Missing, Program, Scratch, guest, installed, need};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect(path)
}

/// Without the comment that says what a file is.
fn body(source: &str) -> String {
    let lines = source.lines().filter(|line| !line.starts_with("//!"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_readme_shows_the_examples() {
    let readme = read("README.md");
    for (example, text) in [
        ("examples/deny.c", read("examples/deny.c")),
        ("examples/log.c", read("examples/log.c")),
        ("examples/deny/src/lib.rs", body(&read("examples/deny/src/lib.rs"))),
    ] {
        assert!(readme.contains(text.trim()), "README.md does not show {example} as it is");
        assert!(readme.contains(example), "README.md does not name {example}");
    }
}

/// Where examples are compiled: beside the deliverables.
fn target(dist: &Dist) -> PathBuf {
    dist.runtime().ancestors().nth(3).expect("a target").join("examples")
}

/// Examples of one language, ready to be loaded.
enum Examples {
    C { dist: Dist, directory: PathBuf },
    Rust { dist: Dist, directory: PathBuf },
}

impl Examples {
    /// Compiles all that are there in C.
    fn in_c() -> Result<Examples, Missing> {
        static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
        let (dist, compiler) = (Dist::find()?, installed("cc")?);
        let directory = DIRECTORY.get_or_init(|| {
            let directory = target(&dist).join("c");
            fs::create_dir_all(&directory).expect("a directory");
            for file in fs::read_dir(root().join("examples")).expect("examples").flatten() {
                let source = file.path();
                if source.extension().is_none_or(|extension| extension != "c") {
                    continue;
                }
                let name = source.file_stem().expect("a name").to_str().expect("in UTF-8");
                let built = Command::new(&compiler)
                    .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-I"])
                    .arg(dist.include())
                    .arg("-o")
                    .args([&directory.join(format!("{name}.so")), &source])
                    .status()
                    .expect("a compiler");
                assert!(built.success(), "{name}.c");
            }
            directory
        });
        Ok(Examples::C { dist, directory: directory.clone() })
    }

    /// Compiles all that are there in Rust. Without link time optimisation, which takes
    /// most of the time and which the library of the C examples has.
    fn in_rust() -> Result<Examples, Missing> {
        static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
        let dist = Dist::find()?;
        let directory = DIRECTORY.get_or_init(|| {
            let target = target(&dist);
            // The one with the standard library takes the runtime with other features.
            for manifest in ["examples/Cargo.toml", "examples/monitor_std/Cargo.toml"] {
                let built = Command::new(env!("CARGO"))
                    .args(["build", "--release", "--quiet", "--config=profile.release.lto=false"])
                    .arg("--manifest-path")
                    .arg(root().join(manifest))
                    .arg("--target-dir")
                    .arg(&target)
                    .status()
                    .expect("cargo");
                assert!(built.success(), "{manifest}");
            }
            target.join("release")
        });
        Ok(Examples::Rust { dist, directory: directory.clone() })
    }

    fn is_rust(&self) -> bool {
        matches!(self, Examples::Rust { .. })
    }

    /// Runs a program under an example.
    fn run(&self, name: &str, program: &Program) -> Ended {
        match self {
            Examples::C { dist, directory } => {
                let hook = directory.join(format!("{name}.so"));
                let options = ["run".as_ref(), "--hook".as_ref(), hook.as_os_str()];
                program.under(dist, &options)
            }
            Examples::Rust { dist, directory } => {
                let library = directory.join(format!("lib{name}.so"));
                program.clone().environment("INTERCEPTOR_LIB", library).under(dist, &["run"])
            }
        }
    }

    /// As [`run`](Self::run): the program does what it does natively. Returns what the
    /// example has said.
    fn run_unchanged(&self, name: &str, program: &Program) -> String {
        let native = program.natively();
        let ended = self.run(name, program);
        let both = |ended: &Ended| (ended.stdout.clone(), ended.status);
        assert_eq!(both(&ended), both(&native), "{name}: {ended:?}");
        ended.stderr
    }
}

macro_rules! in_both_languages {
    ($($test:ident)*) => {
        mod in_c {
            $(#[test]
            fn $test() {
                super::$test(&interceptor_tests::need!(super::Examples::in_c()));
            })*
        }

        mod in_rust {
            $(#[test]
            fn $test() {
                super::$test(&interceptor_tests::need!(super::Examples::in_rust()));
            })*
        }
    };
}

in_both_languages! {
    deny_keeps_files
    log_says_which_calls_fail_and_why
    firewall_keeps_programs_in
    redirect_finds_files_elsewhere
    fault_lets_each_third_call_fail
    clock_is_the_programs_own
    monitor_counts_calls
    hello_is_a_file_that_is_nowhere
}

fn bash(script: &str) -> Program {
    Program::new("/bin/bash").arguments(["-c", script])
}

fn python(script: &str) -> Program {
    Program::new("/usr/bin/python3").arguments(["-Sc", script])
}

/// A script that threads of Python execute at once.
fn threads(script: &str) -> Program {
    let body = script.replace('\n', "\n    ");
    python(&format!(
        "import os, socket, threading\n\
         def body():\n    {body}\n\
         threads = [threading.Thread(target=body) for _ in range(8)]\n\
         [thread.start() for thread in threads]\n\
         [thread.join() for thread in threads]"
    ))
}

fn deny_keeps_files(examples: &Examples) {
    let scratch = Scratch::new();
    let file = scratch.file("file", 0o644, "");
    let remove = format!("os.remove({file:?})");
    for program in [
        Program::new("/bin/rm").arguments([&file]),
        bash(&format!("rm {}", file.display())),
        python(&format!("import os\n{remove}")),
        threads(&remove),
    ] {
        let ended = examples.run("deny", &program);
        assert!(ended.stderr.contains("Operation not permitted"), "{ended:?}");
        assert!(file.is_file(), "the file was removed");
    }
    assert_eq!(
        examples.run_unchanged(
            "deny",
            &Program::new("/bin/ls").arguments([AsRef::<Path>::as_ref(&scratch)])
        ),
        ""
    );
    // git leaves a file behind that it cannot remove.
    let git = Program::new("git").arguments(["init", "-q", "."]).directory(&scratch);
    assert_eq!(examples.run("deny", &git).status.code(), Some(0));
}

fn log_says_which_calls_fail_and_why(examples: &Examples) {
    let open = "open('/nowhere')";
    for program in [
        bash(": </nowhere"),
        python(open),
        threads(open),
        Program::new("git").arguments(["hash-object", "/nowhere"]),
    ] {
        let said = examples.run_unchanged("log", &program);
        let is_said = said.lines().any(|line| {
            line.starts_with("openat(AT_FDCWD, \"/nowhere\", O_RDONLY")
                && line.ends_with("= -1 ENOENT (No such file or directory)")
        });
        assert!(is_said, "{said}");
    }
    let said = examples.run_unchanged("log", &Program::new("/bin/ls").arguments(["/nowhere"]));
    assert!(said.contains("statx(AT_FDCWD, \"/nowhere\", "), "{said}");
}

fn firewall_keeps_programs_in(examples: &Examples) {
    let connect = "try: socket.create_connection(('127.0.0.1', 1))\n\
                   except OSError as error: os.write(1, b'%d ' % error.errno)";
    let refused = |program: &Program| examples.run("firewall", program);
    let ended = refused(&bash("exec 9</dev/tcp/127.0.0.1/1"));
    assert!(ended.stderr.contains("Permission denied"), "{ended:?}");
    let ended = refused(&python(&format!("import os, socket\n{connect}")));
    assert_eq!(ended.stdout, "13 ", "{ended:?}");
    let ended = refused(&threads(connect));
    assert_eq!(ended.stdout, "13 ".repeat(8), "{ended:?}");
    let ended = refused(&Program::new("git").arguments(["ls-remote", "git://127.0.0.1/x"]));
    assert!(ended.stderr.contains("Permission denied"), "{ended:?}");
    // Within the machine all is as it was.
    let pair = "import os, socket\n\
                s = socket.socket(socket.AF_UNIX)\n\
                try: s.connect('/nowhere')\n\
                except OSError as error: os.write(1, b'%d ' % error.errno)\n\
                a, b = socket.socketpair(); a.send(b'x'); print(b.recv(1))";
    assert_eq!(examples.run_unchanged("firewall", &python(pair)), "");
    assert_eq!(
        examples.run_unchanged("firewall", &Program::new("/bin/ls").arguments(["-l", "/usr"])),
        ""
    );
}

fn redirect_finds_files_elsewhere(examples: &Examples) {
    // Where the example looks, under a name of this test's own.
    let name = format!("interceptor-example-{}-{}", std::process::id(), examples.is_rust());
    let elsewhere = Path::new("/tmp/etc").join(&name);
    loop {
        fs::create_dir_all("/tmp/etc").expect("a directory");
        match fs::write(&elsewhere, "elsewhere\n") {
            // The same test of the other language has just removed it.
            Err(error) if error.kind() == ErrorKind::NotFound => (),
            written => break written.expect("a file"),
        }
    }
    let path = format!("/etc/{name}");
    let print =
        format!("print(open('{path}').read(), end='')\nassert os.stat('{path}').st_size == 10");
    let outputs: Vec<Ended> = [
        Program::new("/bin/ls").arguments([&path]),
        bash(&format!("echo $(<{path}); cat {path}; [ -f {path} ]")),
        python(&format!("import os\n{print}")),
        threads(&print),
        Program::new("git").arguments(["hash-object", &path]),
        bash(": </etc/hostname; cat /etc/passwd >/dev/null; cat /etc/nothing"),
    ]
    .iter()
    .map(|program| examples.run("redirect", program))
    .collect();
    let hash = Program::new("git").arguments(["hash-object"]).arguments([&elsewhere]).natively();
    let _ = fs::remove_file(&elsewhere);
    let _ = fs::remove_dir("/tmp/etc");
    let expected = [
        format!("{path}\n"),
        "elsewhere\n".repeat(2),
        "elsewhere\n".to_owned(),
        "elsewhere\n".repeat(8),
        hash.stdout,
        String::new(),
    ];
    for (ended, expected) in outputs.iter().zip(expected) {
        assert_eq!(ended.stdout, expected, "{ended:?}");
    }
    assert!(outputs[5].stderr.contains("/etc/nothing: No such file"), "{:?}", outputs[5]);
}

fn fault_lets_each_third_call_fail(examples: &Examples) {
    let scratch = Scratch::new();
    let run = |program: Program| {
        let program = program.environment("FAULT", "mkdir:3:ENOSPC").directory(&scratch);
        examples.run("fault", &program)
    };
    let ended = run(bash("mkdir a b c d; (mkdir e); echo $?"));
    assert!(ended.stderr.contains(": No space left on device"), "{ended:?}");
    assert_eq!(ended.stdout, "0\n");
    let there = |name: &str| scratch.path(name).is_dir();
    assert_eq!(["a", "b", "c", "d", "e"].map(there), [true, true, false, true, true]);
    let make = "try: os.mkdir(str(id(threading.current_thread())))\nexcept OSError as error: os.write(1, b'%d ' % error.errno)";
    let ended = run(threads(make));
    assert_eq!(ended.stdout, "28 28 ", "{ended:?}");
    let ended = run(python("import os\nfor name in 'xyz': os.mkdir(name)"));
    assert!(ended.stderr.contains("No space left on device: 'z'"), "{ended:?}");
    let ended = run(Program::new("git").arguments(["init", "-q", "repository"]));
    assert!(ended.stderr.contains("No space left on device"), "{ended:?}");
    assert_eq!(run(Program::new("/bin/ls").arguments(["-d", "a"])).stdout, "a\n");
}

fn clock_is_the_programs_own(examples: &Examples) {
    let run = |program: Program| {
        let program = program.environment("CLOCK", "946684800").environment("TZ", "UTC");
        examples.run("clock", &program).stdout
    };
    assert_eq!(run(Program::new("date").arguments(["+%F %T"])), "2000-01-01 00:00:00\n");
    let perl = "use Time::HiRes qw(gettimeofday); print time, ' ', (gettimeofday())[0]";
    assert_eq!(run(Program::new("perl").arguments(["-e", perl])), "946684800 946684800");
    // Children begin anew.
    let twice = "for i in 1 2; do date +%s; done; (exec -a self date -u +%Y)";
    assert_eq!(run(bash(twice)), "946684800\n946684800\n2000\n");
    let later = "import time\nfirst, second = time.time(), time.time()\nprint(int(first), round((second - first) * 1000))";
    assert_eq!(run(python(later)), "946684800 1\n");
    let threads = threads("import time\nassert int(time.time()) == 946684800\nos.write(1, b'.')");
    assert_eq!(run(threads), "........");
}

fn monitor_counts_calls(examples: &Examples) {
    let name = if examples.is_rust() { "monitor_std" } else { "monitor" };
    let said = |program: &Program, period_ms: u32| {
        let program = program.clone().environment("MONITOR_MS", period_ms.to_string());
        examples.run_unchanged(name, &program)
    };
    let calls = "for _ in range(500): os.getppid()\nimport time\ntime.sleep(0.3)";
    for program in [
        bash("sleep 0.2; (exit 3); echo $?"),
        python(&format!("import os\n{calls}")),
        threads(calls),
        Program::new(need!(guest("threads"))),
    ] {
        // A machine with much to do may have no time for its thread while the program runs.
        let mut periods_ms = [50, 10, 2, 1, 1, 1, 1, 1].into_iter();
        let has_said = periods_ms.any(|period_ms| {
            let said = said(&program, period_ms);
            assert!(said.lines().all(|line| line.contains(" calls, ")), "{said}");
            said.lines().count() > 1
        });
        assert!(has_said, "{name} says nothing of {program:?}");
    }
    // These are over before the first second is.
    said(&Program::new("/bin/ls").arguments(["/"]), 50);
    said(&Program::new("git").arguments(["--version"]), 50);
}

fn hello_is_a_file_that_is_nowhere(examples: &Examples) {
    let read = "f = open('/virtual/hello')\n\
                assert os.fstat(f.fileno()).st_size == os.stat('/virtual/hello').st_size == 20\n\
                assert f.read() == 'Hello from nowhere.\\n' and not f.read(1)\n\
                assert f.seek(11) == 11 and f.read() == 'nowhere.\\n'\n\
                assert os.pread(f.fileno(), 4, 6) == b'from'\n\
                f.close()\n\
                assert open('/dev/null').read() == ''";
    let hash = Program::new("git").arguments(["hash-object", "--stdin"]);
    let hash = hash.input("Hello from nowhere.\n").natively().stdout;
    for (program, expected) in [
        (bash("cat /virtual/hello; echo $(</virtual/hello)"), "Hello from nowhere.\n".repeat(2)),
        (python(&format!("import os\n{read}\nprint('read')")), "read\n".to_owned()),
        (threads(read), String::new()),
        (Program::new("git").arguments(["hash-object", "--no-filters", "/virtual/hello"]), hash),
    ] {
        let ended = examples.run("hello", &program);
        assert_eq!(
            (ended.stdout.as_str(), ended.stderr.as_str()),
            (expected.as_str(), ""),
            "{ended:?}"
        );
        assert_eq!(ended.status.code(), Some(0));
    }
    let ended = examples.run("hello", &Program::new("/bin/ls").arguments(["-l", "/virtual/hello"]));
    assert!(ended.stdout.starts_with("-r--r--r-- 1 root root 20 Jan  1  1970"), "{ended:?}");
    let ended = examples.run("hello", &bash("echo x >/virtual/other"));
    assert!(ended.stderr.contains("No such file"), "{ended:?}");
}

#[test]
fn the_example_in_rust_tells_of_lives() {
    let examples = need!(Examples::in_rust());
    let threads = need!(guest("main_pthread_exit"));
    let run = |program: Program| {
        let ended = examples.run("lives", &program);
        let mut lines: Vec<String> = ended.stderr.lines().map(str::to_owned).collect();
        // Parent and child are told at the same time.
        lines.sort();
        lines
    };
    // dash forks for the first and becomes the second.
    let lines = run(Program::shell("/bin/false; exec /bin/true"));
    let expected = [
        "has a child",
        "process ends",
        "process executes",
        "process executes",
        "process fails",
        "process starts",
    ];
    assert_eq!(lines, expected);
    let lines = run(Program::new(threads));
    let count = |wanted: &str| lines.iter().filter(|line| *line == wanted).count();
    assert!(count("thread starts") > 0 && count("thread ends") > 0, "{lines:?}");
    assert_eq!(count("has a child"), count("thread starts") + count("process starts"), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("confused")), "{lines:?}");
}

#[test]
fn calls_have_types_in_rust_and_hooks_are_told_of_signals_members_and_effects() {
    let examples = need!(Examples::in_rust());
    // Numbers, since the functions of libc make other calls.
    let script = "import ctypes, os, threading\n\
        libc = ctypes.CDLL(None, use_errno=True)\n\
        def call(*args):\n    \
            result = libc.syscall(*args)\n    \
            return -ctypes.get_errno() if result == -1 else result\n\
        counts = lambda: print(call(110), call(110), call(110))\n\
        counts()\n\
        thread = threading.Thread(target=counts); thread.start(); thread.join()\n\
        call(95, 0o2)\n\
        print(oct(call(95, 0)))\n\
        pair = (ctypes.c_int * 2)()\n\
        print(call(293, pair, 0), *pair, call(293, 8, 0))\n\
        print(call(35, (ctypes.c_long * 2)(3, 7), 0), call(35, 8, 0))\n\
        print(call(32, 99) == os.getpid())\n\
        text = ctypes.create_string_buffer(b'abc')\n\
        at = ctypes.addressof(text)\n\
        print(call(20, 1, (ctypes.c_long * 4)(at, 1, at + 1, 2), 2), call(20, 1, (ctypes.c_long * 2)(8, 1), 1))\n\
        print(call(500))\n\
        call(62, os.getpid(), 10)\n\
        print(call(501), call(502))\n\
        me, child = os.getpid(), os.fork()\n\
        if child == 0: os.kill(me, 0); os._exit(0)\n\
        os.waitpid(child, 0)\n\
        print(call(503), call(504))\n\
        import signal, socket\n\
        signal.signal(14, lambda *_: None)\n\
        read, write = socket.socketpair()\n\
        read.setblocking(False); write.setblocking(False)\n\
        signal.set_wakeup_fd(write.fileno())\n\
        print(call(505, read.fileno()))\n\
        over = threading.Event()\n\
        thread = threading.Thread(target=over.wait); thread.start()\n\
        print(call(506)); os.setgid(os.getgid()); print(call(506))\n\
        over.set(); thread.join()";
    let ended = examples.run("typed", &python(script));
    let expected = "10 20 30\n10 20 30\n0o22\n0 100 101 -14\n3007 -14\nTrue\n294 -14\n-38\n13212 100\n62 101\n1\n0\n1\n";
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), (expected, ""), "{ended:?}");
}
