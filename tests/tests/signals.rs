//! A hook sees signals on their way, and what it lets through goes the way it
//! would have gone.
//!
//! The scenarios are those of `tests/hooks/signals.c`, `interruptible.c` and `unwound.cc`.

use interceptor_tests::{Dist, Program, guest, need};

macro_rules! scenarios {
    ($library:literal, $variable:literal: $($test:ident: $name:literal,)*) => {
        $(
            #[test]
            fn $test() {
                let dist = need!(Dist::find());
                let hook = need!(guest($library));
                let program = Program::new("/bin/true").environment($variable, $name);
                let ended =
                    program.under(&dist, &["run".as_ref(), "--hook".as_ref(), hook.as_os_str()]);
                assert_eq!(
                    (ended.stdout.as_str(), ended.status.code()),
                    ("ok\n", Some(0)),
                    "{ended:?}"
                );
            }
        )*
    };
}

scenarios! {
    "libsignals.so", "SIGNALS":
    handled_signals_are_shown_and_swallowed: "handled",
    fatal_signals_end_the_process_by_themselves: "fatal",
    stop_signals_stop_and_continue: "stopped",
    ignored_signals_stay_ignored: "ignored",
    a_hook_mends_a_fault: "edited",
    signals_of_libc_are_not_shown: "internal",
    signals_come_after_a_hook_of_signals_in_their_order: "nested",
    faults_that_are_sent_wait_for_a_hook: "sent",
    a_hook_may_let_itself_be_interrupted: "interruptible",
    all_signals_at_once_find_room_on_the_stack_of_a_hook: "at once",
    queued_signals_keep_their_order_though_a_hook_ran: "ordered",
    a_hook_may_make_calls_while_a_handler_is_on_the_alternate_stack: "on alternate",
    a_hook_that_faults_while_a_handler_is_on_the_alternate_stack_is_mended_there: "fault on alternate",
    a_signal_that_is_swallowed_leaves_those_of_the_same_moment_their_masks: "one swallowed",
}

scenarios! {
    "libinterruptible.so", "INTERRUPTIBLE":
    handlers_that_interrupt_a_hook_have_the_stack_of_the_program: "at random",
    all_signals_at_once_in_a_hook_that_they_interrupt_find_the_stack_of_the_program: "at once",
    a_fault_in_a_hook_is_handled_on_the_stack_of_the_program: "fault",
    a_handler_that_interrupts_a_hook_may_make_children_on_its_own_memory: "births",
    a_child_that_is_killed_with_all_levels_in_use_leaves_them_to_its_parent: "killed",
    words_of_hooks_in_a_row_outlive_a_handler_that_interrupts_one: "in a row",
}

#[test]
fn handlers_leave_calls_that_a_hook_was_in_by_exceptions_and_contexts_ten_deep() {
    let dist = need!(Dist::find());
    let hook = need!(guest("libunwound.so"));
    Program::new("/bin/true").says_ok_by_each_rung(&dist, &hook);
}

#[test]
fn hooks_of_signals_work_where_sites_are_trapped() {
    let dist = need!(Dist::find());
    let hook = need!(guest("libsignals.so"));
    for name in ["one swallowed", "nested", "sent", "on alternate", "fault on alternate"] {
        let program = Program::new("/bin/true").environment("SIGNALS", name);
        let program = program.environment("INTERCEPTOR_FORCE_RUNG", "trap");
        let ended = program.under(&dist, &["run".as_ref(), "--hook".as_ref(), hook.as_os_str()]);
        assert_eq!(
            (ended.stdout.as_str(), ended.status.code()),
            ("ok\n", Some(0)),
            "{name}: {ended:?}"
        );
    }
}

#[test]
fn a_hook_may_come_to_traps_itself() {
    let dist = need!(Dist::find());
    let hook = need!(guest("libcalls_libc.so"));
    let guests = [
        "signal_altstack_calls",
        "signal_altstack_sent",
        "signal_ill_fd",
        "signal_ill_stacked",
        "signal_ill_waits",
        "signal_masks",
        "signal_nested",
    ];
    for name in guests {
        let program = Program::new(need!(guest(name)));
        let native = program.natively();
        for rung in ["trap", "hole"] {
            let program = program.clone().environment("INTERCEPTOR_FORCE_RUNG", rung);
            let hook: &[&std::ffi::OsStr] = &["run".as_ref(), "--hook".as_ref(), hook.as_os_str()];
            assert_eq!(program.under(&dist, hook), native, "{name}, {rung}");
        }
    }
}

