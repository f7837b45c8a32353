//! `plan`: what it finds is what start-up finds, is used as long as files are as they were,
//! and does no harm when it is damaged.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use interceptor_abi::plans::{Entry, Header, Sum};
use interceptor_rewrite::{SitePlan, Verdict};
use interceptor_tests::{Dist, Scratch, guest, need};

const WORD: usize = size_of::<u64>();
const ENTRY: usize = size_of::<Entry>();

/// What a program prints, and what the runtime says that it has found in its objects.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    status: Option<i32>,
    stdout: String,
    coverage: Vec<String>,
    said: Vec<String>,
}

impl Found {
    /// The line of an object.
    fn of(&self, name: &str) -> Option<&str> {
        let mut lines = self.coverage.iter();
        lines.find(|line| line.contains(&format!("{name}:"))).map(String::as_str)
    }
}

/// Runs a program with the runtime of a library and the plans of a file.
fn run(runtime: &Path, plans: Option<&Path>, program: &Path, arguments: &[&str]) -> Found {
    let mut command = Command::new(program);
    command.args(arguments).env("LD_PRELOAD", runtime).env("INTERCEPTOR_DEBUG_DUMP", "1");
    if let Some(plans) = plans {
        command.env("INTERCEPTOR_PLANS", plans);
    }
    let Output { status, stdout, stderr } = command.output().expect("a program");
    let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    let lines = stderr.lines().map(str::to_owned);
    let (coverage, said) = lines.partition(|line| line.contains(" missed "));
    Found { status: status.code(), stdout, coverage, said }
}

fn off() -> &'static Path {
    Path::new("off")
}

fn say(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A file of plans for programs.
fn planned<P: AsRef<OsStr>>(dist: &Dist, scratch: &Scratch, programs: &[P]) -> PathBuf {
    let file = scratch.path("plans");
    let (status, stdout, stderr) = say(&dist.plan(&file, programs));
    assert_eq!((status, stderr.as_str()), (Some(0), ""), "{stdout}");
    file
}

/// Changes the entry of a file and its plans, and makes its sum right.
fn edit(plans: &Path, of: &Path, change: impl Fn(&mut Entry, &mut [u64])) {
    let inode = fs::metadata(of).expect("a file").ino();
    let mut words = words_of(plans);
    let header = Header::from_words(words[..4].try_into().expect("4 words")).expect("a header");
    let (first, len) = (Header::SIZE / WORD, ENTRY / WORD);
    let mut edited = 0;
    for slot in 0..header.slots as usize {
        let place = first + slot * len..first + (slot + 1) * len;
        let mut entry = Entry::from_words(words[place.clone()].try_into().expect("an entry"));
        if entry.state.inode != inode {
            continue;
        }
        let plans = entry.plans as usize / WORD;
        let plans = &mut words[plans..plans + entry.count as usize];
        change(&mut entry, plans);
        let mut sum = entry.sum_without_plans();
        plans.iter().for_each(|word| sum.add(*word));
        entry.sum = sum.0;
        words[place].copy_from_slice(&entry.to_words());
        edited += 1;
    }
    assert_eq!(edited, 1, "{}", of.display());
    let bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
    fs::write(plans, bytes).expect("a file of plans");
}

fn words_of(plans: &Path) -> Vec<u64> {
    let bytes = fs::read(plans).expect("a file of plans");
    assert!(bytes.len().is_multiple_of(WORD));
    bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

/// Says of all sites of a file that they are none: who believes that leaves them alone.
fn say_that_there_are_none(plans: &Path, of: &Path) {
    edit(plans, of, |entry, plans| {
        entry.text = Sum::default().0;
        for word in plans {
            let site = SitePlan::unpack(*word, &(0..entry.len)).expect("a plan");
            let none = SitePlan { verdict: Verdict::NotCode, ..site };
            *word = none.pack(0).expect("a word");
        }
    });
}

/// Whether the sites of the program were left alone.
fn are_left_alone(found: &Found) -> bool {
    are_left_alone_of(found, "/program")
}

fn are_left_alone_of(found: &Found, name: &str) -> bool {
    let line = found.of(name).expect("a line");
    line.contains(": hole 0 after 0 before 0 trap 0 missed 0 ")
}

/// A program with sites of its own, as a file that may be changed.
fn own_program(scratch: &Scratch) -> Result<PathBuf, interceptor_tests::Missing> {
    Ok(scratch.copy(guest("registers")?, "program"))
}

#[test]
fn programs_are_patched_as_without_plans() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let programs: [(&str, &[&str]); 5] = [
        ("/bin/ls", &["/"]),
        ("/bin/bash", &["-c", "echo $((6 * 7))"]),
        ("/usr/bin/git", &["--version"]),
        ("/usr/bin/perl", &["-e", "print 6 * 7"]),
        ("/usr/bin/python3", &["-c", "print(6 * 7)"]),
    ];
    let file = planned(&dist, &scratch, &programs.map(|(program, _)| program));
    for (program, arguments) in programs {
        let program = Path::new(program);
        let anew = run(&dist.runtime(), Some(off()), program, arguments);
        assert_eq!((anew.status, anew.said.as_slice()), (Some(0), [].as_slice()), "{anew:?}");
        assert!(anew.of("libc.so.6").is_some(), "{anew:?}");
        assert_eq!(run(&dist.runtime(), Some(&file), program, arguments), anew);
    }
}

#[test]
fn plans_take_the_place_of_a_search() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let program = need!(own_program(&scratch));
    let file = planned(&dist, &scratch, &[&program]);
    let anew = run(&dist.runtime(), Some(off()), &program, &[]);
    assert!(!are_left_alone(&anew), "{anew:?}");
    say_that_there_are_none(&file, &program);
    let found = run(&dist.runtime(), Some(&file), &program, &[]);
    assert!(are_left_alone(&found), "{found:?}");
    assert_eq!((found.status, &found.stdout), (anew.status, &anew.stdout), "{found:?}");
}

