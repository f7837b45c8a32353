//! Strings and byte buffers.

use crate::format::Scene;
use crate::line::Line;
use crate::memory::{Record, read_u64};

/// The longest path that is shown; the kernel takes none that is longer.
const PATH_LIMIT: usize = 4096;

/// How much is read at once. Small, as it lies on the stack.
const CHUNK: usize = 160;

impl Scene<'_> {
    /// A string that ends in a zero byte, shown whole.
    pub(super) fn path(&self, line: &mut Line<'_>, address: u64) {
        self.string(line, address, PATH_LIMIT);
    }

    /// A string that ends in a zero byte, shown to the limit.
    pub(super) fn text(&self, line: &mut Line<'_>, address: u64) {
        self.string(line, address, self.string_limit);
    }

    fn string(&self, line: &mut Line<'_>, address: u64, limit: usize) {
        if address == 0 {
            line.text("NULL");
            return;
        }
        let mut done = 0;
        let mut pending: Option<u8> = None;
        loop {
            let mut chunk = [0; CHUNK];
            let read = self.read_string(address.wrapping_add(done as u64), &mut chunk);
            if read == 0 && done == 0 {
                line.hex(address);
                return;
            }
            if done == 0 {
                line.text("\"");
            }
            let bytes = chunk.get(..read).unwrap_or(&[]);
            let end = bytes.iter().position(|&byte| byte == 0);
            let part = bytes.get(..end.unwrap_or(read).min(limit - done)).unwrap_or(&[]);
            // The last byte waits for the one after it, which its escape needs.
            if let Some(last) = pending.take() {
                line.escaped(&[last], part.first().copied());
            }
            if let Some((last, before)) = part.split_last() {
                line.escaped(before, Some(*last));
                pending = Some(*last);
            }
            done += part.len();
            let finished = end.is_some_and(|end| end == part.len());
            let cut = !finished && done >= limit;
            if finished || cut || read < CHUNK || line.is_full() {
                if let Some(last) = pending {
                    line.escaped(&[last], None);
                }
                line.text("\"");
                if !finished {
                    line.text("...");
                }
                return;
            }
        }
    }

    /// Reads up to the end of a page first, as a string may end before the next.
    fn read_string(&self, address: u64, buffer: &mut [u8]) -> usize {
        let to_page_end = (4096 - (address & 4095)) as usize;
        let first = to_page_end.min(buffer.len());
        let read = match buffer.get_mut(..first) {
            Some(part) => self.memory.read(address, part).min(first),
            None => 0,
        };
        let ended = buffer.get(..read).is_some_and(|part| part.contains(&0));
        if read < first || ended {
            return read;
        }
        match buffer.get_mut(first..) {
            Some(rest) if !rest.is_empty() => {
                let more = self.memory.read(address.wrapping_add(first as u64), rest);
                first + more.min(rest.len())
            }
            _ => read,
        }
    }

    /// So many bytes, of which at most the limit is shown.
    pub(super) fn data(&self, line: &mut Line<'_>, address: u64, size: u64) {
        self.data_as(line, address, size, Whole::No);
    }

    /// Random bytes, as hexadecimal escapes.
    pub(super) fn bytes_in_hex(&self, line: &mut Line<'_>, address: u64, size: u64) {
        let limit = size.min(self.string_limit as u64).min(CHUNK as u64);
        let Some(record) = Record::<CHUNK>::read_part(self.memory, address, limit) else {
            line.address(address);
            return;
        };
        line.text("\"");
        for byte in record.bytes(0, limit as usize) {
            line.text("\\x").hex_digits(u64::from(*byte), 2);
        }
        line.text(if limit < size { "\"..." } else { "\"" });
    }

    pub(super) fn data_as(&self, line: &mut Line<'_>, address: u64, size: u64, whole: Whole) {
        if address == 0 {
            line.text("NULL");
            return;
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let limit = size.min(match whole {
            Whole::Yes => PATH_LIMIT,
            Whole::No => self.string_limit,
        });
        let mut done = 0;
        let mut pending: Option<u8> = None;
        loop {
            let mut chunk = [0; CHUNK];
            let wanted = (limit - done).min(CHUNK);
            let part = chunk.get_mut(..wanted).unwrap_or(&mut []);
            let read = self.memory.read(address.wrapping_add(done as u64), part).min(wanted);
            if read < wanted && done == 0 {
                line.hex(address);
                return;
            }
            if done == 0 {
                line.text("\"");
            }
            let part = chunk.get(..read).unwrap_or(&[]);
            if let Some(last) = pending.take() {
                line.escaped(&[last], part.first().copied());
            }
            if let Some((last, before)) = part.split_last() {
                line.escaped(before, Some(*last));
                pending = Some(*last);
            }
            done += read;
            if done >= limit || read < wanted || line.is_full() {
                if let Some(last) = pending {
                    line.escaped(&[last], None);
                }
                line.text("\"");
                if done < size {
                    line.text("...");
                }
                return;
            }
        }
    }

    /// The strings of an `argv`: `["git", "--version"]`.
    pub(super) fn strings(&self, line: &mut Line<'_>, address: u64) {
        self.array(line, address, u64::MAX, 8, |line, item| {
            let Some(string) = read_u64(self.memory, item) else {
                return Item::Unreadable;
            };
            if string == 0 {
                return Item::End;
            }
            line.begin_item(item != address);
            self.text(line, string);
            Item::Shown
        });
    }

    /// The strings of an environment, counted: `0x7ffd… /* 23 vars */`.
    pub(super) fn environment(&self, line: &mut Line<'_>, address: u64) {
        const PER_READ: usize = 16;
        const MOST: u64 = 4096;
        line.address(address);
        if address == 0 {
            return;
        }
        let mut count = 0;
        let mut complete = false;
        'all: while count < MOST {
            let mut bytes = [0; PER_READ * 8];
            let from = address.wrapping_add(count * 8);
            let read = self.memory.read(from, &mut bytes).min(PER_READ * 8);
            for pointer in bytes.get(..read).unwrap_or(&[]).chunks_exact(8) {
                if pointer == [0; 8] {
                    complete = true;
                    break 'all;
                }
                count += 1;
            }
            if read < PER_READ * 8 {
                break;
            }
        }
        if count == 0 && !complete {
            return;
        }
        line.text(" /* ").udec(count);
        line.text(if count == 1 { " var" } else { " vars" });
        if !complete {
            line.text(", unterminated");
        }
        line.text(" */");
    }

    /// An array: `[`, items of so many bytes, `]`. At most the string limit's
    /// number of items is shown. `show` begins its item with
    /// [`Line::begin_item`].
    pub(super) fn array(
        &self,
        line: &mut Line<'_>,
        address: u64,
        count: u64,
        item_size: u64,
        mut show: impl FnMut(&mut Line<'_>, u64) -> Item,
    ) {
        if address == 0 {
            line.text("NULL");
            return;
        }
        if count == 0 {
            line.text("[]");
            return;
        }
        let limit = self.string_limit as u64;
        let mut index = 0;
        while index < count {
            let item = address.wrapping_add(index.wrapping_mul(item_size));
            if index >= limit {
                // One more look: an end here is no cut.
                line.text(if index == 0 { "[" } else { ", " }).text("...");
                break;
            }
            if index == 0 && Record::<8>::read_part(self.memory, item, item_size.min(8)).is_none() {
                line.hex(address);
                return;
            }
            if index == 0 {
                line.text("[");
            }
            match show(line, item) {
                Item::Shown => {}
                Item::End => break,
                Item::Unreadable => {
                    line.text(if index == 0 { "" } else { ", " });
                    line.text("... /* ").hex(item).text(" */");
                    break;
                }
            }
            if line.is_full() {
                return;
            }
            index += 1;
        }
        line.text("]");
    }
}

/// Whether something is shown beyond the string limit.
#[derive(Clone, Copy)]
pub(super) enum Whole {
    Yes,
    No,
}

/// What came of one item of an array.
pub(super) enum Item {
    /// It is shown.
    Shown,
    /// It is the array's end, and not shown.
    End,
    /// It could not be read.
    Unreadable,
}

impl Line<'_> {
    /// Separates an item from the one before it.
    pub(super) fn begin_item(&mut self, another: bool) {
        if another {
            self.text(", ");
        }
    }
}
