//! What would become of each patch site of a file.

use std::fmt;
use std::path::Path;

use interceptor_abi::segment::Outcome;
use interceptor_rewrite::{Reason, Rung, SiteKind, SitePlan, Verdict};

use crate::objects::image::Contents;

/// Columns of the table: what a site can become, then what is no site.
const COLUMNS: &[Outcome] = &[
    Outcome::Hole,
    Outcome::After,
    Outcome::Before,
    Outcome::Trap,
    Outcome::Missed,
    Outcome::NotCode,
    Outcome::Int80,
    Outcome::Sysenter,
];

/// How many of them are sites.
const SITE_COLUMNS: usize = 5;

/// Numbers of sites by outcome.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally([u64; Outcome::COUNT]);

impl Tally {
    /// Counts one site.
    pub fn count(&mut self, outcome: Outcome) {
        self.0[outcome as usize] += 1;
    }

    /// The sum of both.
    pub fn plus(mut self, other: &Tally) -> Tally {
        for (sum, count) in self.0.iter_mut().zip(other.0) {
            *sum += count;
        }
        self
    }

    /// All sites.
    pub fn sites(&self) -> u64 {
        let sites = COLUMNS[..SITE_COLUMNS].iter();
        sites.map(|outcome| self.0[*outcome as usize]).sum()
    }

    /// Sites whose calls are seen.
    pub fn reached(&self) -> u64 {
        self.sites() - self.0[Outcome::Missed as usize]
    }

    /// Share of sites whose calls are seen. Only all of them are 100%.
    pub fn percentage(&self) -> String {
        match (self.reached(), self.sites()) {
            (reached, sites) if reached == sites => "100%".to_owned(),
            (reached, sites) => {
                let hundredths = u128::from(reached) * 10_000 / u128::from(sites);
                format!("{}.{:02}%", hundredths / 100, hundredths % 100)
            }
        }
    }
}

/// Titles of the columns that a tally prints.
pub fn titles() -> String {
    let names = COLUMNS.iter().map(|outcome| format!("{:>9}", outcome.name()));
    format!("{}{:>10}", names.collect::<String>(), "coverage")
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for outcome in COLUMNS {
            write!(f, "{:>9}", self.0[*outcome as usize])?;
        }
        write!(f, "{:>10}", self.percentage())
    }
}

/// Plans every executable segment of a file; `None` if it cannot be read.
pub fn of(path: &Path) -> Option<Tally> {
    let contents = Contents::read(path)?;
    let image = contents.image()?;
    let mut tally = Tally::default();
    for piece in image.texts() {
        image.plan(&piece, &mut |site: SitePlan| {
            tally.count(match site.verdict {
                // Only the file tells; what is mapped has no sections.
                Verdict::Missed(Reason::Outside) if image.is_in_data(site.address) => {
                    Outcome::NotCode
                }
                _ => outcome(&site),
            });
        });
    }
    Some(tally)
}

fn outcome(site: &SitePlan) -> Outcome {
    match (&site.verdict, site.kind) {
        (Verdict::Jump(patch), _) => match patch.rung() {
            Some(Rung::Hole) => Outcome::Hole,
            Some(Rung::After) => Outcome::After,
            Some(Rung::Before) => Outcome::Before,
            None => Outcome::Trap,
        },
        (Verdict::Trap, _) => Outcome::Trap,
        (Verdict::NotCode, _) => Outcome::NotCode,
        (_, SiteKind::Int80) => Outcome::Int80,
        (_, SiteKind::Sysenter) => Outcome::Sysenter,
        _ => Outcome::Missed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_all_is_not_rounded_to_all() {
        let mut tally = Tally::default();
        assert_eq!(tally.percentage(), "100%");
        for _ in 0..100_000 {
            tally.count(Outcome::Hole);
        }
        tally.count(Outcome::Missed);
        assert_eq!(tally.percentage(), "99.99%");
        tally.count(Outcome::NotCode);
        assert_eq!(tally.sites(), 100_001);
    }
}
