//! Everything that reads input that others made, as functions of bytes.
//!
//! `cargo xtask fuzz` lets them look for input that does harm; the tests here give them
//! what was found so before, and what is usual, in `tests/fuzz/corpus`. A target takes
//! any input: it panics, reads what is not there or does not end when there is a defect.

mod call;
mod guarded_image;
mod plan;
mod settings;

#[allow(dead_code, reason = "a part is used")]
#[path = "../../../src/config.rs"]
mod config;

#[path = "../../models/src/guarded.rs"]
mod guarded;

#[allow(dead_code, reason = "a part is used")]
#[path = "../../../src/patch/image.rs"]
mod image;

#[allow(dead_code, reason = "a part is used")]
#[path = "../../models/src/sys.rs"]
mod sys;

/// Something that reads input.
#[derive(Clone, Copy)]
pub struct Target {
    /// What it is called, and its directory in the corpus.
    pub name: &'static str,
    /// Gives it an input.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "plan", run: plan::run },
    Target { name: "image", run: guarded_image::run },
    Target { name: "file", run: interceptor_cli::hostile::examine },
    Target { name: "environment", run: settings::environment },
    Target { name: "filter", run: settings::filter },
    Target { name: "call", run: call::run },
    Target { name: "segment", run: interceptor_cli::hostile::report },
];

/// The target of this name.
pub fn named(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Takes an input apart: what is left of it.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// A word, the lowest two bytes of which are a length, and so many bytes, or as many as
    /// there are.
    fn piece(&mut self) -> &'a [u8] {
        let len = usize::from(self.word() as u16);
        let (piece, rest) = self.0.split_at(self.0.len().min(len));
        self.0 = rest;
        piece
    }

    /// Eight bytes; what is missing is 0.
    fn word(&mut self) -> u64 {
        let (word, rest) = self.0.split_at(self.0.len().min(8));
        self.0 = rest;
        word.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn no_input_that_was_found_does_harm() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        for target in TARGETS {
            let inputs = fs::read_dir(corpus.join(target.name)).expect(target.name);
            let mut count = 0;
            for input in inputs {
                let path = input.expect("a file").path();
                eprintln!("{}", path.display());
                (target.run)(&fs::read(path).expect("an input"));
                count += 1;
            }
            assert!(count > 0, "no input for {}", target.name);
        }
    }

    #[test]
    fn short_inputs_do_no_harm() {
        for target in TARGETS {
            for byte in [0, 1, 0xff] {
                for len in [0, 1, 7, 8, 9, 16, 63, 64, 65] {
                    (target.run)(&vec![byte; len]);
                }
            }
        }
    }
}
