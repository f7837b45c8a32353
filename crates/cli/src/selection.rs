//! Names and sets of system calls, as users write them.

use interceptor_abi::segment::CALLS;
use interceptor_calls::{CallSet, lookup, parse_filter};

use crate::failure::Failure;

/// Reads the expression of `-e`.
pub fn parse(expression: &str) -> Result<CallSet, Failure> {
    parse_filter(expression).map_err(|error| Failure::refused(format!("-e {expression}: {error}")))
}

/// The name of a number that is counted.
pub fn name(nr: usize) -> String {
    match lookup(nr as u64) {
        Some(call) => call.name().to_owned(),
        None if nr == CALLS - 1 => "(other numbers)".to_owned(),
        None => format!("syscall_{nr}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_numbers_for_the_runtime() {
        let selection = parse("trace=write,read,open,execve").expect("known names");
        assert_eq!(selection.to_string(), "0-2,59");
    }

    #[test]
    fn a_word_that_means_nothing_is_named() {
        let message = parse("trace=raed").expect_err("no such call").message;
        assert!(message.is_some_and(|text| text.contains("raed") && text.contains("read")));
    }

    #[test]
    fn every_counted_number_has_a_name() {
        assert_eq!(name(0), "read");
        assert_eq!(name(CALLS - 1), "(other numbers)");
        assert_eq!(name(CALLS - 2), "syscall_510");
    }
}
