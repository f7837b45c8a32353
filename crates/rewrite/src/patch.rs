//! What is to be written for one site.

use core::ops::Range;

use crate::scan::SITE_LEN;
use crate::window::Window;

/// How a site is made to jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// A two-byte jump into five bytes of dead padding nearby, which hold the
    /// jump to the stub. Nothing is moved, every address stays a valid entry.
    Hole,
    /// A five-byte jump over the site and the instructions after it.
    After,
    /// A five-byte jump over instructions before the site, the site, and
    /// perhaps more after it.
    Before,
}

/// A stub or hole is farther away than its jump reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfReach;

/// The plan for one site, in addresses of the text it was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patch {
    site: u64,
    /// Where the window starts, before the site.
    before: u8,
    /// Where it ends, after the start of the site.
    after: u8,
    way: Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Distance of the hole from the site.
    Hole(i16),
    Window(Rung),
    Trap,
}

/// Bytes to write at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub address: u64,
    bytes: [u8; Write::CAPACITY],
    len: u8,
}

/// Length of `jmp rel32`.
pub(crate) const JUMP: u64 = 5;
/// Length of `jmp rel8`.
const SHORT_JUMP: i16 = 2;
/// Longest window: four bytes of the instructions before can be needed, each
/// side ends with an instruction of at most 15 bytes.
pub(crate) const MAX_WINDOW: usize = 48;

impl Write {
    const CAPACITY: usize = MAX_WINDOW;

    /// What is written.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }

    fn new(address: u64, parts: &[&[u8]]) -> Self {
        let mut write = Self { address, bytes: [0; Self::CAPACITY], len: 0 };
        for byte in parts.iter().copied().flatten() {
            if let Some(slot) = write.bytes.get_mut(usize::from(write.len)) {
                *slot = *byte;
                write.len += 1;
            }
        }
        write
    }
}

impl Patch {
    /// A `ud2` in place of the site.
    pub fn trap(site: u64) -> Self {
        Self { site, before: 0, after: SITE_LEN as u8, way: Way::Trap }
    }

    /// A jump through a hole within reach of a short jump.
    pub(crate) fn hole_at(site: u64, hole: u64) -> Self {
        let distance = hole.wrapping_sub(site) as i16;
        Self { site, before: 0, after: SITE_LEN as u8, way: Way::Hole(distance) }
    }

    pub(crate) fn window_of(site: u64, window: Window) -> Self {
        let Window { before, after } = window;
        Self { site, before, after, way: Way::Window(window.rung()) }
    }

    /// Address of the system call instruction.
    pub fn site(&self) -> u64 {
        self.site
    }

    /// The rung, or `None` for a trap.
    pub fn rung(&self) -> Option<Rung> {
        match self.way {
            Way::Hole(_) => Some(Rung::Hole),
            Way::Window(rung) => Some(rung),
            Way::Trap => None,
        }
    }

    /// The five bytes of padding that get the jump to the stub, if any.
    pub fn hole(&self) -> Option<Range<u64>> {
        match self.way {
            Way::Hole(distance) => {
                let start = self.site.wrapping_add_signed(i64::from(distance));
                Some(start..start.wrapping_add(JUMP))
            }
            _ => None,
        }
    }

    /// The instructions that are replaced, the site among them. Each but the
    /// first is known to be reached only from the one before it. A window that
    /// ends with an instruction that does not go on may include padding behind.
    pub fn window(&self) -> Range<u64> {
        self.site.wrapping_sub(u64::from(self.before))
            ..self.site.wrapping_add(u64::from(self.after))
    }

    /// The part of the window that the stub executes before the call.
    pub fn head(&self) -> Range<u64> {
        self.window().start..self.site
    }

    /// The part of the window that the stub executes after the call.
    pub fn tail(&self) -> Range<u64> {
        self.site.wrapping_add(SITE_LEN)..self.window().end
    }

    /// Where the stub jumps back to.
    pub fn resume(&self) -> u64 {
        self.window().end
    }

    /// The bytes that are replaced, in up to two pieces.
    pub fn replaces(&self) -> [Option<Range<u64>>; 2] {
        [Some(self.window()), self.hole()]
    }

    /// Everything that is written lies in this range.
    pub fn touches(&self) -> Range<u64> {
        let window = self.window();
        match self.hole() {
            Some(hole) => window.start.min(hole.start)..window.end.max(hole.end),
            None => window,
        }
    }

    /// The bytes that make the site lead to `stub`, to be written in order.
    ///
    /// What remains of a window behind the jump is filled with `int3`: nothing
    /// reaches it, and what does by mistake stops there.
    ///
    /// # Errors
    ///
    /// When the stub is not within 2 GiB.
    pub fn writes(&self, stub: u64) -> Result<Writes, OutOfReach> {
        let mut writes = Writes { writes: [Write::new(self.site, &[]); 2], next: 0 };
        let [first, second] = &mut writes.writes;
        match self.way {
            Way::Hole(distance) => {
                let hole = self.site.wrapping_add_signed(i64::from(distance));
                let jump = long_jump(hole, stub)?;
                let distance =
                    i8::try_from(distance.wrapping_sub(SHORT_JUMP)).map_err(|_| OutOfReach)?;
                *first = Write::new(hole, &[&jump]);
                *second = Write::new(self.site, &[&[0xeb, distance as u8]]);
            }
            Way::Window(_) => {
                let window = self.window();
                let jump = long_jump(window.start, stub)?;
                let fill = [0xcc; MAX_WINDOW];
                let rest = u64::from(self.before + self.after).saturating_sub(JUMP) as usize;
                let fill = fill.get(..rest).unwrap_or(&fill);
                *first = Write::new(window.start, &[&jump, fill]);
            }
            Way::Trap => *first = Write::new(self.site, &[&[0x0f, 0x0b]]),
        }
        Ok(writes)
    }
}

/// At most two writes, in order.
#[derive(Clone, Debug)]
pub struct Writes {
    writes: [Write; 2],
    next: usize,
}

impl Iterator for Writes {
    type Item = Write;

    fn next(&mut self) -> Option<Write> {
        let write = self.writes.get(self.next).copied()?;
        self.next += 1;
        (!write.bytes().is_empty()).then_some(write)
    }
}

fn long_jump(from: u64, to: u64) -> Result<[u8; JUMP as usize], OutOfReach> {
    let distance = to.wrapping_sub(from.wrapping_add(JUMP)) as i64;
    let [a, b, c, d] = i32::try_from(distance).map_err(|_| OutOfReach)?.to_le_bytes();
    Ok([0xe9, a, b, c, d])
}
