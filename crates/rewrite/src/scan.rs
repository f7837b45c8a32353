//! Finds bytes that may be system call instructions, at memory speed.

/// The instruction that a candidate looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteKind {
    /// `0f 05`, `syscall`.
    Syscall,
    /// `cd 80`, `int 0x80`.
    Int80,
    /// `0f 34`, `sysenter`.
    Sysenter,
}

/// Length in bytes of each of the three instructions.
pub const SITE_LEN: u64 = 2;

const BLOCK: usize = 64;

/// The offset and kind of every candidate in `text`, in order.
pub fn candidates(text: &[u8]) -> impl Iterator<Item = (usize, SiteKind)> + '_ {
    Candidates { text, at: 0 }
}

/// Whether `text` has a candidate at all.
pub fn has_candidates(text: &[u8]) -> bool {
    candidates(text).next().is_some()
}

struct Candidates<'t> {
    text: &'t [u8],
    at: usize,
}

impl Iterator for Candidates<'_> {
    type Item = (usize, SiteKind);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.skip_blocks_without_second_byte();
            let rest = self.text.get(self.at..).filter(|rest| rest.len() >= 2)?;
            // One block byte by byte; the pair may straddle its end.
            let pairs = rest.windows(2).take(BLOCK);
            let found = pairs.enumerate().find_map(|(offset, pair)| {
                let kind = match pair {
                    [0x0f, 0x05] => SiteKind::Syscall,
                    [0xcd, 0x80] => SiteKind::Int80,
                    [0x0f, 0x34] => SiteKind::Sysenter,
                    _ => return None,
                };
                Some((self.at + offset, kind))
            });
            if let Some((at, kind)) = found {
                self.at = at + 1;
                return Some((at, kind));
            }
            self.at += BLOCK.min(rest.len());
        }
    }
}

impl Candidates<'_> {
    /// Skips blocks in which no byte is the first of a candidate followed by
    /// the second. The loop is of a form that compiles to vector code.
    fn skip_blocks_without_second_byte(&mut self) {
        while let Some(block) = self.text.get(self.at..self.at + BLOCK + 1) {
            let mut hit = 0u8;
            for (first, second) in block.iter().zip(&block[1..]).take(BLOCK) {
                let syscall = u8::from(*first == 0x0f) & u8::from(*second == 0x05);
                let sysenter = u8::from(*first == 0x0f) & u8::from(*second == 0x34);
                let int80 = u8::from(*first == 0xcd) & u8::from(*second == 0x80);
                hit |= syscall | sysenter | int80;
            }
            if hit != 0 {
                return;
            }
            self.at += BLOCK;
        }
    }
}