#[test]
fn changed_calls_that_coroutines_were_left_in_come_out_with_the_registers_of_the_program() {
    let dist = need!(Dist::find());
    let hook = need!(guest("libchange_calls.so"));
    let program = Program::new(need!(guest("signal_coroutines")));
    let native = program.natively();
    let program = program.environment("CHANGED", "1");
    let ended = program.under(&dist, &["run".as_ref(), "--hook".as_ref(), hook.as_os_str()]);
    assert_eq!(ended, native);
}

/// What a program writes to standard error, with the report on, and how it ends.
fn report_of(program: &Program) -> Result<(String, Option<i32>), interceptor_tests::Missing> {
    let dist = Dist::find()?;
    let native = program.natively();
    let program = program.clone().environment("INTERCEPTOR_CRASH_REPORT", "1");
    let ended = program.under(&dist, &["run"]);
    assert_eq!((ended.status, &ended.stdout), (native.status, &native.stdout), "{ended:?}");
    Ok((ended.stderr, ended.status.signal()))
}

#[test]
fn a_crash_is_reported_with_its_callers() {
    // A call to nowhere, whose caller has just pushed its address.
    let (text, signal) = need!(report_of(&Program::new(need!(guest("dies_by_null_call")))));
    assert_eq!(signal, Some(11));
    assert_eq!(text.matches("crash: SIGSEGV (11), code 1, address 0x0").count(), 1, "{text}");
    assert!(text.contains("#0 0000000000000000 in no object"), "{text}");
    assert!(text.contains("__libc_start_main+"), "{text}");
    assert!(text.contains("rip 0000000000000000 "), "{text}");
    // Through the frame of a signal handler, and the recursion that raised it.
    let (text, signal) = need!(report_of(&Program::new(need!(guest("dies_in_handler")))));
    assert_eq!(signal, Some(11));
    assert!(text.contains("code 1, address 0x10,"), "{text}");
    let frames = text.lines().filter(|line| line.contains("crash: #"));
    let of_guest = frames.filter(|line| line.contains("/dies_in_handler+0x")).count();
    // The handler, raise_it four times, main, _start.
    assert!(of_guest >= 7 && text.contains("__libc_start_main+"), "{text}");
}

#[test]
fn a_crash_report_names_the_sender_and_not_what_is_survived() {
    let (text, signal) = need!(report_of(&Program::shell("kill -TERM $$")));
    assert_eq!(signal, Some(15));
    assert!(text.contains("crash: SIGTERM (15), code 0, from process "), "{text}");
    let script = "trap : TERM USR1; kill -TERM $$; kill -USR1 $$; kill -WINCH $$; exit 3";
    let (text, signal) = need!(report_of(&Program::shell(script)));
    assert_eq!((text.as_str(), signal), ("", None));
}

#[test]
fn threads_may_be_given_an_alternate_stack_that_the_program_does_not_see() {
    let dist = need!(Dist::find());
    let hook = need!(guest("libforward_all.so"));
    let guests =
        ["signal_given_stack", "signal_altstack", "signal_odd", "signal_nested", "threads"];
    for name in guests {
        let program = Program::new(need!(guest(name)));
        let native = program.natively();
        let program = program.environment("INTERCEPTOR_ALTSTACK", "65536");
        let program = program.environment("GIVEN", "65536");
        let hook: &[&std::ffi::OsStr] = &["run".as_ref(), "--hook".as_ref(), hook.as_os_str()];
        for options in [&["run".as_ref()], hook] {
            assert_eq!(program.under(&dist, options), native, "{name}");
        }
    }
}

#[test]
fn an_overflow_is_reported_on_the_stack_that_was_given() {
    let program = Program::new(need!(guest("dies_by_overflow")));
    let (text, signal) =
        need!(report_of(&program.clone().environment("INTERCEPTOR_ALTSTACK", "32768")));
    assert_eq!((text.matches("crash: SIGSEGV (11)").count(), signal), (1, Some(11)), "{text}");
    assert!(text.contains("/dies_by_overflow+0x"), "{text}");
    let (text, _) = need!(report_of(&program.environment("INTERCEPTOR_ALTSTACK", "100")));
    assert!(text.contains("INTERCEPTOR_ALTSTACK"), "{text}");
}