#[test]
fn what_has_changed_is_planned_anew() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let program = need!(own_program(&scratch));
    let file = planned(&dist, &scratch, &[&program]);
    say_that_there_are_none(&file, &program);
    let anew = run(&dist.runtime(), Some(off()), &program, &[]);
    OpenOptions::new()
        .append(true)
        .open(&program)
        .expect("a program")
        .write_all(b"more")
        .expect("room");
    assert_eq!(run(&dist.runtime(), Some(&file), &program, &[]), anew);

    let none: [&str; 0] = [];
    let (status, stdout, _) = say(&dist.plan(&file, none));
    let line = stdout.lines().find(|line| line.contains("/program,")).expect("a line");
    assert!(status == Some(0) && line.ends_with(", planned"), "{stdout}");
    assert!(stdout.lines().any(|line| line.ends_with("libc.so.6, as before")), "{stdout}");
    assert_eq!(run(&dist.runtime(), Some(&file), &program, &[]), anew);
    say_that_there_are_none(&file, &program);
    assert!(are_left_alone(&run(&dist.runtime(), Some(&file), &program, &[])));

    // Another file in its place, and none.
    fs::remove_file(&program).expect("a program");
    let program = need!(own_program(&scratch));
    assert_eq!(run(&dist.runtime(), Some(&file), &program, &[]), anew);
    fs::remove_file(&program).expect("a program");
    let (status, stdout, _) = say(&dist.plan(&file, none));
    let line = stdout.lines().find(|line| line.contains("/program,")).expect("a line");
    assert!(status == Some(0) && line.ends_with("left out: No such file or directory"), "{stdout}");
    let (_, stdout, _) = say(&dist.plan(&file, none));
    assert!(!stdout.contains("/program"), "{stdout}");
}

#[test]
fn text_that_is_not_what_was_planned_is_planned_anew() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let program = need!(own_program(&scratch));
    let file = planned(&dist, &scratch, &[&program]);
    let anew = run(&dist.runtime(), Some(off()), &program, &[]);
    edit(&file, &program, |entry, _| entry.text ^= 1);
    assert_eq!(run(&dist.runtime(), Some(&file), &program, &[]), anew);
    // Another length, another segment.
    let longer = |entry: &mut Entry, _: &mut [u64]| entry.len += 4096;
    let elsewhere = |entry: &mut Entry, _: &mut [u64]| entry.offset += 4096;
    for change in [longer, elsewhere] {
        edit(&file, &program, change);
        assert_eq!(run(&dist.runtime(), Some(&file), &program, &[]), anew);
    }
}

#[test]
fn a_damaged_file_does_no_harm() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let program = need!(own_program(&scratch));
    let file = planned(&dist, &scratch, &[&program]);
    let anew = run(&dist.runtime(), Some(off()), &program, &[]);
    let whole = fs::read(&file).expect("a file of plans");
    let check = |bytes: &[u8], what: &str| {
        fs::write(&file, bytes).expect("a file of plans");
        let Found { said, .. } = run(&dist.runtime(), Some(&file), &program, &[]);
        assert!(said.len() <= 3, "{what}: {said:?}");
        for line in &said {
            let names_the_cause = line.contains("plans") && line.contains("plans anew");
            assert!(names_the_cause, "{what}: {line}");
        }
        let found = run(&dist.runtime(), Some(&file), &program, &[]);
        assert_eq!(Found { said: Vec::new(), ..found }, anew, "{what}");
        !said.is_empty()
    };
    let places = (0..Header::SIZE).chain((Header::SIZE..whole.len()).step_by(151));
    let mut noticed = 0;
    for place in places {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x5a;
        noticed += usize::from(check(&bytes, &format!("byte {place}")));
    }
    assert!(noticed > 10, "{noticed}");
    for len in (0..whole.len()).step_by(whole.len() / 40) {
        check(&whole[..len], &format!("{len} bytes"));
    }
    // It is mended by the next `plan`.
    fs::write(&file, &whole[..whole.len() / 2]).expect("a file of plans");
    let file = planned(&dist, &scratch, &[&program]);
    assert_eq!(run(&dist.runtime(), Some(&file), &program, &[]), anew);
}

