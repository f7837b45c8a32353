//! A hook sees signals on their way, and what it lets through goes the way it
//! would have gone.
//!
//! The scenarios are those of `tests/hooks/signals.c`.

use interceptor_tests::{Dist, Program, guest, need};

macro_rules! scenarios {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[test]
            fn $test() {
                let dist = need!(Dist::find());
                let hook = need!(guest("libsignals.so"));
                let program = Program::new("/bin/true").environment("SIGNALS", $name);
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
    handled_signals_are_shown_and_swallowed: "handled",
    fatal_signals_end_the_process_by_themselves: "fatal",
    stop_signals_stop_and_continue: "stopped",
    ignored_signals_stay_ignored: "ignored",
    a_hook_mends_a_fault: "edited",
    signals_of_libc_are_not_shown: "internal",
    hooks_are_interrupted_and_left: "nested",
}
