//! Where functions start and end.

use core::ops::Range;

use crate::go::GoFunctions;
use crate::symbols::{Neighbours, Symbols};
use crate::unwind::{Frames, Landing, eh_frame_address};

/// What is known of the functions of an object: its unwind tables, its symbols.
///
/// The default knows nothing, so nothing that is planned with it is believed.
#[derive(Clone, Copy, Default)]
pub struct CodeMap<'a> {
    frames: Frames<'a>,
    symbols: Symbols<'a>,
    go: GoFunctions<'a>,
}

/// A function, or a span of code with several.
#[derive(Clone, Debug)]
pub struct Function {
    /// First address, and the one after the last.
    pub range: Range<u64>,
    pub(crate) extent: Extent,
    /// It is where signal handlers return to.
    pub(crate) is_signal_frame: bool,
    /// It is a part of a function, which the other part leads into.
    pub(crate) is_part: bool,
}

/// What the bounds of a function stand on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// An unwind entry, this one.
    Frame(usize, Landing),
    /// A symbol that has a size, or an entry of Go's table.
    Symbol,
    /// Only its start is that of a function; the end is that of the next known
    /// one. Code in between has no names.
    Span,
}

/// Compilers align functions to this.
pub(crate) const ALIGNMENT: u64 = 16;

impl<'a> CodeMap<'a> {
    /// A map from `.eh_frame_hdr` and `.eh_frame`, each at its address; the
    /// latter may go on behind the section's end. `None` if the header is not
    /// in the one format that linkers write.
    pub fn new(header: (u64, &'a [u8]), frames: (u64, &'a [u8])) -> Option<Self> {
        Some(Self { frames: Frames::new(header, frames)?, ..Self::default() })
    }

    /// The map of an object that has its `.eh_frame_hdr` at an address, if it has one; `from`
    /// gives the object's bytes from an address on. Empty if the header is in another format.
    pub fn of_object(
        header: Option<(u64, &'a [u8])>,
        from: impl FnOnce(u64) -> Option<&'a [u8]>,
    ) -> Self {
        let map = header.and_then(|header| {
            let frames = eh_frame_address(header.0, header.1)?;
            Self::new(header, (frames, from(frames)?))
        });
        map.unwrap_or_default()
    }

    /// Adds a symbol table, `Elf64_Sym` entries whose values lie `bias` below
    /// addresses. It is searched for code that unwind tables do not cover, one
    /// pass for each stretch of such code that has a candidate.
    #[must_use]
    pub fn with_symbols(self, symbols: &'a [u8], bias: u64) -> Self {
        Self { symbols: Symbols::new(symbols, bias), ..self }
    }

    /// Adds a table of Go's functions and what follows it, as
    /// [`find_go_table`](crate::find_go_table) finds it. Its addresses are
    /// relocated when the object is.
    #[must_use]
    pub fn with_go(self, table: &'a [u8]) -> Self {
        Self { go: GoFunctions::parse(table).unwrap_or_default(), ..self }
    }

    /// Bounds of the code that contains an address.
    pub fn function_at(&self, address: u64) -> Option<Function> {
        self.look_up(address, None).ok()
    }

    /// The same, or addresses from this one on of which nothing is known. `last` was found
    /// before, perhaps not far from there.
    pub(crate) fn look_up(
        &self,
        address: u64,
        last: Option<&Function>,
    ) -> Result<Function, Range<u64>> {
        let near = match last.map(|last| &last.extent) {
            Some(Extent::Frame(index, _)) => *index,
            _ => 0,
        };
        let index = self.frames.index_at(address, near);
        let frame = index.and_then(|index| self.framed(index));
        if let Some(function) = &frame
            && function.range.contains(&address)
        {
            return Ok(function.clone());
        }
        if let Some(range) = self.go.function_at(address) {
            return Ok(Function {
                range,
                extent: Extent::Symbol,
                is_signal_frame: false,
                is_part: false,
            });
        }
        let next = self.frames.start(index.map_or(0, |index| index + 1));
        let symbols = self.symbols.neighbours(address);
        let end = match (symbols.after, next) {
            (Some(symbol), Some(frame)) => Some(symbol.min(frame)),
            (symbol, frame) => symbol.or(frame),
        };
        Self::named(address, &symbols)
            .or_else(|| Self::span(address, &symbols, frame.map(|frame| frame.range), end?))
            .ok_or(address..end.unwrap_or(u64::MAX))
    }

    /// The function of the unwind entry that contains an address.
    pub(crate) fn framed_at(&self, address: u64) -> Option<Function> {
        let function = self.framed(self.frames.index_at(address, 0)?)?;
        function.range.contains(&address).then_some(function)
    }

    /// The function of an unwind entry.
    fn framed(&self, index: usize) -> Option<Function> {
        let frame = self.frames.frame(index)?;
        Some(Function {
            range: frame.range,
            extent: Extent::Frame(index, frame.landing),
            is_signal_frame: frame.is_signal_frame,
            is_part: frame.is_part,
        })
    }

    /// Where the next unwind entry behind an address starts, if there is one.
    pub(crate) fn next_entry(&self, address: u64) -> u64 {
        let next = self.frames.index_at(address, 0).map_or(0, |index| index + 1);
        self.frames.start(next).unwrap_or(u64::MAX)
    }

    /// Whether functions are known, and an address lies before or behind all of
    /// those that have unwind entries.
    pub(crate) fn is_outside(&self, address: u64) -> bool {
        let first = self.frames.start(0);
        let last = self.frames.len().checked_sub(1).and_then(|last| self.frames.frame(last));
        let (Some(first), Some(last)) = (first, last) else {
            return false;
        };
        address < first || address >= last.range.end
    }

    /// Whether a symbol says that a part of the addresses is data.
    pub(crate) fn has_object_in(&self, addresses: &Range<u64>) -> bool {
        self.symbols.has_object_in(addresses)
    }

    /// Calls `note` with the address of every function symbol.
    pub(crate) fn for_each_symbol(&self, note: impl FnMut(u64)) {
        self.symbols.starts().for_each(note);
    }

    /// Where what comes after a function starts, as far as only padding lies in
    /// between: the next unwind entry, or the next multiple of the alignment.
    pub(crate) fn start_after(&self, function: &Function) -> Option<u64> {
        match function.extent {
            Extent::Frame(index, _) => self.frames.start(index + 1),
            Extent::Symbol => function.range.end.checked_next_multiple_of(ALIGNMENT),
            Extent::Span => None,
        }
    }

    /// The function of the unwind entry before a function.
    pub(crate) fn before(&self, function: &Function) -> Option<Function> {
        match function.extent {
            Extent::Frame(index, _) => self.framed(index.checked_sub(1)?),
            _ => None,
        }
    }

    /// The function of a symbol whose size covers the address.
    fn named(address: u64, symbols: &Neighbours) -> Option<Function> {
        let range = symbols.before.clone().filter(|range| range.contains(&address))?;
        Some(Function { range, extent: Extent::Symbol, is_signal_frame: false, is_part: false })
    }

    /// From the last known start of a function to the next one, `end`.
    fn span(
        address: u64,
        symbols: &Neighbours,
        frame: Option<Range<u64>>,
        end: u64,
    ) -> Option<Function> {
        let symbol = symbols.before.as_ref().map(|range| range.start);
        let start = symbol.max(frame.map(|frame| frame.start))?;
        let range = start..end;
        range.contains(&address).then_some(Function {
            range,
            extent: Extent::Span,
            is_signal_frame: false,
            is_part: false,
        })
    }
}
