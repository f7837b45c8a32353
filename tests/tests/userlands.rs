//! Other versions of the C library: guests and real programs in roots of other
//! releases of Debian give there natively what they give in every mode.
//!
//! `cargo xtask test` unpacks the roots; nothing of them is installed. A program
//! runs in a mount namespace with its root changed, so that its children, too, come
//! from there. Guests are those that say `// userlands: yes`; `tests/userlands`
//! holds scripts for what else a root has. `INTERCEPTOR_EVERYTHING=1` runs all guests
//! that are built for a root, in all modes.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use interceptor_tests::{
    Dist, Ended, Missing, Mode, Modes, Program, Source, Userlands, guests, installed, skip,
    userland,
};
use libtest_mimic::{Arguments, Failed, Trial};

/// A release, and where guests for it are.
struct Suite {
    name: &'static str,
    /// Its libc is older than the one that guests are usually built against.
    is_older: bool,
}

/// glibc 2.31, 2.41, and the newest; musl 1.2.5.
const SUITES: &[Suite] = &[
    Suite { name: "bullseye", is_older: true },
    Suite { name: "trixie", is_older: false },
    Suite { name: "sid", is_older: false },
];

/// A program that we let run by itself there, and what we say of it then.
struct StandsBack {
    suite: &'static str,
    guest: &'static str,
    line: &'static str,
}

/// All of them. CAPABILITIES.md has the reasons.
const STANDS_BACK: &[StandsBack] = &[StandsBack {
    suite: "bullseye",
    guest: "early_thread",
    line: "interceptor: not armed, the program runs untouched: other threads run already; \
           the C library ran other constructors first\n",
}];

/// In which all guests and scripts are run, and those built with musl.
const MODES: &[&str] = &["trace", "hook"];
const MUSL_MODES: &[&str] = &["hook"];

/// Runs at once. Guests measure time and have threads of their own.
const PARALLEL: usize = 2;

/// Gives the new root what is seen of the machine, then becomes the program there.
/// A private `/tmp`, since programs that run at once use the same names.
const ENTER: &str = r#"
root=$1; shift
mount -t tmpfs none "$root/tmp" || exit 125
while [ "$1" != -- ]; do
    mkdir -p "$root$1" && mount --rbind "$1" "$root$1" || exit 125
    shift
done
shift
exec chroot "$root" "$@"
"#;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(PARALLEL);
    libtest_mimic::run(&arguments, checks()).exit_code()
}

fn checks() -> Vec<Trial> {
    let everything = env::var_os("INTERCEPTOR_EVERYTHING").is_some();
    let sources: Vec<Source> = Source::all();
    let mut checks = Vec::new();
    for suite in SUITES {
        let mut add = |name: &str, what: What, ends: &str, modes: &[&str]| {
            let subject =
                Arc::new(Subject { suite, what, ends: ends.to_owned(), native: OnceLock::new() });
            let native = Arc::clone(&subject);
            let name = format!("{}_{name}", suite.name);
            let check = move || native.passes_natively();
            checks.push(Trial::test(format!("{name}_passes_natively"), check));
            for mode in Modes::all() {
                if everything || modes.contains(&mode.name) {
                    let subject = Arc::clone(&subject);
                    let check = move || subject.is_as_natively(mode);
                    let name = format!("{name}_under_{}_is_as_natively", mode.name);
                    checks.push(Trial::test(name, check));
                }
            }
        };
        for source in &sources {
            let is_wanted = match source.userlands {
                Userlands::All => true,
                Userlands::Newer => !suite.is_older,
                Userlands::None => everything && !suite.is_older,
            };
            if is_wanted {
                add(&source.name, What::Guest(source.name.clone()), &source.ends, MODES);
            }
            // A program is not promised to run with an older musl than its own.
            if is_wanted && source.has_musl && !suite.is_older {
                let name = format!("{}.musl", source.name);
                add(&name, What::Guest(name.clone()), &source.ends, MUSL_MODES);
            }
        }
        for script in scripts() {
            let name = script.file_stem().and_then(|stem| stem.to_str()).expect("a name");
            add(name, What::Script(script.clone()), "0", MODES);
        }
    }
    checks
}

