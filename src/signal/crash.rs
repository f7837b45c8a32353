//! The report of a signal that ends the process.

use super::context::{SigInfo, UContext};
use crate::diagnostics::say;

/// Writes it to standard error.
pub(super) fn report(info: &SigInfo, context: &UContext) {
    say(format_args!("ended by signal {} at {:#x}", info.signal, context.rip));
}
