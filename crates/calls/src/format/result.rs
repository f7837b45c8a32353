//! What a call returned.

use crate::errors::{error_description, error_name};
use crate::format::Scene;
use crate::kind::Kind;
use crate::line::Line;

impl Scene<'_> {
    pub(super) fn result(&self, line: &mut Line<'_>) {
        let value = self.returned.unwrap_or(0);
        if self.failed() {
            return self.error(line, value.unsigned_abs());
        }
        let kind = self.call.map_or(Kind::Long, |call| call.result);
        match kind {
            Kind::Address | Kind::Hex => line.hex(value as u64),
            Kind::Uid => line.udec(u64::from(value as u32)),
            Kind::Umask => line.octal(value as u64),
            _ => line.dec(value),
        };
    }

    /// `-1 ENOENT (No such file or directory)`; `? ERESTARTSYS (…)` for a call
    /// that the kernel is about to make again.
    fn error(&self, line: &mut Line<'_>, error: u64) {
        let restarts = matches!(error, 512..=514 | 516);
        line.text(if restarts { "? " } else { "-1 " });
        match (error_name(error), error_description(error)) {
            (Some(name), Some(description)) => {
                line.text(name).text(" (").text(description).text(")")
            }
            _ => line.text("(errno ").udec(error).text(")"),
        };
    }
}
