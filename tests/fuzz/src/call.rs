//! A call with arguments that lead anywhere, made a line of.

use std::cell::Cell;

use interceptor_calls::{LINE_LIMIT, Memory, Options, Outcome, format_call};

use crate::Input;
use judge::{Judge, READS};

#[path = "../../../crates/calls/tests/support/judge.rs"]
mod judge;

/// Memory that repeats itself, with a hole.
struct Repeated<'a> {
    bytes: &'a [u8],
    hole: u64,
    reads: Cell<usize>,
}

impl Memory for Repeated<'_> {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        self.reads.set(self.reads.get() + 1);
        let mut count = 0;
        for byte in buffer {
            let at = address.wrapping_add(count as u64);
            if self.bytes.is_empty() || at >> 12 == self.hole >> 12 {
                break;
            }
            *byte = self.bytes[(at % self.bytes.len() as u64) as usize];
            count += 1;
        }
        count
    }
}

/// A number, its result, six arguments, a page that is not there, and the memory.
pub(crate) fn run(input: &[u8]) {
    let mut input = Input(input);
    let (nr, result) = (input.word(), input.word().cast_signed());
    let args = [(); 6].map(|()| input.word());
    let hole = input.word();
    let memory = Repeated { bytes: input.0, hole, reads: Cell::new(0) };
    let mut judge = Judge::default();
    let outcome = Outcome::Returned(result);
    // Most are known.
    let nr = if nr & 1 << 63 == 0 { nr % 512 } else { nr };
    format_call(&mut judge, nr, &args, outcome, &memory, &Options::default()).expect("no error");
    assert!(judge.0 <= LINE_LIMIT, "{nr} {args:x?}: {} bytes", judge.0);
    assert!(memory.reads.get() < READS, "{nr} {args:x?}: {} reads", memory.reads.get());
}
