//! What numbers of errors and signals are called.

use interceptor_calls::{
    Escaped, all, c_error, c_signal_name, error_description, error_name, error_number, signal_name,
};

#[test]
fn errors_have_the_names_and_descriptions_of_the_c_library() {
    for (error, name, description) in [
        (1, "EPERM", "Operation not permitted"),
        (2, "ENOENT", "No such file or directory"),
        (11, "EAGAIN", "Resource temporarily unavailable"),
        (35, "EDEADLK", "Resource deadlock avoided"),
        (95, "EOPNOTSUPP", "Operation not supported"),
        (133, "EHWPOISON", "Memory page has hardware error"),
    ] {
        assert_eq!(error_name(error), Some(name));
        assert_eq!(error_description(error), Some(description));
    }
    for error in (1..=133).filter(|error| ![41, 58].contains(error)) {
        let name = error_name(error).expect("a name");
        let known = std::io::Error::from_raw_os_error(error as i32).to_string();
        let described = error_description(error).expect("a description");
        assert_eq!(known, format!("{described} (os error {error})"), "{name}");
    }
}

#[test]
fn errors_that_only_the_kernel_and_tracers_see_are_known() {
    assert_eq!(error_name(512), Some("ERESTARTSYS"));
    assert_eq!(error_name(513), Some("ERESTARTNOINTR"));
    assert_eq!(error_name(514), Some("ERESTARTNOHAND"));
    assert_eq!(error_name(516), Some("ERESTART_RESTARTBLOCK"));
}

#[test]
fn other_numbers_are_no_errors() {
    for error in [0, 41, 58, 134, 511, 520, 532, 4096, u64::MAX] {
        assert_eq!(error_name(error), None, "{error}");
    }
}

#[test]
fn signals_have_names_without_sig() {
    assert_eq!(signal_name(1), Some("HUP"));
    assert_eq!(signal_name(11), Some("SEGV"));
    assert_eq!(signal_name(31), Some("SYS"));
    for signal in [0, 32, 64, u64::MAX] {
        assert_eq!(signal_name(signal), None, "{signal}");
    }
}

#[test]
fn names_for_c_are_the_same() {
    for call in all() {
        assert_eq!(call.c_name().to_str(), Ok(call.name()));
    }
    for error in 1..600 {
        let c = c_error(error).map(|(name, description)| (name.to_str(), description.to_str()));
        let rust = error_name(error).map(|name| (Ok(name), Ok(error_description(error).unwrap())));
        assert_eq!(c, rust);
        assert!(error_name(error).is_none_or(|name| error_number(name) == Some(error)));
    }
    assert_eq!(error_number("ENONE"), None);
    assert_eq!(c_signal_name(2), Some(c"SIGINT"));
    assert_eq!(c_signal_name(32), None);
}

#[test]
fn bytes_are_escaped_as_in_c() {
    assert_eq!(Escaped(b"a\"b\n\x00\x011\xff").to_string(), "a\\\"b\\n\\0\\0011\\377");
}
