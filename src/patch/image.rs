//! ELF images in memory: where the unwind tables and the symbols are.
//!
//! Everything is read from what the loader mapped, never from the file. An
//! image may be damaged or hostile: no part of it is touched that is not known
//! to be readable.

use core::cell::OnceCell;
use core::ops::Range;

use crate::sys::{Vma, page_down, page_up};

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_NOTE: u32 = 4;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
const DT_SYMTAB: u64 = 6;
const DT_STRTAB: u64 = 5;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const DT_HASH: u64 = 4;
const SYMBOL: u64 = 24;
const ET_EXEC: u16 = 2;

/// Where the addresses of programs end.
const USER_END: u64 = 1 << 47;

/// The mappings of an image: its readable stretches in address order. An image has few;
/// what has no room is not read.
pub(crate) struct ImageVmas(heapless::Vec<Range<u64>, 24>);

impl ImageVmas {
    /// Nothing can be read.
    pub(super) fn none() -> Self {
        Self(heapless::Vec::new())
    }

    /// Some more can be. What has no room is not read.
    pub(super) fn add(&mut self, stretch: Range<u64>) {
        let _ = self.0.push(stretch);
    }

    /// One contiguous piece that is mapped readable.
    pub(crate) fn piece(range: Range<u64>) -> Self {
        Self(heapless::Vec::from_iter([range]))
    }

    /// Those of an image that exists since start-up: from its first mapping on, up to the next
    /// file. What lies between and is of no file has nothing to read, and may have guard pages.
    pub(crate) fn new<'a>(vmas: impl Iterator<Item = Vma<'a>>) -> Self {
        let mut stretches: heapless::Vec<Range<u64>, 24> = heapless::Vec::new();
        let mut file = 0;
        for vma in vmas {
            match (file, vma.inode) {
                (0, inode) => file = inode,
                (file, inode) if inode != 0 && inode != file => break,
                _ => {}
            }
            if !vma.readable || vma.inode == 0 {
                continue;
            }
            let there = vma.there();
            match stretches.last_mut() {
                Some(last) if last.end == there.start => last.end = there.end,
                _ => {
                    if stretches.push(there).is_err() {
                        break;
                    }
                }
            }
        }
        Self(stretches)
    }

    /// Whether all of the range may be read.
    fn contains(&self, range: &Range<u64>) -> bool {
        self.0.iter().any(|stretch| stretch.start <= range.start && range.end <= stretch.end)
    }
}

/// An ELF image at its place in memory.
pub(crate) struct Image<'r> {
    memory: &'r ImageVmas,
    /// What is added to addresses in the file.
    bias: u64,
    headers: Range<u64>,
    /// Where its segments lie in memory.
    loaded: heapless::Vec<Range<u64>, 16>,
    /// The dynamic linker has written to it.
    is_relocated: bool,
    /// [`Self::symbol_counts`], which of a large image take time.
    counts: OnceCell<Option<(u64, u64)>>,
}

/// Where in memory a segment of a file lies.
pub(super) struct Place {
    pub range: Range<u64>,
    /// Where it begins in the file.
    pub offset: u64,
    pub is_writable: bool,
}

impl<'r> Image<'r> {
    /// The image whose file header is mapped at `base`, if there is one.
    pub(crate) fn at(base: u64, memory: &'r ImageVmas) -> Option<Self> {
        let mut image = Self {
            memory,
            bias: 0,
            headers: 0..0,
            loaded: heapless::Vec::new(),
            is_relocated: true,
            counts: OnceCell::new(),
        };
        let header = image.bytes(base..base + 64)?;
        if header.get(..6)? != b"\x7fELF\x02\x01" {
            return None;
        }
        let start = base.checked_add(u64_at(header, 32)?)?;
        let count = u64::from(u16_at(header, 56)?);
        if u16_at(header, 54)? != 56 {
            return None;
        }
        image.headers = start..start.checked_add(count * 56)?;
        image.bytes(image.headers.clone())?;
        if u16_at(header, 16)? != ET_EXEC {
            // The first segment maps the header, as a rule at address 0.
            let lowest = image.segments().find(|s| s.kind == PT_LOAD && s.offset == 0)?;
            image.bias = base.wrapping_sub(lowest.address);
        }
        for segment in image.segments().filter(|segment| segment.kind == PT_LOAD) {
            let start = image.bias.wrapping_add(segment.address);
            let end = start.checked_add(segment.size).filter(|end| *end <= USER_END)?;
            // What has no room is not read.
            let _ = image.loaded.push(start..end);
        }
        Some(image)
    }

