//! Whatever a program passes: no panic, no endless work, no endless line.

#[path = "support/judge.rs"]
mod judge;
mod support;

use std::cell::Cell;
use std::fmt;

use interceptor_calls::{
    LINE_LIMIT, Memory, Options, Outcome, all, format_call, format_enter, format_exit,
};
use judge::{Judge, READS};
use support::{Fake, six};

/// Numbers that look random, the same in every run (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Memory that is anything, and often not there.
struct Noise {
    seed: u64,
    reads: Cell<usize>,
}

impl Memory for Noise {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        self.reads.set(self.reads.get() + 1);
        let mut numbers = Numbers(self.seed ^ address.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for byte in buffer.iter_mut() {
            let number = numbers.next();
            *byte = match self.seed % 5 {
                0 => 0xff,
                1 => (number & 3) as u8,
                2 => b'a',
                _ => number as u8,
            };
        }
        match self.seed % 7 {
            0 => buffer.len() / 2,
            1 if numbers.next().is_multiple_of(3) => 0,
            // An implementation that lies.
            2 => usize::MAX,
            _ => buffer.len(),
        }
    }
}

fn value(numbers: &mut Numbers) -> u64 {
    let number = numbers.next();
    match numbers.next() % 8 {
        0 => 0,
        1 => u64::MAX,
        2 => number & 0xff,
        3 => number & 0xffff,
        4 => 1 << (number & 63),
        5 => number & 0xffff_ffff,
        6 => 0x7fff_0000_0000 | number & 0xfff,
        _ => number,
    }
}

#[test]
fn no_arguments_or_memory_make_a_line_endless() {
    let mut numbers = Numbers(0x1234_5678_9abc_def1);
    let known: Vec<u64> = all().map(|call| call.nr.into()).collect();
    for round in 0..60_000_usize {
        let nr = match round % 50 {
            0 => value(&mut numbers),
            _ => known[round % known.len()],
        };
        let args = [(); 6].map(|()| value(&mut numbers));
        let ret = match numbers.next() % 4 {
            0 => -(value(&mut numbers) as i64 & 0xfff),
            1 => value(&mut numbers) as i64 & 0xff,
            2 => 1,
            _ => value(&mut numbers) as i64,
        };
        let memory = Noise { seed: numbers.next(), reads: Cell::new(0) };
        let mut judge = Judge::default();
        let options = Options::default();
        format_call(&mut judge, nr, &args, Outcome::Returned(ret), &memory, &options).unwrap();
        assert!(judge.0 <= LINE_LIMIT, "{nr} {args:x?} {}", judge.0);
        assert!(memory.reads.get() < READS, "{nr} {args:x?} {} reads", memory.reads.get());

        // Each part alone, with options that make no sense.
        let options = Options {
            string_limit: value(&mut numbers) as usize,
            line_limit: value(&mut numbers) as usize & 0xfff,
            written: value(&mut numbers) as usize,
            align: value(&mut numbers) as usize,
        };
        let mut judge = Judge::default();
        format_enter(&mut judge, nr, &args, &memory, &options).unwrap();
        format_exit(&mut judge, nr, &args, Outcome::Returned(ret), &memory, &options).unwrap();
        assert!(judge.0 <= 2 * 4096 + 512, "{nr} {options:?} {}", judge.0);
    }
}

#[test]
fn a_line_that_is_too_long_is_cut_before_its_result() {
    let memory = Fake::new().at(0x1000, vec![1; 5000]).at(0x10000, vec![2; 5000]);
    let mut line = String::new();
    let args = six(&[0x1000, 0x10000]);
    format_call(&mut line, 82, &args, Outcome::Returned(-36), &memory, &Options::default())
        .unwrap();
    assert!(line.len() <= LINE_LIMIT, "{}", line.len());
    assert!(line.starts_with("rename(\"\\1\\1"), "{line}");
    assert!(line.ends_with("...) = -1 ENAMETOOLONG (File name too long)"), "{line}");
}

#[test]
fn an_output_argument_after_a_cut_is_still_begun() {
    let memory = Fake::new().at(0x1000, vec![b'a'; 5000]).at(0x10000, "target");
    let mut line = String::new();
    let args = six(&[0x1000, 0x10000, 100]);
    format_call(&mut line, 89, &args, Outcome::Returned(6), &memory, &Options::default()).unwrap();
    assert!(line.len() <= LINE_LIMIT);
    assert!(line.ends_with("aaa..., \"target\", 100) = 6"), "{line}");
}

#[test]
fn a_receiver_that_fails_ends_the_line() {
    struct Full;
    impl fmt::Write for Full {
        fn write_str(&mut self, _: &str) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    let memory = Fake::new();
    let options = Options::default();
    assert!(format_call(&mut Full, 0, &[0; 6], Outcome::Returned(0), &memory, &options).is_err());
}
