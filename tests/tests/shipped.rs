//! What is shipped beside binaries: pkg-config and CMake find it wherever it lies,
//! Debian packages install it, manual pages say what it does.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use interceptor_tests::{Dist, Ended, Missing, Program, Scratch, installed, need};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A program that has to succeed; its standard output.
fn output(program: &Program) -> String {
    let ended = program.natively();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    ended.stdout
}

/// The deliverables, elsewhere.
fn moved(dist: &Dist, scratch: &Scratch, name: &str) -> PathBuf {
    let prefix = scratch.path(name);
    output(&Program::new("cp").arguments([
        "-a".as_ref(),
        dist.directory().as_os_str(),
        prefix.as_os_str(),
    ]));
    prefix
}

/// Builds a hook with the flags that pkg-config has for a package.
fn build_with_pkg_config(
    prefix: &Path,
    package: &str,
    source: &Path,
    hook: &Path,
) -> Result<(), Missing> {
    let (compiler, pkg_config) = (installed("cc")?, installed("pkg-config")?);
    let script = format!(
        "flags=$('{}' --cflags --libs {package}) && eval '{}' -shared -fPIC -o '{}' '{}' \"$flags\"",
        pkg_config.display(),
        compiler.display(),
        hook.display(),
        source.display()
    );
    let path = prefix.join("lib/pkgconfig");
    output(&Program::shell(&script).environment("PKG_CONFIG_PATH", path));
    Ok(())
}

/// Runs the shell under a hook that is preloaded alone and needs the library.
fn preloaded(hook: &Path, prefix: &Path, script: &str) -> Ended {
    Program::shell(script)
        .environment("LD_PRELOAD", hook)
        .environment("LD_LIBRARY_PATH", prefix.join("lib"))
        .natively()
}

#[test]
fn pkg_config_finds_everything_from_where_it_lies() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let prefix = moved(&dist, &scratch, "some where else");
    let file = scratch.file("file", 0o644, "");
    let remove = format!("rm {}", file.display());

    let hook = scratch.path("deny.so");
    need!(build_with_pkg_config(&prefix, "interceptor", &root().join("examples/deny.c"), &hook));
    // The hook lies in a directory that ld.so takes as it is; the prefix has blanks.
    let link = scratch.path("prefix");
    std::os::unix::fs::symlink(&prefix, &link).expect("a link");
    let ended = preloaded(&hook, &link, &remove);
    assert!(ended.stderr.contains("Operation not permitted"), "{ended:?}");
    assert!(file.is_file());

    let answers = root().join("tests/drop_in/answers.c");
    for package in ["libsyscall_intercept", "libsyscall_intercept_tls"] {
        let hook = scratch.path(&format!("{package}.hook.so"));
        need!(build_with_pkg_config(&prefix, package, &answers, &hook));
        let ended = preloaded(&hook, &link, "echo $PPID");
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("4711\n", ""), "{package}");
    }
    let version = Program::new(need!(installed("pkg-config")))
        .arguments(["--modversion", "interceptor"])
        .environment("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
    assert_eq!(output(&version).trim(), env!("CARGO_PKG_VERSION"));
}

