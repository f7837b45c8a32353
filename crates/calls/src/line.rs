//! Writing a line of bounded length, without the machinery of `core::fmt`.

use core::fmt;

/// The longest line by default, without its end. See [`crate::Options::line_limit`].
pub const LINE_LIMIT: usize = 3500;

/// A line being written.
///
/// It has room for so many bytes; what comes after is dropped, and
/// [`Line::is_full`] says so. All bytes are ASCII, so bytes are columns.
pub(crate) struct Line<'a> {
    out: &'a mut dyn fmt::Write,
    room: usize,
    written: usize,
    full: bool,
    result: fmt::Result,
}

impl<'a> Line<'a> {
    pub(crate) fn new(out: &'a mut dyn fmt::Write, room: usize) -> Line<'a> {
        Line { out, room, written: 0, full: false, result: Ok(()) }
    }

    /// Whether something did not fit.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// How many bytes have been written.
    pub(crate) fn written(&self) -> usize {
        self.written
    }

    /// Makes room for the end of a line that was full; the cut is marked.
    pub(crate) fn make_room(&mut self, more: usize) {
        self.room = more;
        if core::mem::take(&mut self.full) {
            self.text("...");
        }
    }

    /// Whether the receiver took everything.
    pub(crate) fn result(&self) -> fmt::Result {
        self.result
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        let fitting = match text.get(..self.room) {
            Some(part) if part.len() < text.len() => {
                self.full = true;
                part
            }
            Some(_) | None if text.len() <= self.room => text,
            // The room ends inside a character, which ASCII does not have.
            _ => {
                self.full = true;
                ""
            }
        };
        self.room -= fitting.len();
        self.written += fitting.len();
        if self.full {
            self.room = 0;
        }
        if !fitting.is_empty() && self.result.is_ok() {
            self.result = self.out.write_str(fitting);
        }
        self
    }

    /// A decimal number.
    pub(crate) fn dec(&mut self, value: i64) -> &mut Self {
        if value < 0 {
            self.text("-");
        }
        self.udec(value.unsigned_abs())
    }

    /// A decimal number without sign.
    pub(crate) fn udec(&mut self, value: u64) -> &mut Self {
        self.digits(value, 10, 1)
    }

    /// A hexadecimal number with `0x`, but zero as `0`.
    pub(crate) fn hex(&mut self, value: u64) -> &mut Self {
        if value != 0 {
            self.text("0x");
        }
        self.digits(value, 16, 1)
    }

    /// A hexadecimal number with `0x` and at least so many digits.
    pub(crate) fn hex_padded(&mut self, value: u64, width: usize) -> &mut Self {
        self.text("0x").digits(value, 16, width)
    }

    /// Hexadecimal digits without `0x`, at least so many.
    pub(crate) fn hex_digits(&mut self, value: u64, width: usize) -> &mut Self {
        self.digits(value, 16, width)
    }

    /// An octal number that begins with `0` and has at least three digits, as
    /// file modes are written.
    pub(crate) fn mode(&mut self, value: u64) -> &mut Self {
        let digits = if value > 0o77 { 4 } else { 3 };
        self.digits(value, 8, digits.max(octal_digits(value) + 1))
    }

    /// An octal number that begins with `0`, but zero as `0`.
    pub(crate) fn octal(&mut self, value: u64) -> &mut Self {
        if value != 0 {
            self.text("0");
        }
        self.digits(value, 8, 1)
    }

    /// An address, `NULL` if zero.
    pub(crate) fn address(&mut self, value: u64) -> &mut Self {
        match value {
            0 => self.text("NULL"),
            _ => self.hex(value),
        }
    }

    /// Bytes as in a C string without its quotes. Whether the next byte is a
    /// digit decides about the length of an octal escape.
    pub(crate) fn escaped(&mut self, bytes: &[u8], next: Option<u8>) -> &mut Self {
        let mut rest = bytes;
        while !rest.is_empty() && !self.full {
            // Most bytes stand for themselves, and are written together.
            let plain = rest.iter().take_while(|&&byte| is_plain(byte)).count();
            let (run, after) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
            self.text(core::str::from_utf8(run).unwrap_or("?"));
            let Some((&byte, after)) = after.split_first() else {
                break;
            };
            let mut buffer = [0; 4];
            self.text(escape(byte, after.first().copied().or(next), &mut buffer));
            rest = after;
        }
        self
    }

    fn digits(&mut self, mut value: u64, base: u64, width: usize) -> &mut Self {
        let mut buffer = [b'0'; 24];
        let mut start = buffer.len();
        for (index, cell) in buffer.iter_mut().enumerate().rev() {
            if value == 0 && 24 - start >= width.min(24) {
                break;
            }
            let digit = (value % base) as u8;
            *cell = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
            start = index;
            value /= base;
        }
        let digits = buffer.get(start..).unwrap_or(&[]);
        self.text(core::str::from_utf8(digits).unwrap_or("?"))
    }
}

/// Bytes shown as in a C string, without quotes, as trace lines show them.
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Line::new(f, usize::MAX);
        line.escaped(self.0, None);
        line.result()
    }
}

const fn octal_digits(value: u64) -> usize {
    (64 - value.leading_zeros() as usize).div_ceil(3)
}

const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn escape(byte: u8, after: Option<u8>, buffer: &mut [u8; 4]) -> &str {
    let length = match byte {
        b'"' | b'\\' => pair(buffer, byte),
        b'\n' => pair(buffer, b'n'),
        b'\t' => pair(buffer, b't'),
        b'\r' => pair(buffer, b'r'),
        0x0b => pair(buffer, b'v'),
        0x0c => pair(buffer, b'f'),
        _ => {
            let digits = [b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)];
            // A digit after a shorter escape would be taken for part of it.
            let all = matches!(after, Some(b'0'..=b'7'));
            let skipped = match byte {
                _ if all => 0,
                0..8 => 2,
                8..64 => 1,
                _ => 0,
            };
            *buffer = [b'\\', digits[0], digits[1], digits[2]];
            match skipped {
                2 => *buffer = [b'\\', digits[2], 0, 0],
                1 => *buffer = [b'\\', digits[1], digits[2], 0],
                _ => {}
            }
            4 - skipped
        }
    };
    let text = buffer.get(..length).unwrap_or(&[]);
    core::str::from_utf8(text).unwrap_or("?")
}

fn pair(buffer: &mut [u8; 4], letter: u8) -> usize {
    *buffer = [b'\\', letter, 0, 0];
    2
}
