//! Plans the patch sites of ELF files: `cargo run --release -p
//! interceptor-rewrite --example plan -- [-v | -t] FILE...` prints a line for
//! each text, with the least time that planning took; `-v` also a line for each
//! site that no jump fits. `-t` plans once each and prints only totals. Without
//! a file, all installed ones.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use interceptor_rewrite::{Ladder, Reason, Rung, SitePlan, Verdict, plan};

#[path = "../tests/support/mod.rs"]
mod support;
use support::Image;

const COLUMNS: [&str; 12] = [
    "hole",
    "after",
    "before",
    "trap",
    "no-function",
    "outside",
    "undecodable",
    "unproven",
    "prefixed",
    "other-abi",
    "restorer",
    "not-code",
];
/// Where sites without a jump begin, and what is no site.
const UNPATCHED: std::ops::Range<usize> = 3..9;

fn main() {
    let mut verbose = false;
    let mut runs = 20;
    if let Ok(asked) = std::env::var("RUNS") {
        runs = asked.parse().unwrap_or(runs);
    }
    let mut paths = Vec::new();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "-v" => verbose = true,
            "-t" => runs = 1,
            _ => paths.push(PathBuf::from(argument)),
        }
    }
    if paths.is_empty() {
        paths = support::installed();
    }
    let mut total = [0; COLUMNS.len()];
    for path in &paths {
        let Ok(bytes) = std::fs::read(path) else {
            continue;
        };
        let Some(image) = Image::parse(&bytes) else {
            continue;
        };
        for text in image.texts() {
            let (least, plans) = measure(&image, &text, runs);
            let counts = count(&plans);
            for (sum, count) in total.iter_mut().zip(counts) {
                *sum += count;
            }
            if runs > 1 || (verbose && counts[UNPATCHED].iter().any(|count| *count > 0)) {
                let (size, time) = (text.bytes.len() / 1024, least.as_micros());
                println!("{}: {}; {size} KiB in {time} us", path.display(), line(&counts));
            }
            for site in plans.iter().filter(|site| verbose && UNPATCHED.contains(&column(site))) {
                println!("  {:#x} {:?}", site.address, site.verdict);
            }
        }
    }
    println!("total: {}", line(&total));
}

fn measure(
    image: &Image<'_>,
    text: &interceptor_rewrite::Text<'_>,
    runs: usize,
) -> (Duration, Vec<SitePlan>) {
    let mut plans = Vec::new();
    let mut least = Duration::MAX;
    for _ in 0..runs {
        plans.clear();
        let code = image.code_map();
        let begun = Instant::now();
        plan(text, &code, Some(image), Ladder::Full, &mut |site| plans.push(site));
        least = least.min(begun.elapsed());
    }
    (least, plans)
}

fn count(plans: &[SitePlan]) -> [u64; COLUMNS.len()] {
    let mut counts = [0; COLUMNS.len()];
    for site in plans {
        counts[column(site)] += 1;
    }
    counts
}

fn column(site: &SitePlan) -> usize {
    match site.verdict {
        Verdict::Jump(patch) => match patch.rung() {
            Some(Rung::Hole) => 0,
            Some(Rung::After) => 1,
            _ => 2,
        },
        Verdict::Trap => 3,
        Verdict::Missed(Reason::NoFunction) => 4,
        Verdict::Missed(Reason::Outside) => 5,
        Verdict::Missed(Reason::Undecodable) => 6,
        Verdict::Missed(Reason::Unproven) => 7,
        Verdict::Missed(Reason::Prefixed) => 8,
        Verdict::Missed(Reason::OtherAbi) => 9,
        Verdict::Missed(Reason::Restorer) => 10,
        Verdict::NotCode => 11,
    }
}

fn line(counts: &[u64; COLUMNS.len()]) -> String {
    let named = COLUMNS.iter().zip(counts);
    let shown = named.filter(|(_, count)| **count > 0);
    shown.map(|(name, count)| format!("{name} {count} ")).collect::<String>().trim_end().to_owned()
}
