//! What must hold of any line. The tests here ask it, and `tests/fuzz` does.

use std::fmt;

/// Most reads of the program's memory that one line may take.
pub const READS: usize = 20_000;

/// Counts the bytes of a line, and fails as soon as something unprintable is written.
#[derive(Default)]
pub struct Judge(pub usize);

impl fmt::Write for Judge {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{text:?}");
        self.0 += text.len();
        Ok(())
    }
}
