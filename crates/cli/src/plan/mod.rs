//! `plan`: finds out what to do at each site of programs before they are executed.
//!
//! Looks at files only, as `doctor` does. What it finds goes to a file that the runtime
//! reads at start-up, in place of the text of the files that it knows.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use interceptor_abi::env::PLANS;
use interceptor_abi::plans::FILE;

use crate::failure::{Failure, cause};
use crate::notice;
use crate::objects::libraries::{self, Object};
use crate::outcome::Outcome;
use crate::preload;
use crate::program;

mod object;
mod store;

use store::Store;

/// Arguments of `plan`.
#[derive(clap::Args)]
pub struct Args {
    /// Where plans are kept; at first the file that INTERCEPTOR_PLANS names, then one beside the runtime
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Programs to plan with the libraries that they need, also single libraries; none is
    /// started. Without any, what has changed of those that are kept is planned anew
    #[arg(value_name = "PROGRAM")]
    programs: Vec<OsString>,
}

/// Status when a program is not intercepted, so there is nothing to plan.
const STATUS_NOT_PLANNED: i32 = 1;

/// Plans, and prints what is kept.
pub fn execute(args: &Args) -> Result<Outcome, Failure> {
    let file = place(args.file.as_deref())?;
    let unusable = |error| {
        let why = cause(&error);
        let file = file.display();
        Failure::refused(format!("{file}: {why}; --file and {PLANS} may name another"))
    };
    let mut store = Store::read(&file).map_err(unusable)?;
    let mut paths: BTreeSet<PathBuf> = store.paths().map(Path::to_path_buf).collect();
    let mut are_all_planned = true;
    for name in &args.programs {
        are_all_planned &= add_objects(name, &mut paths)?;
    }
    let mut report = String::new();
    for path in paths {
        report += &renew(&mut store, &path);
    }
    store.write(&file).map_err(unusable)?;
    report += &format!("{}: {} files, {} sites\n", file.display(), store.files(), store.sites());
    // A reader that left wants no more of it.
    let _ = std::io::stdout().write_all(report.as_bytes());
    Ok(Outcome::Exited(if are_all_planned { 0 } else { STATUS_NOT_PLANNED }))
}

/// How many of a program's files start-up will not have to look through, in words.
pub fn what_is_known(objects: &[Object]) -> String {
    let known = place(None).ok().map(|file| {
        let store = Store::read(&file).unwrap_or_default();
        let paths =
            objects.iter().filter_map(|object| fs::canonicalize(object.path.as_ref()?).ok());
        (paths.filter(|path| store.is_known(path)).count(), file)
    });
    match known {
        Some((known @ 1.., file)) => {
            format!("{known} of {} objects, in {}", objects.len(), file.display())
        }
        _ => "none; with some, by `interceptor plan`, programs start faster".to_owned(),
    }
}

/// The file of plans.
fn place(wanted: Option<&Path>) -> Result<PathBuf, Failure> {
    let named = env::var_os(PLANS).map(PathBuf::from).filter(|path| path.is_absolute());
    match wanted.map(Path::to_path_buf).or(named) {
        Some(file) => Ok(file),
        None => {
            let runtime = preload::runtime()?;
            Ok(runtime.with_file_name(FILE))
        }
    }
}

/// Adds the files of a program, or a single library. Returns whether it is intercepted.
fn add_objects(name: &OsString, paths: &mut BTreeSet<PathBuf>) -> Result<bool, Failure> {
    let mut add = |path: &Path| paths.extend(fs::canonicalize(path));
    if object::is_library(Path::new(name)) {
        add(Path::new(name));
        return Ok(true);
    }
    let program = program::find(std::slice::from_ref(name))?;
    if program.obstacle.is_some() {
        program.warn_of_obstacle();
        return Ok(false);
    }
    for object in libraries::of(&program) {
        match &object.path {
            Some(path) => add(path),
            None => notice::line(&format!("{}: {} is missing", name.display(), object.name)),
        }
    }
    Ok(true)
}

/// Plans a file anew if it is not as it was, and says what became of it.
fn renew(store: &mut Store, path: &Path) -> String {
    let said = if store.is_known(path) {
        "as before".to_owned()
    } else {
        store.forget(path);
        match object::plan(path) {
            Ok(pieces) => {
                store.add(path, pieces);
                "planned".to_owned()
            }
            Err(why) => format!("left out: {why}"),
        }
    };
    format!("{:>6} sites  {}, {said}\n", store.sites_of(path), path.display())
}