#[test]
fn cmake_finds_everything_from_where_it_lies() {
    let dist = need!(Dist::find());
    let cmake = need!(installed("cmake"));
    let scratch = Scratch::new();
    let prefix = moved(&dist, &scratch, "elsewhere");
    let source = root();
    scratch.file(
        "CMakeLists.txt",
        0o644,
        format!(
            "cmake_minimum_required(VERSION 3.13)\n\
             project(hooks C)\n\
             find_package(Interceptor {version} REQUIRED)\n\
             foreach(target syscall_intercept syscall_intercept_static syscall_intercept_tls\n\
                     syscall_intercept_tls_static)\n\
               add_library(${{target}} MODULE {tests}/drop_in/answers.c)\n\
               target_link_libraries(${{target}} PRIVATE Interceptor::${{target}})\n\
             endforeach()\n\
             add_library(deny MODULE {examples}/deny.c)\n\
             target_link_libraries(deny PRIVATE Interceptor::interceptor)\n\
             add_library(logging MODULE {tests}/helper/logging_hook.c)\n\
             target_link_libraries(logging PRIVATE Interceptor::headers)\n\
             file(WRITE ${{CMAKE_BINARY_DIR}}/command ${{Interceptor_COMMAND}})\n",
            version = env!("CARGO_PKG_VERSION"),
            tests = source.join("tests").display(),
            examples = source.join("examples").display(),
        ),
    );
    let build = scratch.path("build");
    let options = [
        "-DCMAKE_BUILD_TYPE=Release".to_owned(),
        format!("-DCMAKE_PREFIX_PATH={}", prefix.display()),
    ];
    let in_build = |program: Program| program.directory(&scratch);
    output(&in_build(
        Program::new(&cmake).arguments(["-S", ".", "-B", "build"]).arguments(options),
    ));
    output(&in_build(Program::new(&cmake).arguments(["--build", "build"])));

    for target in ["", "_static", "_tls", "_tls_static"] {
        let hook = build.join(format!("libsyscall_intercept{target}.so"));
        let ended = Program::shell("echo $PPID").environment("LD_PRELOAD", hook).natively();
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("4711\n", ""), "{target}");
    }
    let file = scratch.file("file", 0o644, "");
    let remove = Program::new("/bin/rm").arguments([&file]);
    let ended = remove.clone().environment("LD_PRELOAD", build.join("libdeny.so")).natively();
    assert!(ended.stderr.contains("Operation not permitted"), "{ended:?}");
    let command = fs::read_to_string(build.join("command")).expect("a path");
    let arguments = ["run", "--hook", "build/liblogging.so", "--", "sh", "-c", ":"];
    let ended = in_build(Program::new(command).arguments(arguments)).natively();
    assert!(ended.stderr.contains("notice: logging_hook.c"), "{ended:?}");

    // Another version is not taken.
    let other = format!("find_package(Interceptor {} REQUIRED)", "0.9");
    scratch.file(
        "CMakeLists.txt",
        0o644,
        format!("cmake_minimum_required(VERSION 3.13)\nproject(x C)\n{other}\n"),
    );
    let prefix = format!("-DCMAKE_PREFIX_PATH={}", prefix.display());
    let ended =
        in_build(Program::new(&cmake).arguments(["-S", ".", "-B", "other", &prefix])).natively();
    assert_ne!(ended.status.code(), Some(0), "{ended:?}");
}

/// The packages that were made last.
fn packages() -> Result<Vec<PathBuf>, Missing> {
    let directory = std::env::var_os("INTERCEPTOR_PACKAGES")
        .map_or_else(|| root().join("target/packages"), PathBuf::from);
    let names = ["libinterceptor", "libinterceptor-dev", "interceptor"];
    let version = env!("CARGO_PKG_VERSION");
    let files = names.map(|name| directory.join(format!("{name}_{version}_amd64.deb")));
    match files.iter().find(|file| !file.is_file()) {
        Some(file) => Err(Missing(format!("{}: cargo xtask package", file.display()))),
        None => Ok(files.to_vec()),
    }
}