    /// The dynamic linker has mapped no more of it than its text yet.
    pub(super) fn is_to_be_relocated(&mut self) {
        self.is_relocated = false;
    }

    /// The segments that are mapped from the file, where they are to lie.
    pub(super) fn segments_in_memory(&self) -> impl Iterator<Item = Place> {
        const PF_W: u32 = 2;
        let loaded = self.segments().filter(|segment| segment.kind == PT_LOAD);
        loaded.zip(&self.loaded).map(|(segment, range)| Place {
            range: range.clone(),
            offset: segment.offset,
            is_writable: segment.flags & PF_W != 0,
        })
    }

    /// Whether one of its segments is to lie in the page at an address.
    pub(super) fn has_page(&self, address: u64) -> bool {
        self.loaded.iter().any(|segment| (page_down(segment.start)..segment.end).contains(&address))
    }

    /// The `.eh_frame_hdr` section: its address and bytes.
    pub(crate) fn eh_frame_hdr(&self) -> Option<(u64, &'r [u8])> {
        let segment = self.segments().find(|segment| segment.kind == PT_GNU_EH_FRAME)?;
        let start = self.bias.wrapping_add(segment.address);
        Some((start, self.bytes(start..start.checked_add(segment.size)?)?))
    }

    /// All of the mapped segment that holds an address, from there on.
    pub(crate) fn from(&self, address: u64) -> Option<&'r [u8]> {
        let segment = self.loaded.iter().find(|segment| segment.contains(&address))?;
        self.bytes(address..segment.end)
    }

    /// `.dynsym`: its bytes, and the number of symbols before the first that
    /// the image defines.
    pub(super) fn dynamic_symbols(&self) -> Option<Symbols<'r>> {
        let table = self.dynamic(DT_SYMTAB)?;
        let names = self.from(self.dynamic(DT_STRTAB)?)?;
        let (imported, total) = (*self.counts.get_or_init(|| self.symbol_counts()))?;
        let bytes = self.bytes(table..table.checked_add(total * SYMBOL)?)?;
        Some(Symbols { bytes, names, imported })
    }

    /// The function at an address, if the image exports it: its name and start.
    pub(crate) fn symbol_at(&self, address: u64) -> Option<(&'r [u8], u64)> {
        const STT_FUNC: u8 = 2;
        let symbols = self.dynamic_symbols()?;
        symbols.bytes.chunks_exact(SYMBOL as usize).find_map(|symbol| {
            let (name, info, section) = (u32_at(symbol, 0)?, *symbol.get(4)?, u16_at(symbol, 6)?);
            let start = self.bias.wrapping_add(u64_at(symbol, 8)?);
            let is_function = info & 0xf == STT_FUNC && section != 0;
            let is_here = address.wrapping_sub(start) < u64_at(symbol, 16)?.max(1);
            let name = symbols.names.get(name as usize..).filter(|_| is_function && is_here)?;
            Some((name.split(|byte| *byte == 0).next()?, start))
        })
    }

    /// How many symbols it imports, which come first, and has.
    fn symbol_counts(&self) -> Option<(u64, u64)> {
        if let Some(hash) = self.dynamic(DT_GNU_HASH) {
            return gnu_hash_counts(self.from(hash)?).or_else(|| self.counts_by_layout());
        }
        let hash = self.from(self.dynamic(DT_HASH)?)?;
        let total = u64::from(u32_at(hash, 4)?);
        Some((total, total))
    }

    /// An image that exports nothing has no hash table that tells how many
    /// symbols it imports. But linkers put the names behind the symbols.
    fn counts_by_layout(&self) -> Option<(u64, u64)> {
        const MANY: u64 = 1 << 20;
        let table = self.dynamic(DT_SYMTAB)?;
        let count = self.dynamic(DT_STRTAB)?.checked_sub(table)? / SYMBOL;
        (count < MANY).then_some((count, count))
    }

    /// The address in an entry of the dynamic section.
    fn dynamic(&self, tag: u64) -> Option<u64> {
        let value = self.entry(tag)?;
        // glibc relocates these entries in place, musl and the vDSO do not.
        Some(if value < self.bias { value.wrapping_add(self.bias) } else { value })
    }

    fn entry(&self, tag: u64) -> Option<u64> {
        let segment = self.segments().find(|segment| segment.kind == PT_DYNAMIC)?;
        let start = self.bias.wrapping_add(segment.address);
        let bytes = self.bytes(start..start.checked_add(segment.size)?)?;
        let entry = bytes.chunks_exact(16).find(|entry| u64_at(entry, 0) == Some(tag))?;
        u64_at(entry, 8)
    }

    fn segments(&self) -> impl Iterator<Item = Segment> + use<'r> {
        let headers = self.bytes(self.headers.clone()).unwrap_or(&[]);
        headers.chunks_exact(56).filter_map(|header| {
            Some(Segment {
                kind: u32_at(header, 0)?,
                flags: u32_at(header, 4)?,
                offset: u64_at(header, 8)?,
                address: u64_at(header, 16)?,
                size: u64_at(header, 32)?,
            })
        })
    }

    /// The table of functions that a Go program has for its own runtime.
    pub(super) fn go_table(&self) -> Option<&'r [u8]> {
        let mut notes = self.segments().filter(|segment| segment.kind == PT_NOTE);
        let is_go = notes
            .any(|note| self.segment_bytes(&note).is_some_and(interceptor_rewrite::is_go_note));
        if !is_go {
            return None;
        }
        let mut loaded = self.segments().filter(|segment| segment.kind == PT_LOAD);
        loaded.find_map(|segment| {
            let bytes = self.segment_bytes(&segment)?;
            bytes.get(interceptor_rewrite::find_go_table(bytes)?..)
        })
    }

    /// Whole pages of `.eh_frame`, if nobody can have written to them.
    pub(super) fn unwind_pages(&self) -> Option<Range<u64>> {
        const PF_W: u32 = 2;
        let (header, bytes) = self.eh_frame_hdr()?;
        let start = interceptor_rewrite::eh_frame_address(header, bytes)?;
        let inside = start.wrapping_sub(self.bias);
        let is_constant = self.segments().any(|segment| {
            segment.kind == PT_LOAD
                && segment.flags & PF_W == 0
                && inside.wrapping_sub(segment.address) < segment.size
        });
        let pages = page_up(start)..page_down(start + self.from(start)?.len() as u64);
        (is_constant && !self.relocates_text()).then_some(pages)
    }

    /// The pages of segments that are not written to.
    pub(super) fn constant_pages(&self) -> impl Iterator<Item = Range<u64>> + use<'r> {
        const PF_W: u32 = 2;
        let bias = self.bias;
        let constant = self.segments().filter(|s| s.kind == PT_LOAD && s.flags & PF_W == 0);
        constant.map(move |segment| {
            let start = bias.wrapping_add(segment.address);
            page_down(start)..page_up(start.saturating_add(segment.size))
        })
    }

    /// The pages of code that lie in a range of the image.
    pub(super) fn code_in(&self, range: &Range<u64>) -> Option<Range<u64>> {
        const PF_X: u32 = 1;
        let mut code = self.segments().filter(|s| s.kind == PT_LOAD && s.flags & PF_X != 0);
        code.find_map(|segment| {
            let start = self.bias.wrapping_add(segment.address);
            let end = page_up(start.checked_add(segment.size)?);
            let pages = page_down(start).max(range.start)..end.min(range.end);
            (!pages.is_empty()).then_some(pages)
        })
    }

    /// Whether the dynamic linker writes to the text.
    pub(super) fn relocates_text(&self) -> bool {
        let dynamic = self.segments().find(|segment| segment.kind == PT_DYNAMIC);
        let bytes = dynamic.and_then(|segment| self.segment_bytes(&segment));
        bytes.is_some_and(relocate_text)
    }

    /// The same of an image that has not been mapped whole; also if that is not said. `read`
    /// gives the bytes of its file at an offset, and returns how many there are.
    pub(super) fn will_relocate_text(&self, read: impl Fn(&mut [u8], u64) -> usize) -> bool {
        let Some(dynamic) = self.segments().find(|segment| segment.kind == PT_DYNAMIC) else {
            return false;
        };
        let mut done = 0;
        while done < dynamic.size {
            let mut entries = [0; 512];
            let len = read(&mut entries, dynamic.offset.wrapping_add(done));
            if len == 0 || relocate_text(&entries) {
                return true;
            }
            done += len as u64;
        }
        false
    }

    /// What is added to addresses in the file.
    pub(crate) fn bias(&self) -> u64 {
        self.bias
    }

    fn segment_bytes(&self, segment: &Segment) -> Option<&'r [u8]> {
        let start = self.bias.wrapping_add(segment.address);
        self.bytes(start..start.checked_add(segment.size)?)
    }

    fn bytes(&self, range: Range<u64>) -> Option<&'r [u8]> {
        if range.end < range.start || !self.memory.contains(&range) {
            return None;
        }
        let len = (range.end - range.start) as usize;
        // SAFETY: the memory is mapped readable, and image headers, unwind
        // tables and symbols are not written while we look.
        Some(unsafe { core::slice::from_raw_parts(range.start as *const u8, len) })
    }
}