fn scripts() -> Vec<PathBuf> {
    let entries = fs::read_dir(directory_of_scripts()).expect("the scripts");
    let mut scripts: Vec<_> = entries.map(|entry| entry.expect("a script").path()).collect();
    scripts.sort();
    scripts
}

fn directory_of_scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("userlands")
}

/// What is run.
enum What {
    /// The guest of this name.
    Guest(String),
    /// A script for the root's shell.
    Script(PathBuf),
}

/// Something that is run in a root, and how it ends natively, found out once.
struct Subject {
    suite: &'static Suite,
    what: What,
    ends: String,
    native: OnceLock<Ended>,
}

impl Subject {
    fn program(&self, dist: &Dist) -> Result<Program, Missing> {
        let root = userland(self.suite.name)?;
        for program in ["unshare", "mount", "chroot"] {
            installed(program)?;
        }
        let mut namespaces = vec!["--mount"];
        if !is_root() {
            namespaces.extend(["--user", "--map-root-user"]);
        }
        let is_allowed = Program::new("unshare").arguments(&namespaces).arguments(["true"]);
        if is_allowed.natively().status.code() != Some(0) {
            return Err(Missing("the right to change the root".to_owned()));
        }
        let (guests, scripts) = (guests(), directory_of_scripts());
        let built_for_it = root.with_extension("guests");
        let mut seen: Vec<&Path> =
            vec!["/proc".as_ref(), "/dev".as_ref(), dist.directory(), &guests, &scripts];
        if self.suite.is_older {
            seen.push(&built_for_it);
        }
        let program = Program::new("unshare")
            .arguments(&namespaces)
            .arguments(["sh", "-c", ENTER, "sh"])
            .arguments([&root])
            .arguments(seen)
            .arguments(["--"])
            .environment("LC_ALL", "C")
            .environment("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        Ok(match &self.what {
            What::Script(script) => program.arguments(["/bin/sh".as_ref(), script.as_path()]),
            What::Guest(name) => {
                let is_own = self.suite.is_older && !name.ends_with(".musl");
                let directory = if is_own { built_for_it } else { guests };
                program.arguments([directory.join(name)])
            }
        })
    }

    fn native(&self, dist: &Dist) -> Result<&Ended, Missing> {
        let program = self.program(dist)?;
        Ok(self.native.get_or_init(|| program.natively()))
    }

    /// What is said beside the program's own words.
    fn line(&self) -> &'static str {
        let What::Guest(name) = &self.what else {
            return "";
        };
        STANDS_BACK
            .iter()
            .find(|known| known.suite == self.suite.name && known.guest == name)
            .map_or("", |known| known.line)
    }

    fn passes_natively(&self) -> Result<(), Failed> {
        match Dist::find().and_then(|dist| self.native(&dist)) {
            Ok(ended) if ended.status.named() == self.ends => Ok(()),
            Ok(ended) => Err(format!("does not end with {}: {ended:?}", self.ends).into()),
            Err(missing) => skipped(&missing),
        }
    }

    fn is_as_natively(&self, mode: &Mode) -> Result<(), Failed> {
        let both = Dist::find()
            .and_then(|dist| Ok((self.native(&dist)?, mode.run(&dist, &self.program(&dist)?)?)));
        match both {
            Ok((native, ours)) => {
                let mut expected = native.clone();
                expected.stderr += self.line();
                if expected == ours { Ok(()) } else { Err(expected.difference(&ours).into()) }
            }
            Err(missing) => skipped(&missing),
        }
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn skipped(missing: &Missing) -> Result<(), Failed> {
    skip(missing);
    Ok(())
}
