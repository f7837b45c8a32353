//! The environment may hold anything.

use interceptor_abi::env;
use proptest::prelude::*;

use crate::config::Config;

/// Names that are read.
const NAMES: &[&str] = &[
    env::MODE,
    env::TRACE_FD,
    env::SEGMENT_FD,
    env::MEMBER,
    env::TRACE_CALLS,
    env::TRACE_STRING_LIMIT,
    env::CRASH_REPORT,
    env::STAT,
    env::BYPASS,
    env::COMPAT_BYPASS,
    env::CMDLINE_FILTER,
    env::COMPAT_CMDLINE_FILTER,
    env::DEBUG_DUMP,
    env::COMPAT_DEBUG_DUMP,
    env::FORCE_RUNG,
    env::CARRY,
    env::STDERR,
    env::SAVE,
];

/// Values that some variable takes, so that good and bad ones mix.
const VALUES: &[&str] = &[
    "",
    "0",
    "1",
    "on",
    "off",
    "hole",
    "trap",
    "moves",
    "xsave",
    "1:2",
    "ffff:ffff",
    "0-5,9",
    "4294967296",
    "-1",
    "0-18446744073709551615",
    ":",
    "a:b",
    "1-",
    "5-2",
    "1,,2",
];

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(VALUES).prop_map(|value| value.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>().prop_filter("no NUL", |byte| *byte != 0), 0..40),
    ]
}

fn entry() -> impl Strategy<Value = Vec<u8>> {
    let named = (prop::sample::select(NAMES), value())
        .prop_map(|(name, value)| [name.as_bytes(), b"=", &value].concat());
    let anything = prop::collection::vec(1..=u8::MAX, 0..60);
    let nearly = anything.clone().prop_map(|rest| [b"INTERCEPT".as_slice(), &rest].concat());
    prop_oneof![4 => named, 1 => anything, 1 => nearly]
}

/// What a configuration comes to, without its lifetime.
fn essence(config: &Config<'_>) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        (config.off, config.trace_fd, config.string_limit, config.segment_fd, config.stat),
        (config.bypass.to_vec(), config.cmdline_filter.map(<[u8]>::to_vec), config.debug_dump),
        (config.xsave, config.carry, config.crash_report, config.stderr),
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        max_global_rejects: 100_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_environment_is_too_odd(environment in prop::collection::vec(entry(), 0..12)) {
        let mut complaints = 0;
        let config = Config::parse(environment.iter().map(Vec::as_slice), |bad| {
            assert!(NAMES.contains(&bad.name));
            assert!(!bad.wanted.is_empty());
            let whole = [bad.name.as_bytes(), b"=", bad.value].concat();
            assert!(environment.contains(&whole), "what is named is there");
            complaints += 1;
        });
        prop_assert!(complaints <= environment.len());
        for fd in [config.trace_fd, config.segment_fd].into_iter().flatten() {
            prop_assert!(fd >= 0);
        }
        for path in [b"".as_slice(), b"/", b"/lib/libc.so.6"] {
            let _ = config.bypasses(path);
        }
    }

    #[test]
    fn what_is_complained_of_changes_nothing(
        good in prop::collection::vec(entry(), 0..6),
        bad in entry(),
    ) {
        let mut is_bad = false;
        Config::parse(std::iter::once(bad.as_slice()), |_| is_bad = true);
        prop_assume!(is_bad);
        let before = good.iter().map(Vec::as_slice);
        let with = before.clone().chain([bad.as_slice()]);
        let without = essence(&Config::parse(before, |_| {}));
        prop_assert_eq!(essence(&Config::parse(with, |_| {})), without);
    }

    #[test]
    fn numbers_of_calls_are_those_given(numbers in prop::collection::btree_set(0u64..512, 1..20)) {
        let text: Vec<String> = numbers.iter().map(u64::to_string).collect();
        let entry = format!("{}={}", env::TRACE_CALLS, text.join(","));
        let config = Config::parse(std::iter::once(entry.as_bytes()), |bad| panic!("{}", bad.wanted));
        let set = config.trace_calls.expect("a set");
        for nr in 0..1000 {
            prop_assert_eq!(set.contains(nr), numbers.contains(&nr));
        }
    }
}