impl interceptor_rewrite::Data for Image<'_> {
    fn bytes_from(&self, address: u64) -> Option<&[u8]> {
        let mut segments = self.segments_in_memory();
        if !self.is_relocated && segments.any(|it| it.is_writable && it.range.contains(&address)) {
            return Some(&[]);
        }
        self.from(address)
    }
}

/// Whether one of the entries of a dynamic section says that text is written to.
fn relocate_text(entries: &[u8]) -> bool {
    const DT_TEXTREL: u64 = 22;
    const DT_FLAGS: u64 = 30;
    const DF_TEXTREL: u64 = 4;
    entries.chunks_exact(16).any(|entry| match u64_at(entry, 0) {
        Some(DT_TEXTREL) => true,
        Some(DT_FLAGS) => u64_at(entry, 8).is_some_and(|flags| flags & DF_TEXTREL != 0),
        _ => false,
    })
}

/// The counts a GNU hash table tells: symbols that are not in it, which come
/// first and are the imported ones, and all.
fn gnu_hash_counts(hash: &[u8]) -> Option<(u64, u64)> {
    let buckets = u32_at(hash, 0)? as usize;
    let imported = u32_at(hash, 4)?;
    let bloom_words = u32_at(hash, 8)? as usize;
    let buckets_at = bloom_words.checked_mul(8)?.checked_add(16)?;
    let chains_at = buckets.checked_mul(4)?.checked_add(buckets_at)?;
    let buckets = hash.get(buckets_at..chains_at)?.chunks_exact(4);
    let last = buckets.filter_map(|bucket| u32_at(bucket, 0)).max().unwrap_or(0);
    // The chain of the last bucket ends with the last symbol.
    let chain = (last.checked_sub(imported)? as usize).checked_mul(4)?.checked_add(chains_at)?;
    let chain = hash.get(chain..)?.chunks_exact(4);
    let after = chain.map_while(|entry| u32_at(entry, 0)).position(|entry| entry & 1 != 0)?;
    Some((u64::from(imported), u64::from(last) + after as u64 + 1))
}