#[test]
fn debian_packages_install_work_and_go_again() {
    let dpkg = need!(installed("dpkg"));
    let packages = need!(packages());
    let scratch = Scratch::new();
    if fs::metadata(&scratch).expect("a directory").uid() != 0 {
        return interceptor_tests::skip(&Missing("root, to unpack as dpkg does".to_owned()));
    }
    // A root with a data base of its own.
    let base = scratch.path("root");
    for directory in ["info", "updates", "triggers"] {
        fs::create_dir_all(base.join("var/lib/dpkg").join(directory)).expect("a directory");
    }
    for file in ["status", "available"] {
        fs::write(base.join("var/lib/dpkg").join(file), "").expect("a file");
    }
    fs::create_dir_all(base.join("var/log")).expect("a directory");
    let dpkg = |action: &str, what: &[&std::ffi::OsStr]| {
        output(
            &Program::new(&dpkg)
                .arguments([
                    format!("--root={}", base.display()).as_str(),
                    "--force-depends",
                    "--force-script-chrootless",
                    action,
                ])
                .arguments(what),
        )
    };
    let files: Vec<_> = packages.iter().map(|file| file.as_os_str()).collect();
    dpkg("--install", &files);

    let usr = base.join("usr");
    let tool = usr.join("bin/interceptor");
    let ended = Program::new(&tool)
        .arguments(["trace", "-e", "trace=getppid", "--", "sh", "-c", ":"])
        .natively();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(
        ended.stderr.contains("getppid() = ") && ended.stderr.contains(" 0 missed"),
        "{ended:?}"
    );
    // It is made when the package is configured, and goes all the same.
    let plans = usr.join("lib/interceptor/plans");
    assert!(plans.is_file());
    let listed = output(&Program::new(&tool).arguments(["plan"]));
    assert!(listed.contains("libc.so.6, as before"), "{listed}");
    let hook = scratch.path("hook.so");
    need!(build_with_pkg_config(
        &usr,
        "libsyscall_intercept",
        &root().join("tests/drop_in/answers.c"),
        &hook
    ));
    let ended = preloaded(&hook, &usr, "echo $PPID");
    assert_eq!(ended.stdout, "4711\n", "{ended:?}");
    for page in ["man1/interceptor.1.gz", "man3/interceptor.h.3.gz"] {
        assert!(usr.join("share/man").join(page).is_file(), "{page}");
    }
    for package in ["libinterceptor", "libinterceptor-dev", "interceptor"] {
        assert!(usr.join("share/doc").join(package).join("copyright").is_file());
    }

    dpkg(
        "--purge",
        &["interceptor", "libinterceptor-dev", "libinterceptor"].map(std::ffi::OsStr::new),
    );
    assert!(!usr.exists(), "the packages left something behind");
}

/// Every manual page.
fn pages(dist: &Dist) -> Vec<PathBuf> {
    let man = dist.directory().join("share/man");
    let sections = ["man1", "man3"].map(|section| man.join(section));
    let entries = sections.iter().flat_map(|section| fs::read_dir(section).expect("a directory"));
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

fn page(dist: &Dist, name: &str) -> String {
    let section = name.rsplit('.').next().expect("a section");
    let path = dist.directory().join(format!("share/man/man{section}/{name}"));
    let text = fs::read_to_string(path).expect("a page");
    // As it is read: without escapes and fonts.
    ["\\fR", "\\fB", "\\fI", "\\&"]
        .iter()
        .fold(text.replace("\\-", "-"), |text, escape| text.replace(escape, ""))
}

#[test]
fn manual_pages_are_without_warnings() {
    let dist = need!(Dist::find());
    let man = need!(installed("man"));
    let pages = pages(&dist);
    assert!(pages.len() >= 4, "{pages:?}");
    for page in pages {
        let ended = Program::new(&man)
            .arguments(["--warnings=w", "-E", "UTF-8", "-l", "-Tutf8", "-Z"])
            .arguments([&page])
            .environment("MANWIDTH", "100")
            .environment("LC_ALL", "C.UTF-8")
            .natively();
        assert_eq!((ended.stderr.as_str(), ended.status.code()), ("", Some(0)), "{page:?}");
    }
}

#[test]
fn the_manual_of_the_command_names_each_command_option_and_setting() {
    let dist = need!(Dist::find());
    let page = page(&dist, "interceptor.1");
    let words: Vec<&str> =
        page.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).collect();
    let help = |arguments: &[&str]| {
        let ended = Program::new(dist.command()).arguments(arguments).natively();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        ended.stdout
    };
    let all = help(&["--help"]);
    let commands: Vec<&str> = all
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.contains(&"trace") && commands.contains(&"run"), "{all}");
    let mut texts = vec![all.clone()];
    for command in &commands {
        assert!(page.contains(&format!(".TP\n.B {command}\n")), "{command} is not described");
        texts.push(help(&[command, "--help"]));
    }
    let mut count = 0;
    for text in &texts {
        for line in text.lines().filter(|line| line.trim_start().starts_with('-')) {
            let names =
                line.split([' ', ',']).filter(|word| word.starts_with('-') && word.len() > 1);
            for option in names.take(2) {
                assert!(words.contains(&option), "{option} of `{line}` is not in interceptor.1");
                count += 1;
            }
        }
    }
    assert!(count > 20, "{count}");
    let settings = fs::read_to_string(root().join("crates/abi/src/env.rs")).expect("its source");
    let names: Vec<&str> = settings
        .lines()
        .filter(|line| line.starts_with("pub const"))
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let header = page_or_header(&dist, name);
        assert!(words.contains(&name) || header, "{name} is not in interceptor.1");
    }
}

