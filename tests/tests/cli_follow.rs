//! Interception goes along with exec, whatever environment is passed, and says
//! where it cannot.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::process::Command;

use interceptor_tests::{Dist, Missing, Program, Scratch, guest, installed, need, skip};

/// Runs `script` by sh under trace. Returns the trace and what went to
/// standard error.
fn trace(dist: &Dist, script: &str, environment: &[(&str, &str)]) -> (String, String) {
    let scratch = Scratch::new();
    let report = scratch.path("report");
    let report = report.to_str().expect("a name in UTF-8");
    let mut program = Program::shell(script);
    for (name, value) in environment {
        program = program.environment(name, value);
    }
    let ended = program.under(dist, &["trace", "-o", report]);
    (fs::read_to_string(report).expect("a report"), ended.stderr)
}

/// Images that were seen: each ends its own exec.
fn images(trace: &str) -> usize {
    trace.lines().filter(|line| line.contains("<... execve resumed>) = 0")).count()
}

#[test]
fn a_cleaned_environment_is_followed() {
    let dist = need!(Dist::find());
    let (seen, _) = trace(&dist, "exec env -i env -i /bin/cat /dev/null", &[]);
    assert_eq!(images(&seen), 3, "{seen}");
    let last = seen.rsplit("execve resumed").next().expect("a last image");
    assert!(last.contains("/dev/null") && last.contains("exit_group(0)"), "{last}");
}

#[test]
fn a_cleaned_environment_is_followed_out_of_vfork_and_fork() {
    let dist = need!(Dist::find());
    let python = need!(installed("python3"));
    let script = format!(
        "{python} -c 'import subprocess; subprocess.run([\"/bin/true\"], env={{}}); \
         subprocess.run([\"/bin/true\"], env={{}}, preexec_fn=int)'",
        python = python.display()
    );
    let (seen, _) = trace(&dist, &script, &[]);
    assert!(images(&seen) >= 3, "{seen}");
}

#[test]
fn the_program_sees_the_environment_that_was_passed() {
    let dist = need!(Dist::find());
    for passed in ["", "A=b", "A=b LD_PRELOAD=", "LD_PRELOAD=/no/such/library.so:/nor/this A=b"] {
        let program = Program::shell(&format!("exec env -i {passed} env"));
        assert_eq!(program.under(&dist, &["run"]), program.natively(), "{passed}");
    }
}

#[test]
fn a_setting_lets_programs_with_a_cleaned_environment_go() {
    let dist = need!(Dist::find());
    let settings = [("INTERCEPTOR_CARRY", "0")];
    let (seen, _) = trace(&dist, "exec env -i /bin/cat /dev/null", &settings);
    assert_eq!(images(&seen), 1, "{seen}");
    let (seen, _) = trace(&dist, "exec env A=b /bin/cat /dev/null", &settings);
    assert_eq!(images(&seen), 2, "{seen}");
}

#[test]
fn what_cannot_be_followed_is_said_once_and_counted() {
    let dist = need!(Dist::find());
    let ldconfig = need!(installed("/sbin/ldconfig"));
    let scratch = Scratch::new();
    let script = scratch.file("script", 0o755, format!("#!{} -V\n", ldconfig.display()));
    let command = format!(
        "{ldconfig} -V >/dev/null; {ldconfig} -V >/dev/null; {script} >/dev/null; true",
        ldconfig = ldconfig.display(),
        script = script.display()
    );
    let (seen, error) = trace(&dist, &command, &[]);
    let said: Vec<&str> = error.lines().filter(|line| line.contains("statically linked")).collect();
    assert_eq!(said.len(), 1, "{error}");
    assert!(said[0].contains("ldconfig"), "{error}");
    assert!(seen.contains("3 programs could not be followed"), "{seen}");
}

/// Prints how many strings of its environment are no variables, how many are ours, and how
/// many have no value.
const ENVIRONMENT_OF_ONE_ALONE: &str = r#"
#include <stdio.h>
#include <string.h>
extern char **environ;
int main(void) {
    int odd = 0, ours = 0, empty = 0;
    for (char **string = environ; *string; string++) {
        const char *equals = strchr(*string, '=');
        odd += !equals || equals == *string;
        ours += !strncmp(*string, "INTERCEPT", 9) || !strncmp(*string, "LD_PRELOAD=", 11);
        empty += equals && !equals[1];
    }
    printf("%d %d %d\n", odd, ours, empty);
}
"#;

