//! Programs that nobody here wrote give natively what they give in every mode.
//!
//! `tests/programs` holds a script for each. Everything that it starts is
//! intercepted, the shell included; scripts leave out what differs from run to
//! run. Each script in each mode is a check of its own. With `INTERCEPTOR_EVERYTHING=1` all
//! modes are taken, and also scripts with a line `# heavy: yes`, which need much to be
//! installed. What is known to differ is listed in `interceptor_tests::KNOWN_IN_PROGRAMS`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use interceptor_tests::{
    Dist, Ended, KNOWN_IN_PROGRAMS, Missing, Mode, Modes, Program, Scratch, check_quoted,
    installed, judge, skip,
};
use libtest_mimic::{Arguments, Failed, Trial};

/// Runs at once.
const PARALLEL: usize = 2;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(PARALLEL);
    libtest_mimic::run(&arguments, checks()).exit_code()
}

fn checks() -> Vec<Trial> {
    let entries = fs::read_dir(directory()).expect("the scripts");
    let mut scripts: Vec<_> = entries.map(|entry| entry.expect("a script").path()).collect();
    scripts.sort();
    let everything = env::var_os("INTERCEPTOR_EVERYTHING").is_some();
    let mut checks = Vec::new();
    for path in scripts {
        let script = Arc::new(Script::read(path));
        if script.is_heavy && !everything {
            continue;
        }
        let forced = Modes::FORCED.iter().filter(|_| everything);
        for mode in Modes::USUAL.iter().chain(forced) {
            let name = format!("{}_under_{}_is_as_natively", script.name, mode.name);
            let script = Arc::clone(&script);
            checks.push(Trial::test(name, move || script.is_as_natively(mode)));
        }
    }
    checks.push(Trial::test("capabilities_quote_the_known_differences_in_programs", || {
        Ok(check_quoted("program", KNOWN_IN_PROGRAMS)?)
    }));
    checks.push(Trial::test("known_differences_in_programs_name_scripts_that_exist", || {
        for known in KNOWN_IN_PROGRAMS {
            assert!(directory().join(known.guest).with_extension("sh").exists(), "{}", known.guest);
            assert_eq!(known.unknown_modes(), [""; 0], "{}", known.guest);
        }
        Ok(())
    }));
    checks
}

/// Where the scripts are.
fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs")
}

/// One script.
struct Script {
    path: PathBuf,
    name: String,
    /// Programs it uses, of its line `# needs: …`.
    needs: Vec<String>,
    /// `# heavy: yes`.
    is_heavy: bool,
    native: OnceLock<Ended>,
}

impl Script {
    fn read(path: PathBuf) -> Script {
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        let text = fs::read_to_string(&path).expect("a script");
        let needs = text.lines().find_map(|line| line.strip_prefix("# needs: "));
        let needs = needs.expect("a line of needs").split_whitespace().map(str::to_owned).collect();
        let is_heavy = text.lines().any(|line| line == "# heavy: yes");
        Script { path, name, needs, is_heavy, native: OnceLock::new() }
    }

    /// The script as a program, in a directory of its own.
    fn program(&self, directory: &Scratch) -> Program {
        Program::new("/bin/sh")
            .arguments([&self.path])
            .environment("LC_ALL", "C.UTF-8")
            .environment("TZ", "UTC")
            .directory(directory)
    }

    fn is_as_natively(&self, mode: &Mode) -> Result<(), Failed> {
        match self.both(mode) {
            Ok((native, ours)) => {
                Ok(judge(KNOWN_IN_PROGRAMS, &self.name, mode, &native, &ours).check()?)
            }
            Err(missing) => {
                skip(&missing);
                Ok(())
            }
        }
    }

    fn both(&self, mode: &Mode) -> Result<(Ended, Ended), Missing> {
        let dist = Dist::find()?;
        for program in &self.needs {
            installed(program)?;
        }
        let run = |run: &dyn Fn(&Program) -> Result<Ended, Missing>| {
            let directory = Scratch::new();
            run(&self.program(&directory)).map(|ended| without(&ended, directory.as_ref()))
        };
        let native = self.native.get_or_init(|| {
            run(&|program| Ok(program.natively())).unwrap_or_else(|_| unreachable!())
        });
        Ok((native.clone(), run(&|program| mode.run(&dist, program))?))
    }
}

/// What was printed, with one name for the directory of the run.
fn without(ended: &Ended, directory: &Path) -> Ended {
    let name = directory.to_str().expect("a name in UTF-8");
    let mut ended = ended.clone();
    ended.stdout = ended.stdout.replace(name, "DIRECTORY");
    ended.stderr = ended.stderr.replace(name, "DIRECTORY");
    ended
}
