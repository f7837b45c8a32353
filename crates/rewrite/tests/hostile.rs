//! Damaged input yields fewer plans, never a panic or a read out of bounds.

use interceptor_rewrite::{
    CodeMap, Ladder, SitePlan, Text, Width, candidates, eh_frame_address, plan, relocate,
};

#[path = "support/any_plan.rs"]
mod any_plan;
mod support;

use any_plan::OneRange;
use support::{Image, Random};

/// One text and what is known of it, each part open to damage.
#[derive(Clone)]
struct Input {
    base: u64,
    text: Vec<u8>,
    header: (u64, Vec<u8>),
    frames: (u64, Vec<u8>),
    symbols: Vec<u8>,
    data: (u64, Vec<u8>),
}

impl Input {
    fn of(path: &str) -> Option<Self> {
        let bytes = std::fs::read(path).ok()?;
        let image = Image::parse(&bytes)?;
        let text = image.texts().next()?;
        let header = image.section(".eh_frame_hdr")?;
        let frames = image.section(".eh_frame")?;
        let data = image.section(".rodata")?;
        Some(Self {
            base: text.base,
            text: text.bytes.to_vec(),
            header: (header.0, header.1.to_vec()),
            frames: (frames.0, frames.1.to_vec()),
            symbols: image.section(".dynsym")?.1.to_vec(),
            data: (data.0, data.1.to_vec()),
        })
    }

    /// Plans, and checks what must hold of any plan.
    fn plan(&self) -> usize {
        let text = Text { base: self.base, bytes: &self.text, width: Width::default() };
        let _ = eh_frame_address(self.header.0, &self.header.1);
        let frames = (self.frames.0, &*self.frames.1);
        let code = CodeMap::new((self.header.0, &self.header.1), frames).unwrap_or_default();
        let code = code.with_symbols(&self.symbols, 0);
        any_plan::check(&text, &code, &OneRange(self.data.0, &self.data.1))
    }
}

fn damage(bytes: &mut [u8], random: &mut Random, times: usize) {
    for _ in 0..times {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        let value = random.next();
        bytes[at] = match value & 0x300 {
            0 => 0xff,
            0x100 => 0,
            _ => value as u8,
        };
    }
}

const LINKER: &str = "/lib64/ld-linux-x86-64.so.2";

fn rounds() -> usize {
    if support::is_everything_asked() { 3000 } else { 40 }
}

#[test]
fn damaged_unwind_tables_do_no_harm() {
    let Some(whole) = Input::of(LINKER) else {
        return;
    };
    assert!(whole.plan() > 0);
    let mut random = Random(1);
    for round in 0..rounds() {
        let mut input = whole.clone();
        let times = 1 << (round % 12);
        damage(&mut input.frames.1, &mut random, times);
        damage(&mut input.header.1, &mut random, times / 4);
        damage(&mut input.data.1, &mut random, times);
        input.plan();
    }
}

#[test]
fn damaged_symbols_do_no_harm() {
    let Some(whole) = Input::of(LINKER) else {
        return;
    };
    let mut random = Random(2);
    for round in 0..rounds() {
        let mut input = whole.clone();
        damage(&mut input.symbols, &mut random, 1 << (round % 10));
        input.header.1.truncate(12 + random.below(input.header.1.len()));
        input.plan();
        input.header.1.clear();
        input.plan();
    }
}

#[test]
fn truncated_input_does_no_harm() {
    let Some(whole) = Input::of(LINKER) else {
        return;
    };
    let mut random = Random(3);
    for _ in 0..rounds() {
        let mut input = whole.clone();
        let parts = [
            &mut input.text,
            &mut input.frames.1,
            &mut input.header.1,
            &mut input.symbols,
            &mut input.data.1,
        ];
        for part in parts {
            if random.next() & 1 == 0 {
                part.truncate(random.below(part.len() + 1));
            }
        }
        input.plan();
    }
}

#[test]
fn damaged_code_does_no_harm() {
    let Some(whole) = Input::of(LINKER) else {
        return;
    };
    let mut random = Random(4);
    for round in 0..rounds() {
        let mut input = whole.clone();
        damage(&mut input.text, &mut random, 16 << (round % 12));
        for _ in 0..50 {
            let at = random.below(input.text.len() - 1);
            input.text[at..at + 2].copy_from_slice(&[0x0f, 0x05]);
        }
        input.plan();
    }
}

#[test]
fn a_text_anywhere_in_the_address_space_does_no_harm() {
    let Some(whole) = Input::of(LINKER) else {
        return;
    };
    let bases = [0, 1, 4095, 4096, 1 << 31, 1 << 47, u64::MAX - 200_000, u64::MAX - 1, u64::MAX];
    for base in bases {
        let mut input = whole.clone();
        let shift = base.wrapping_sub(input.base);
        input.header.0 = input.header.0.wrapping_add(shift);
        input.frames.0 = input.frames.0.wrapping_add(shift);
        input.data.0 = input.data.0.wrapping_add(shift);
        input.base = base;
        let text = Text { base, bytes: &input.text, width: Width::default() };
        let code =
            CodeMap::new((input.header.0, &input.header.1), (input.frames.0, &input.frames.1));
        let mut planned = 0;
        let data = OneRange(input.data.0, &input.data.1);
        let code = code.unwrap_or_default().with_symbols(&input.symbols, shift);
        plan(&text, &code, Some(&data), Ladder::Full, &mut |_| planned += 1);
        assert_eq!(planned, candidates(&input.text, Width::default()).count());
    }
}

#[test]
fn random_bytes_do_no_harm() {
    let mut random = Random(5);
    let mut out = [0; 64];
    for _ in 0..200_000 {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&random.next().to_le_bytes());
        }
        let len = random.below(bytes.len() + 1);
        let room = random.below(out.len() + 1);
        let _ = relocate(&bytes[..len], random.next(), random.next(), &mut out[..room]);
    }
}

#[test]
fn whatever_was_kept_as_a_plan_names_bytes_of_the_text() {
    let mut random = Random(7);
    let mut found = 0;
    for len in [1_u64, 2, 7, 100, 4096] {
        let text = 0x7f00_0000_0000..0x7f00_0000_0000 + len;
        for _ in 0..rounds() * 1000 {
            // A word whose bytes mean something more often than not.
            let [place, kind, verdict, low, high] = [0; 5].map(|_: u64| random.next());
            let wide = if place % 9 == 0 { 0x80ff } else { 0 };
            let reach = (low % 64) | (high % 64) << 8 | wide;
            let word = (place % (2 * len)) | (kind % 4) << 32 | (verdict % 13) << 40 | reach << 48;
            let Some(site) = SitePlan::unpack(word, &text) else { continue };
            found += 1;
            let Some(patch) = site.patch() else { continue };
            let touched = patch.touches();
            assert!(text.start <= touched.start && touched.end <= text.end, "{word:x}: {site:x?}");
            assert!(touched.start < touched.end, "{word:x}: {site:x?}");
            for write in patch.writes(text.end + 4096).expect("in reach") {
                let end = write.address + write.bytes().len() as u64;
                assert!(text.start <= write.address && end <= text.end, "{word:x}: {site:x?}");
            }
        }
    }
    assert!(found > 1000, "{found}");
}