#[test]
fn only_a_file_that_others_cannot_write_is_used() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let program = need!(own_program(&scratch));
    let file = planned(&dist, &scratch, &[&program]);
    assert_eq!(fs::metadata(&file).expect("a file of plans").mode() & 0o777, 0o644);
    let anew = run(&dist.runtime(), Some(off()), &program, &[]);
    say_that_there_are_none(&file, &program);
    let refused = |path: &Path, why: &str| {
        let found = run(&dist.runtime(), Some(path), &program, &[]);
        let says_why = found.said.len() == 1 && found.said[0].contains(why);
        assert!(says_why, "{found:?}");
        assert_eq!(Found { said: Vec::new(), ..found }, anew);
    };
    for mode in [0o664, 0o646] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("permissions");
        refused(&file, "EPERM");
    }
    refused(&scratch.path("none"), "ENOENT");
    refused(Path::new("/dev/null"), "EPERM");
    refused(Path::new("relative"), "an absolute path, or off");
}

#[test]
fn the_file_beside_the_runtime_is_found() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let program = need!(own_program(&scratch));
    fs::create_dir(scratch.path("bin")).expect("a directory");
    fs::create_dir(scratch.path("lib")).expect("a directory");
    let command = scratch.copy(dist.command(), "bin/interceptor");
    let runtime = scratch.copy(dist.runtime(), "lib/libinterceptor.so");
    let output = Command::new(&command).arg("plan").arg(&program).output().expect("the command");
    let (status, stdout, stderr) = say(&output);
    assert_eq!((status, stderr.as_str()), (Some(0), ""), "{stdout}");
    let file = scratch.path("lib/interceptor/plans");
    assert!(
        stdout.lines().last().is_some_and(|line| line.starts_with(file.to_str().expect("a path")))
    );
    let anew = run(&runtime, Some(off()), &program, &[]);
    assert_eq!(run(&runtime, None, &program, &[]), anew);
    let doctor = Command::new(&command).arg("doctor").arg(&program).output().expect("the command");
    let (_, stdout, _) = say(&doctor);
    let line = format!("plans     3 of 3 objects, in {}", file.display());
    assert!(stdout.lines().any(|found| found == line), "{stdout}");
    say_that_there_are_none(&file, &program);
    assert!(are_left_alone(&run(&runtime, None, &program, &[])));
    // Nobody has asked for it, so nothing is said.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("permissions");
    assert_eq!(run(&runtime, None, &program, &[]), anew);
}

#[test]
fn what_cannot_be_planned_is_named() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let file = scratch.path("plans");
    let (status, _, stderr) = say(&dist.plan(&file, ["no-such-program"]));
    assert!(status == Some(127) && stderr.lines().count() == 1, "{stderr}");
    let hook = need!(guest("libforward_all.so"));
    let (status, stdout, _) = say(&dist.plan(&file, [&hook]));
    assert!(status == Some(0) && stdout.contains("left out: it is a hook"), "{stdout}");
    let (status, _, stderr) = say(&dist.plan(Path::new("/dev/null/plans"), ["/bin/true"]));
    assert!(status == Some(2) && stderr.contains("INTERCEPTOR_PLANS"), "{stderr}");
}

#[test]
fn plans_of_many_files_are_all_found() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let copies: Vec<PathBuf> = (0..60)
        .map(|n| guest("registers").map(|from| scratch.copy(from, &format!("program{n}"))))
        .collect::<Result<_, _>>()
        .unwrap_or_default();
    need!(guest("registers"));
    let file = planned(&dist, &scratch, &copies);
    for copy in &copies {
        say_that_there_are_none(&file, copy);
    }
    for (n, copy) in copies.iter().enumerate().step_by(7) {
        let found = run(&dist.runtime(), Some(&file), copy, &[]);
        assert!(are_left_alone_of(&found, &format!("/program{n}")), "{found:?}");
    }
}
