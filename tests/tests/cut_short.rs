//! Programs whose files are shorter than what their headers map: what lies behind the
//! end raises SIGBUS for whoever touches it, which start-up must not.

use std::fs;
use std::ops::Range;
use std::path::Path;

use interceptor_tests::{Dist, Missing, Mode, Modes, Program, Scratch, guest, need};

const PAGE: u64 = 4096;

/// Kinds and permissions of segments, and where the fields of a program header are (elf(5)).
const LOAD: u32 = 1;
const NOTE: u32 = 4;
const EH_FRAME: u32 = 0x6474_e550;
const EXECUTE: u32 = 1;
const READ: u32 = 4;
const FLAGS: usize = 4;
const OFFSET: usize = 8;
const ADDRESS: usize = 16;
const PHYSICAL: usize = 24;
const FILE_SIZE: usize = 32;
const MEMORY_SIZE: usize = 40;
const ALIGNMENT: usize = 48;

/// A program's file, the headers of which are changed.
struct Elf(Vec<u8>);

impl Elf {
    fn of(name: &str) -> Result<Elf, Missing> {
        Ok(Elf(fs::read(guest(name)?).expect("a program")))
    }

    fn word(&self, at: usize) -> u64 {
        u64::from_le_bytes(*self.0[at..].first_chunk().expect("a word"))
    }

    fn half(&self, at: usize) -> u32 {
        u32::from_le_bytes(*self.0[at..].first_chunk().expect("half a word"))
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Where the headers of segments are.
    fn headers(&self) -> impl Iterator<Item = usize> + use<> {
        let (first, count) = (self.word(32) as usize, self.half(56) as u16);
        (0..usize::from(count)).map(move |number| first + 56 * number)
    }

    fn header(&self, kind: u32) -> usize {
        self.headers().find(|at| self.half(*at) == kind).expect("a segment")
    }

    /// Makes of a note a segment of these pages of the file, behind all others. Returns its
    /// address.
    fn map(&mut self, pages: Range<u64>, flags: u32) -> u64 {
        let loaded = self.headers().filter(|at| self.half(*at) == LOAD);
        let end = loaded.map(|at| self.word(at + ADDRESS) + self.word(at + MEMORY_SIZE)).max();
        let address = (end.expect("a segment") + 2 * PAGE) / PAGE * PAGE;
        let (at, len) = (self.header(NOTE), (pages.end - pages.start) * PAGE);
        self.put(at, &LOAD.to_le_bytes());
        self.put(at + FLAGS, &flags.to_le_bytes());
        for (field, value) in [
            (OFFSET, pages.start * PAGE),
            (ADDRESS, address),
            (PHYSICAL, address),
            (FILE_SIZE, len),
            (MEMORY_SIZE, len),
            (ALIGNMENT, PAGE),
        ] {
            self.put(at + field, &value.to_le_bytes());
        }
        address
    }

    /// Pages of the file, the last one in part.
    fn pages(&self) -> u64 {
        (self.0.len() as u64).div_ceil(PAGE)
    }

    /// The program gives in each usual mode what it gives natively, in time.
    fn is_as_natively(&self, dist: &Dist) {
        let scratch = Scratch::new();
        let path = scratch.file("program", 0o755, &self.0);
        let program = Program::new(Path::new(&path));
        let native = program.natively();
        assert_eq!(native.status.code(), Some(0), "{native:?}");
        for mode in Modes::USUAL.iter().chain(Modes::named("trap")) {
            let ours = Mode::run(mode, dist, &program).expect("a hook");
            assert_eq!(ours, native, "under {}: {}", mode.name, native.difference(&ours));
        }
    }
}

#[test]
fn text_may_end_behind_the_end_of_its_file() {
    let dist = need!(Dist::find());
    let mut program = need!(Elf::of("args6"));
    let pages = program.pages();
    program.map(pages - 1..pages + 40, READ | EXECUTE);
    program.is_as_natively(&dist);
}

#[test]
fn text_may_lie_behind_the_end_of_its_file() {
    let dist = need!(Dist::find());
    let mut program = need!(Elf::of("args6"));
    let pages = program.pages();
    program.map(pages..pages + 40, READ | EXECUTE);
    program.is_as_natively(&dist);
}

#[test]
fn tables_may_lie_behind_the_end_of_their_file() {
    let dist = need!(Dist::find());
    let mut program = need!(Elf::of("args6"));
    let pages = program.pages();
    let address = program.map(pages..pages + 40, READ);
    let header = program.header(EH_FRAME);
    program.put(header + ADDRESS, &(address + 16).to_le_bytes());
    program.is_as_natively(&dist);
}
