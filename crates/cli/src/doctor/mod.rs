//! `doctor`: will a program be intercepted, and how completely.
//!
//! Looks at files only. The program and its dynamic linker are never executed:
//! they may be privileged, or hostile.

use std::ffi::OsString;
use std::io::Write as _;

use crate::failure::Failure;
use crate::objects::libraries::{self, Object};
use crate::outcome::Outcome;
use crate::plan;
use crate::program::{self, Program};

mod features;
mod sites;

use features::Feature;
use sites::Tally;

/// Arguments of `doctor`.
#[derive(clap::Args)]
pub struct Args {
    /// Program to examine; it is not started
    #[arg(value_name = "PROGRAM")]
    program: OsString,
}

/// Status when the program would run without interception, or not run.
const STATUS_NOT_INTERCEPTED: i32 = 1;

/// Prints what is found, and one line of verdict.
pub fn execute(args: &Args) -> Result<Outcome, Failure> {
    let program = program::find(std::slice::from_ref(&args.program))?;
    let objects = if program.obstacle.is_none() { libraries::of(&program) } else { Vec::new() };
    let mut features = features::check();
    if !objects.is_empty() {
        features.push(features::information("plans", plan::what_is_known(&objects)));
    }
    let report =
        Report { tallies: objects.iter().map(tally).collect(), program, objects, features };
    // A reader that left wants no more of it.
    let _ = std::io::stdout().write_all(report.to_string().as_bytes());
    Ok(Outcome::Exited(match report.verdict() {
        Verdict::Intercepted(_) => 0,
        Verdict::NotIntercepted(_) => STATUS_NOT_INTERCEPTED,
    }))
}

fn tally(object: &Object) -> Option<Tally> {
    sites::of(object.path.as_deref()?)
}

/// What the report says of the sites of a file; `None` if it is no object.
#[cfg(any(test, feature = "hostile"))]
pub fn look_at(path: &std::path::Path) -> Option<String> {
    sites::of(path).map(|tally| tally.to_string())
}

struct Report {
    program: Program,
    objects: Vec<Object>,
    /// One for each object; `None` where there is no file.
    tallies: Vec<Option<Tally>>,
    features: Vec<Feature>,
}

enum Verdict {
    Intercepted(String),
    NotIntercepted(String),
}

impl Report {
    fn verdict(&self) -> Verdict {
        if let Some(obstacle) = &self.program.obstacle {
            return Verdict::NotIntercepted(obstacle.to_string());
        }
        if let Some(object) = self.objects.iter().find(|object| object.path.is_none()) {
            return Verdict::NotIntercepted(format!(
                "does not start: library {} is missing",
                object.name
            ));
        }
        let lacking = self.features.iter().find(|feature| feature.is_fatal());
        if let Some(feature) = lacking {
            return Verdict::NotIntercepted(format!("{} {}", feature.name, feature.finding));
        }
        let total = self.total();
        Verdict::Intercepted(format!(
            "will be intercepted: {} of {} sites ({})",
            total.reached(),
            total.sites(),
            total.percentage()
        ))
    }

    fn total(&self) -> Tally {
        self.tallies.iter().flatten().fold(Tally::default(), Tally::plus)
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let chain: Vec<String> =
            self.program.chain.iter().map(|file| file.display().to_string()).collect();
        writeln!(f, "program   {}", chain.join(" -> "))?;
        for feature in &self.features {
            writeln!(f, "{feature}")?;
        }
        if !self.objects.is_empty() {
            writeln!(f, "\n{}  object", sites::titles())?;
            for (object, tally) in self.objects.iter().zip(&self.tallies) {
                match tally {
                    Some(tally) => writeln!(f, "{tally}  {}", object.shown_name())?,
                    None => writeln!(
                        f,
                        "{:>width$}  {}",
                        "missing",
                        object.name,
                        width = sites::titles().len()
                    )?,
                }
            }
            writeln!(f, "{}  total\n", self.total())?;
        }
        let name = self.program.arguments.first().map(|name| name.display().to_string());
        let name = name.unwrap_or_default();
        match self.verdict() {
            Verdict::Intercepted(text) => writeln!(f, "{name}: {text}"),
            Verdict::NotIntercepted(text) => writeln!(f, "{name}: not intercepted: {text}"),
        }
    }
}
