//! What users write: the environment, and lists of calls.

use interceptor_calls::parse_filter;

use crate::config::Config;

/// Entries of an environment, each ended by a zero.
pub(crate) fn environment(input: &[u8]) {
    let entries = || input.split(|byte| *byte == 0);
    let mut complaints = 0;
    let config = Config::parse(entries(), |bad| {
        assert!(!bad.wanted.is_empty());
        let whole = [bad.name.as_bytes(), b"=", bad.value].concat();
        assert!(entries().any(|entry| entry == whole), "what is named is there");
        complaints += 1;
    });
    assert!(complaints <= entries().count());
    assert!([config.trace_fd, config.segment_fd].into_iter().flatten().all(|fd| fd >= 0));
    for path in [b"".as_slice(), b"/", b"/lib/libc.so.6", input] {
        let _ = config.bypasses(path);
    }
}

/// A list of calls.
pub(crate) fn filter(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    match parse_filter(text) {
        Ok(set) => assert!(!set.contains(1 << 40)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