#[test]
fn a_program_that_would_not_find_the_runtime_runs_alone_and_does_not_hear_of_it() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let runtime = scratch.path("libinterceptor.so");
    fs::copy(dist.runtime(), &runtime).expect("a copy");
    // As in another root, or as a user who may not come here.
    let script = format!("rm {}; env; LD_PRELOAD= env -i env; exec true", runtime.display());
    let program = Program::shell(&script);
    let runtime = runtime.to_str().expect("a name in UTF-8");
    let ended = program
        .environment("INTERCEPTOR_LIB", runtime)
        .under(&dist, &["stat".as_ref(), "-o".as_ref(), scratch.path("report").as_os_str()]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let preload = ended.stdout.lines().find(|line| line.starts_with("LD_PRELOAD="));
    assert_eq!(preload, Some("LD_PRELOAD="), "{ended:?}");
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert!(matches!(lines[..], [said] if said.contains("cannot find the runtime")), "{ended:?}");
}

#[test]
fn a_program_that_runs_alone_gets_variables_and_hands_them_on() {
    let dist = need!(Dist::find());
    let compiler = need!(installed("cc"));
    let scratch = Scratch::new();
    let source = scratch.file("alone.c", 0o644, ENVIRONMENT_OF_ONE_ALONE);
    let alone = scratch.path("alone");
    let built = Command::new(compiler).args(["-static", "-o"]).arg(&alone).arg(&source).status();
    assert!(built.expect("a compiler").success());
    let alone = alone.display();
    let said = |program: Program, words: &[&str]| {
        let ended = program.under(&dist, words);
        let numbers = ended.stdout.split_whitespace().map(|number| number.parse());
        numbers.collect::<Result<Vec<u32>, _>>().expect("three numbers")
    };
    // Cleaned, and as it is.
    for script in [format!("exec env -i {alone}"), format!("exec env -i A=b env {alone}")] {
        let found = said(Program::shell(&script), &["run"]);
        assert!(matches!(found[..], [0, ours, 0] if ours > 0), "{script}: {found:?}");
    }
}

#[test]
fn a_program_that_a_filter_leaves_out_keeps_our_variables_and_no_others() {
    let dist = need!(Dist::find());
    let bash = need!(installed("bash"));
    let program = Program::new(bash).arguments(["-c", "exec -c /usr/bin/env"]);
    let ended = program.environment("INTERCEPTOR_CMDLINE_FILTER", "bash").under(&dist, &["run"]);
    let mut names = ended.stdout.lines().map(|line| line.split_once('=').expect("a variable").0);
    assert!(names.clone().any(|name| name == "LD_PRELOAD"), "{}", ended.stdout);
    assert!(names.all(|name| name != "INTERCEPTOR_CARRIED"), "{}", ended.stdout);
}

#[test]
fn a_dynamic_linker_that_is_executed_is_followed() {
    let dist = need!(Dist::find());
    let musls = need!(guest("numbers.musl"));
    let programs = [
        ("/lib64/ld-linux-x86-64.so.2", "/bin/true".to_owned()),
        ("/lib/ld-musl-x86_64.so.1", musls.display().to_string()),
    ];
    for (linker, program) in programs {
        let (seen, error) = trace(&dist, &format!("{linker} {program} > /dev/null; true"), &[]);
        assert!(error.is_empty(), "{error}");
        assert!(!seen.contains("could not be followed"), "{seen}");
        // The shell's child, and the shell.
        assert_eq!(seen.matches("exit_group(0)").count(), 2, "{seen}");
    }
}

#[test]
fn a_program_with_other_privileges_is_not_followed() {
    let dist = need!(Dist::find());
    let scratch = Scratch::new();
    let program = scratch.copy("/bin/true", "setuid");
    let owner = fs::metadata(&program).expect("its owner").uid();
    if owner != 0 {
        return skip(&Missing("root, to make a setuid program".to_owned()));
    }
    chown(&program, Some(65534), None).expect("another owner");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).expect("a setuid bit");
    let (_, error) = trace(&dist, &format!("{}; true", program.display()), &[]);
    assert!(error.contains("is setuid"), "{error}");
}

#[test]
fn a_program_that_asks_whether_there_are_filters_is_traced_on() {
    let dist = need!(Dist::find());
    need!(installed("perl"));
    // prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL), seccomp(SECCOMP_SET_MODE_FILTER, 0, NULL).
    let asks = "perl -e 'syscall(157, 22, 2, 0); syscall(317, 1, 0, 0); exit 3'";
    let (seen, _) = trace(&dist, asks, &[]);
    assert!(!seen.contains("restricts"), "{seen}");
    assert_eq!(seen.matches("EFAULT").count(), 2, "{seen}");
    assert!(seen.contains("exit_group(3)"), "{seen}");
}