/// Whether a setting is one that the page of libsyscall_intercept describes.
fn page_or_header(dist: &Dist, name: &str) -> bool {
    name.starts_with("INTERCEPT_")
        && page(dist, "libsyscall_intercept_hook_point.h.3").contains(name)
}

#[test]
fn the_manuals_of_headers_name_each_declaration() {
    let dist = need!(Dist::find());
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for (header, prefixes, least) in [
        ("interceptor.h", &["interceptor_", "INTERCEPTOR_"][..], 40),
        ("libsyscall_intercept_hook_point.h", &["intercept_", "syscall_", "INTERCEPT_"], 8),
        ("x86linux/log.h", &["log", "LOG_", "trace", "vlog", "vtrace"], 35),
        ("x86linux/lock.h", &["ticket_lock", "pi_lock"], 12),
        ("x86linux/wait.h", &["tsc_"], 7),
        ("x86linux/ring.h", &["spsc_"], 12),
        ("x86linux/bitset.h", &["bitset_", "BITSET_"], 19),
        ("x86linux/cpuid.h", &["x86linux_cpu", "x86_cpuid"], 7),
        ("x86linux/usersched.h", &["user_", "usersched_", "USERSCHED_", "as_", "X86_"], 25),
        ("x86linux/general.h", &["align_val", "sizeof_elem", "typeof_elem", "memvcmp"], 6),
    ] {
        let text = fs::read_to_string(dist.include().join(header)).expect("a header");
        let page = page(&dist, &format!("{}.3", header.replace('/', "_")));
        let words: Vec<&str> = page.split(|c| !word(c)).collect();
        let declared: Vec<&str> = text
            .split(|c| !word(c))
            .filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
            .collect();
        assert!(declared.len() >= least, "{header}: {declared:?}");
        // Inner parts of inline functions need not be there.
        let public = |name: &&str| {
            let starts = [
                format!(" {name}("),
                format!("*{name}("),
                format!(" {name} {{"),
                format!("*{name})"),
            ];
            text.contains(&format!("#define {name}"))
                || text.lines().any(|line| {
                    !line.starts_with(' ')
                        && starts.iter().any(|start| line.contains(start.as_str()))
                })
        };
        for name in declared.into_iter().filter(public) {
            let is_guard = name.ends_with("_H") || name.ends_with('_');
            assert!(is_guard || words.contains(&name), "{name} is not in the page of {header}");
        }
    }
}

#[test]
fn the_layout_has_what_each_kind_of_user_looks_for() {
    let dist = need!(Dist::find());
    for path in [
        "bin/interceptor",
        "lib/libinterceptor.so",
        "lib/libsyscall_intercept.so.0",
        "lib/libsyscall_intercept.so",
        "lib/libsyscall_intercept.a",
        "lib/interceptor/thread-local/libsyscall_intercept.so.0",
        "include/interceptor.h",
        "include/libsyscall_intercept_hook_point.h",
        "include/x86linux/helper.h",
        "lib/pkgconfig/interceptor.pc",
        "lib/cmake/Interceptor/InterceptorConfig.cmake",
        "share/man/man1/interceptor.1",
        "share/man/man3/interceptor.h.3",
    ] {
        assert!(dist.directory().join(path).is_file(), "{path}");
    }
    // Nothing of it says where it was made.
    let here = fs::canonicalize(dist.directory()).expect("a directory");
    let text = Command::new("grep")
        .arg("-rlF")
        .arg(&here)
        .arg(dist.directory().join("lib/pkgconfig"))
        .arg(dist.directory().join("lib/cmake"))
        .arg(dist.directory().join("share"))
        .output()
        .expect("grep");
    assert_eq!(String::from_utf8_lossy(&text.stdout), "");
}