/// A dynamic symbol table.
pub(super) struct Symbols<'r> {
    bytes: &'r [u8],
    names: &'r [u8],
    imported: u64,
}

impl<'r> Symbols<'r> {
    /// The table's bytes, `Elf64_Sym` entries.
    pub(super) fn bytes(&self) -> &'r [u8] {
        self.bytes
    }

    /// The names of symbols that another image defines, as far as they begin
    /// with `prefix`, and without it.
    pub(super) fn imports(self, prefix: &'static [u8]) -> impl Iterator<Item = &'r [u8]> {
        let symbols = self.bytes.chunks_exact(SYMBOL as usize).take(self.imported as usize);
        symbols.filter_map(move |symbol| name_in(self.names, symbol, prefix))
    }

    /// The names of all symbols, likewise, with where they are and how long.
    pub(super) fn all(self, prefix: &'static [u8]) -> impl Iterator<Item = (&'r [u8], u64, u64)> {
        self.bytes.chunks_exact(SYMBOL as usize).filter_map(move |symbol| {
            let name = name_in(self.names, symbol, prefix)?;
            Some((name, u64_at(symbol, 8)?, u64_at(symbol, 16)?))
        })
    }
}

fn name_in<'r>(names: &'r [u8], symbol: &[u8], prefix: &[u8]) -> Option<&'r [u8]> {
    let name = names.get(u32_at(symbol, 0)? as usize..)?.strip_prefix(prefix)?;
    name.split(|byte| *byte == 0).next()
}

struct Segment {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    size: u64,
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
