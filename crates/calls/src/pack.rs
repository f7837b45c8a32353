//! Strings of tables, which the compiler puts into one text.
//!
//! A reference in a table is a relocation in a shared library: the dynamic linker
//! fills it in when a program starts, and the page it is on is the process's own
//! from then on. So a table says where in a text its strings are, and only code,
//! which knows where it is itself, refers to the text.

use core::ffi::CStr;

/// Strings one after another, `N` bytes in all.
pub(crate) struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

/// Where in a text a string is.
#[derive(Debug, Clone, Copy)]
#[repr(C, packed)] // three bytes: tables have many
pub(crate) struct Place {
    start: u16,
    length: u8,
}

#[allow(clippy::indexing_slicing, clippy::panic, reason = "evaluated by the compiler only")]
impl<const N: usize> Text<N> {
    pub(crate) const fn new() -> Text<N> {
        Text { bytes: [0; N], length: 0 }
    }

    /// Puts a string behind the others, and a NUL behind it, so that C can have it.
    pub(crate) const fn put_terminated(&mut self, string: &str) -> Place {
        let place = self.put(string);
        self.put("\0");
        place
    }

    /// Puts a string behind the others.
    pub(crate) const fn put(&mut self, string: &str) -> Place {
        self.put_bytes(string.as_bytes())
    }

    /// The same of some bytes, which are a string.
    pub(crate) const fn put_bytes(&mut self, bytes: &[u8]) -> Place {
        assert!(self.length <= u16::MAX as usize, "the text is too long");
        let place = Place::new(self.length, short(bytes.len()));
        let mut rest = bytes;
        while let [byte, more @ ..] = rest {
            self.bytes[self.length] = *byte;
            self.length += 1;
            rest = more;
        }
        place
    }

    /// All strings, when they are `N` bytes.
    pub(crate) const fn as_str(&self) -> &str {
        assert!(self.length == N, "the text is not complete");
        match core::str::from_utf8(&self.bytes) {
            Ok(text) => text,
            Err(_) => panic!("strings make no string"),
        }
    }
}

impl Place {
    /// The string that is here with the NUL behind it.
    pub(crate) fn terminated(self, text: &'static str) -> &'static CStr {
        let bytes = text.as_bytes().get(self.start()..=self.end());
        bytes.and_then(|bytes| CStr::from_bytes_with_nul(bytes).ok()).unwrap_or(c"")
    }

    /// Of so much from there on.
    pub(crate) const fn new(start: usize, length: u8) -> Place {
        Place { start: start as u16, length }
    }

    /// The empty string's.
    pub(crate) const NONE: Place = Place { start: 0, length: 0 };

    pub(crate) fn start(self) -> usize {
        usize::from(self.start)
    }

    /// Where what was put next begins.
    pub(crate) fn end(self) -> usize {
        self.start() + usize::from(self.length)
    }

    /// The string that is here, of the text that it was put into.
    pub(crate) fn of(self, text: &'static str) -> &'static str {
        text.get(self.start()..self.end()).unwrap_or("")
    }
}

/// A length or number of which a table has only one byte.
pub(crate) const fn short(length: usize) -> u8 {
    assert!(length <= u8::MAX as usize, "more than a byte can say");
    length as u8
}
