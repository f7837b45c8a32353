//! Plans the patch sites of ELF files: `cargo run --release -p
//! interceptor-rewrite --example plan -- [-v] FILE...` prints a line for each
//! file, with the time planning took; `-v` also a line for each site that no
//! jump fits.

use std::time::Instant;

use interceptor_rewrite::{
    CodeMap, Data, Ladder, Reason, Rung, Text, Verdict, eh_frame_address, plan,
};
use object::{Object, ObjectSection, ObjectSegment, SegmentFlags};

fn main() {
    let mut verbose = false;
    for argument in std::env::args().skip(1) {
        if argument == "-v" {
            verbose = true;
            continue;
        }
        if let Err(why) = report(&argument, verbose) {
            println!("{argument}: {why}");
        }
    }
}

/// The sections of a file as the program's data.
struct Sections<'f>(&'f object::File<'f>);

impl Data for Sections<'_> {
    fn bytes_from(&self, address: u64) -> Option<&[u8]> {
        self.0.sections().find_map(|section| {
            let offset = address.checked_sub(section.address())? as usize;
            section
                .data()
                .ok()?
                .get(offset..)
                .filter(|bytes| !bytes.is_empty())
        })
    }
}

fn report(path: &str, verbose: bool) -> Result<(), String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let file = object::File::parse(&*bytes).map_err(|error| error.to_string())?;
    let section = |name: &str| {
        let section = file.section_by_name(name)?;
        Some((section.address(), section.data().ok()?))
    };
    let code = section(".eh_frame_hdr")
        .and_then(|header| {
            let frames = section(".eh_frame")?;
            (eh_frame_address(header.0, header.1)? == frames.0).then_some(())?;
            CodeMap::new(header, frames)
        })
        .unwrap_or_default();
    for segment in file.segments() {
        let SegmentFlags::Elf { p_flags, .. } = segment.flags() else {
            continue;
        };
        if p_flags.0 & 1 == 0 {
            continue;
        }
        let data = segment.data().map_err(|error| error.to_string())?;
        let text = Text {
            base: segment.address(),
            bytes: data,
        };
        let mut counts = [0u32; 7];
        let mut lines = Vec::new();
        let begun = Instant::now();
        plan(
            &text,
            &code,
            Some(&Sections(&file)),
            Ladder::Full,
            &mut |site| {
                let index = match site.verdict {
                    Verdict::Jump(patch) => match patch.rung() {
                        Some(Rung::Hole) => 0,
                        Some(Rung::After) => 1,
                        _ => 2,
                    },
                    Verdict::Trap => 3,
                    Verdict::Missed(Reason::OtherAbi) => 5,
                    Verdict::Missed(_) => 4,
                    Verdict::NotCode => 6,
                };
                counts[index] += 1;
                if verbose && matches!(index, 3 | 4) {
                    lines.push(format!("  {:#x} {:?}", site.address, site.verdict));
                }
            },
        );
        let elapsed = begun.elapsed();
        let [hole, after, before, trap, missed, other, not_code] = counts;
        println!(
            "{path}: hole {hole} after {after} before {before} trap {trap} missed {missed} \
             other-abi {other} not-code {not_code}; {} KiB in {} us",
            data.len() / 1024,
            elapsed.as_micros()
        );
        for line in lines {
            println!("{line}");
        }
    }
    Ok(())
}
