//! What `include/interceptor.h` says of hooks, and what becomes of those that do what
//! they may not.
//!
//! The scenarios are those of `tests/hooks/chain.c` and `misbehaving.c`.

use std::path::Path;

use interceptor_tests::{Dist, Ended, Program, differences_under, guest, need};

/// Runs a program with a hook library.
fn under(dist: &Dist, hook: &Path, program: &Program) -> Ended {
    program.under(dist, &["run".as_ref(), "--hook".as_ref(), hook.as_os_str()])
}

macro_rules! scenarios {
    ($($test:ident: $name:literal $(says $lines:literal)?,)*) => {
        $(
            #[test]
            fn $test() {
                let dist = need!(Dist::find());
                let hook = need!(guest("libchain.so"));
                let program = Program::new("/bin/true").environment("CHAIN", $name);
                let ended = under(&dist, &hook, &program);
                assert_eq!(
                    (ended.stdout.as_str(), ended.status.code()),
                    ("ok\n", Some(0)),
                    "{ended:?}"
                );
                let lines: &[&str] = &[$($lines)?];
                let said: Vec<&str> = ended.stderr.lines().collect();
                assert_eq!(said.join("\n"), lines.concat(), "{ended:?}");
            }
        )*
    };
}

scenarios! {
    a_word_goes_from_the_way_in_to_the_way_out: "pairs",
    hooks_are_asked_by_priority_and_told_in_reverse: "order",
    hooks_are_subscribed_by_lists_of_names_and_classes: "calls"
        says "interceptor: hook without a name: `opne` is no system call or class of calls (did you mean `open`?)
interceptor: hook bad: `%flie` is no system call or class of calls (did you mean `%file`?)",
    hooks_are_limited_in_number_and_known_by_their_size: "limits"
        says "interceptor: a hook was compiled for a newer libinterceptor.so, and needs what this one lacks",
    a_hook_that_was_taken_back_is_left_by_all_threads: "replaced",
    what_is_assigned_every_thread_sees_at_once: "assigned",
    what_a_hook_returns_is_the_result_and_minus_one_means_errno: "results",
    each_thread_has_a_word_for_each_hook: "words",
    registered_hooks_are_told_of_lives: "lives",
    registered_hooks_see_signals: "signals",
    calls_of_hooks_are_not_hooked: "reentered",
    memory_of_the_program_is_accessed_without_a_crash: "memory",
    numbers_have_names_for_c: "names",
    a_version_that_does_not_fit_is_said: "versions"
        says "interceptor: a newer hook was compiled for version 0.2.0, and this is 0.1.0: compile it anew, or install that version
interceptor: a hook was compiled for version 1.0.0, and this is 0.1.0: compile it anew, or install that version",
}

macro_rules! misbehaviours {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[test]
            fn $test() {
                let dist = need!(Dist::find());
                let hook = need!(guest("libmisbehaving.so"));
                let program = Program::new("/bin/true").environment("MISBEHAVE", $name);
                let registered = program.clone().environment("MISBEHAVES", "registered");
                for program in [program, registered] {
                    let ended = under(&dist, &hook, &program);
                    assert_eq!(
                        (ended.stdout.as_str(), ended.status.code()),
                        ("ok\n", Some(0)),
                        "{ended:?}"
                    );
                }
            }
        )*
    };
}

misbehaviours! {
    a_hook_that_crashes_ends_the_program_by_its_signal: "crashes",
    a_hook_that_recurses_without_an_end_faults: "recurses",
    signals_wait_for_a_hook_that_blocks: "blocks",
    a_hook_may_be_left_by_longjmp: "leaves",
    a_hook_may_end_the_process: "ends",
    a_vfork_child_that_is_killed_in_a_hook_leaves_its_parent_as_it_was: "dies",
    a_hook_that_makes_a_process_goes_on_as_a_hook: "makes",
    a_hook_may_spawn_programs: "spawns",
}

#[test]
fn a_hook_may_execute_every_call_itself() {
    let (dist, hook) = (need!(Dist::find()), need!(guest("libexecutes.so")));
    assert_eq!(need!(differences_under(|program| under(&dist, &hook, program))), "");
}

#[test]
fn a_registered_hook_may_execute_every_call_itself() {
    let (dist, hook) = (need!(Dist::find()), need!(guest("libexecutes.so")));
    let registered = |program: &Program| {
        under(&dist, &hook, &program.clone().environment("EXECUTES", "registered"))
    };
    assert_eq!(need!(differences_under(registered)), "");
}
