//! Sets of calls, as users write them and as the environment carries them.

use interceptor_calls::{CallSet, all, by_name, parse_filter};

fn names(filter: &str) -> Vec<&'static str> {
    let set = parse_filter(filter).expect("a good filter");
    all().filter(|call| set.contains(call.nr.into())).map(|call| call.name()).collect()
}

fn nr(name: &str) -> u64 {
    by_name(name).expect("a call").nr.into()
}

#[test]
fn a_filter_lists_calls_by_name() {
    assert_eq!(names("open,read,close"), ["read", "open", "close"]);
    assert_eq!(names("trace=read"), ["read"]);
}

#[test]
fn a_filter_takes_classes() {
    let set = parse_filter("%file").unwrap();
    assert!(set.contains(nr("openat")));
    assert!(set.contains(nr("execve")));
    assert!(!set.contains(nr("read")));
    assert_eq!(names("%%statfs"), ["ustat", "statfs", "fstatfs"]);
    assert_eq!(names("%stat,%lstat"), ["stat", "lstat"]);
    assert_eq!(names("%clock").len(), 8);
}

#[test]
fn a_leading_exclamation_mark_means_all_but_the_list() {
    let set = parse_filter("trace=!read,write").unwrap();
    assert!(!set.contains(nr("read")));
    assert!(!set.contains(nr("write")));
    assert!(set.contains(nr("open")));
    assert!(set.contains(511), "a call that has no name yet is among all");
}

#[test]
fn a_word_with_an_exclamation_mark_takes_calls_out() {
    let set = parse_filter("%file,!openat,!%stat").unwrap();
    assert!(set.contains(nr("access")));
    assert!(!set.contains(nr("openat")));
    assert!(!set.contains(nr("stat")));
    let set = parse_filter("!read,!write").unwrap();
    assert!(!set.contains(nr("read")));
    assert!(!set.contains(nr("write")));
    assert!(set.contains(nr("open")));
}

#[test]
fn a_filter_takes_numbers_all_and_none() {
    assert_eq!(names("0-2,59"), ["read", "write", "open", "execve"]);
    assert_eq!(parse_filter("all"), Ok(CallSet::ALL));
    assert_eq!(parse_filter("none"), Ok(CallSet::EMPTY));
}

#[test]
fn a_bad_word_is_named_with_the_nearest_good_one() {
    let error = parse_filter("read,opne,write").unwrap_err();
    assert_eq!(error.word, "opne");
    assert_eq!(error.suggestion, Some("open"));
    assert_eq!(
        error.to_string(),
        "`opne` is no system call or class of calls (did you mean `open`?)"
    );
    let error = parse_filter("%netwrok").unwrap_err();
    assert_eq!((error.word, error.suggestion), ("%netwrok", Some("%network")));
    let error = parse_filter("!frobnicate").unwrap_err();
    assert_eq!((error.word, error.suggestion), ("frobnicate", None));
    assert_eq!(parse_filter("read,").unwrap_err().word, "");
    assert_eq!(parse_filter("512").unwrap_err().word, "512");
}

#[test]
fn a_question_mark_lets_a_name_be_unknown() {
    assert_eq!(names("?no_such_call,read"), ["read"]);
}

#[test]
fn the_numeric_form_is_numbers_and_ranges() {
    let set = parse_filter("read,write,open,execve").unwrap();
    assert_eq!(set.to_string(), "0-2,59");
    assert_eq!(CallSet::parse_numbers("0-2,59"), Ok(set));
    assert_eq!(CallSet::ALL.to_string(), "0-511");
    assert_eq!(CallSet::EMPTY.to_string(), "");
    assert_eq!(CallSet::parse_numbers(""), Ok(CallSet::EMPTY));
}

#[test]
fn every_set_survives_its_numeric_form() {
    let mut state = 1_u64;
    for _ in 0..200 {
        let mut set = CallSet::EMPTY;
        for nr in 0..512 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            if state.is_multiple_of(3) {
                set.insert(nr);
            }
        }
        assert_eq!(CallSet::parse_numbers(&set.to_string()), Ok(set));
        assert_eq!(set.iter().count(), set.len());
    }
}

#[test]
fn a_bad_number_is_named() {
    for (text, item) in [
        ("1,x", "x"),
        ("3-1", "3-1"),
        ("0,512", "512"),
        ("1,,2", ""),
        ("+1", "+1"),
        ("1-2-3", "1-2-3"),
        ("-1", "-1"),
        ("99999999999999999999", "99999999999999999999"),
    ] {
        assert_eq!(CallSet::parse_numbers(text).unwrap_err().item, item);
    }
}
