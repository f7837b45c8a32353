//! Images as the loader maps them, damaged: nothing is read that is not there, and
//! nothing panics, overflows or takes forever.

use std::fs;
use std::path::Path;

use interceptor_rewrite::{CodeMap, eh_frame_address};
use object::Endianness;
use object::read::elf::{ElfFile64, ProgramHeader as _};

use crate::guarded::Guarded;
use crate::image::{Image, ImageVmas};
use crate::random::Random;

/// Objects of every kind: libraries with many names and with none, a program, the
/// dynamic linker; and what this machine has of Go's and of musl's.
const SEEDS: &[&str] = &[
    "/lib/x86_64-linux-gnu/libdl.so.2",
    "/lib/x86_64-linux-gnu/libpthread.so.0",
    "/lib64/ld-linux-x86-64.so.2",
    "/bin/true",
    "/bin/cat",
];

/// An object at its place in memory.
struct Loaded {
    memory: Guarded,
    /// Bytes that are worth damaging: headers, and what they lead to.
    weak: Vec<usize>,
}

impl Loaded {
    /// Maps a file as the kernel does, at another place.
    fn read(path: &Path) -> Option<Loaded> {
        let content = fs::read(path).ok()?;
        let file = ElfFile64::<Endianness>::parse(&*content).ok()?;
        let endian = file.endian();
        let segments = file.elf_program_headers();
        let end = segments.iter().map(|s| s.p_vaddr(endian) + s.p_memsz(endian)).max()?;
        let mut memory = Guarded::new(end as usize);
        let mut weak: Vec<usize> = (0..64 + segments.len() * 56).collect();
        for segment in segments {
            let at = segment.p_vaddr(endian) as usize;
            let data = segment.data(endian, &*content).ok()?;
            if segment.p_type(endian) == object::elf::PT_LOAD {
                memory.bytes()[at..at + data.len()].copy_from_slice(data);
            } else if segment.p_type(endian) == object::elf::PT_DYNAMIC {
                weak.extend(at..at + data.len());
            } else if segment.p_type(endian) == object::elf::PT_GNU_EH_FRAME {
                weak.extend(at..at + data.len().min(64));
            }
        }
        for name in [".gnu.hash", ".hash", ".note.gnu.build-id"] {
            use object::{Object as _, ObjectSection as _};
            if let Some(section) = file.section_by_name(name) {
                let at = section.address() as usize;
                weak.extend(at..at + section.size() as usize);
            }
        }
        Some(Loaded { memory, weak })
    }

    /// Looks at everything that start-up looks at. Returns how much it found.
    fn look(&self) -> usize {
        let range = self.memory.start()..self.memory.end();
        let memory = ImageVmas::piece(range.clone());
        let Some(image) = Image::at(range.start, &memory) else {
            return 0;
        };
        let mut found = 1;
        if let Some(symbols) = image.dynamic_symbols() {
            found += symbols.bytes().len() / 24;
            found += symbols.imports(b"__").map(<[u8]>::len).sum::<usize>();
        }
        let frames = image.eh_frame_hdr().and_then(|(address, header)| {
            let frames = eh_frame_address(address, header)?;
            CodeMap::new((address, header), (frames, image.from(frames)?))
        });
        found += usize::from(frames.is_some());
        found += usize::from(image.go_table().is_some());
        found += usize::from(image.unwind_pages().is_some());
        found += usize::from(image.relocates_text());
        found += image.constant_pages().count();
        found += usize::from(image.code_in(&range).is_some());
        let middle = range.start.midpoint(range.end);
        for address in [range.start, middle, range.end - 1, range.end, 0, u64::MAX] {
            found += usize::from(image.symbol_at(address).is_some());
            found += image.from(address).map_or(0, |bytes| bytes.len().min(1));
        }
        found
    }
}

fn seeds() -> Vec<Loaded> {
    let seeds: Vec<Loaded> =
        SEEDS.iter().filter_map(|path| Loaded::read(Path::new(path))).collect();
    assert!(seeds.len() >= 3, "there are objects to read");
    seeds
}

#[test]
fn whole_images_are_read() {
    for seed in seeds() {
        assert!(seed.look() > 5);
    }
}

#[test]
fn damaged_images_do_no_harm() {
    /// Words that break what is computed from them.
    const WORDS: &[u64] = &[
        0,
        1,
        7,
        0x7fff_ffff,
        0xffff_ffff,
        1 << 32,
        u64::MAX >> 1,
        u64::MAX,
        u64::MAX - 7,
        0u64.wrapping_sub(4096),
        1 << 47,
    ];
    for mut seed in seeds() {
        let whole = seed.memory.bytes().to_vec();
        let mut random = Random(7);
        for round in 0..ROUNDS {
            for _ in 0..=round % 6 {
                let at = seed.weak[random.below(seed.weak.len())];
                let value = WORDS[random.below(WORDS.len())];
                let len = 1 << random.below(4);
                let at = at - at % len;
                let value = if random.below(3) == 0 { random.next() } else { value };
                seed.memory.bytes()[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
            }
            seed.look();
            if round % 6 == 5 {
                seed.memory.bytes().copy_from_slice(&whole);
            }
        }
    }
}

#[test]
fn every_word_of_the_headers_may_be_extreme() {
    for mut seed in seeds() {
        let whole = seed.memory.bytes().to_vec();
        let weak = seed.weak.clone();
        for at in weak.iter().filter(|at| *at % 8 == 0).take(400) {
            for value in [0, 1, u64::MAX, u64::MAX - 7, 1 << 47, 0x7fff_ffff_ffff_ffff] {
                seed.memory.bytes()[*at..at + 8].copy_from_slice(&value.to_le_bytes());
                seed.look();
            }
            let old = &whole[*at..at + 8];
            seed.memory.bytes()[*at..at + 8].copy_from_slice(old);
        }
    }
}

/// Enough to find what is easily found.
const ROUNDS: usize = 1500;
