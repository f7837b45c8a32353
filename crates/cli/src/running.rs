//! Trees that run already: finding their segments.
//!
//! Every member has the segment's descriptor open, out of its program's reach, so
//! `/proc` leads to it. It is opened for reading: a reader neither disturbs the
//! tree nor can it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use crate::failure::{Failure, cause};
use crate::tree_segment::TreeSegment;

pub mod members;

/// What `/proc` calls the segment.
const LINK: &str = "/memfd:interceptor (deleted)";

/// The segment of the tree that a process belongs to; without one, of the only
/// tree that runs.
pub fn attach(pid: Option<u32>) -> Result<TreeSegment, Failure> {
    let file = match pid {
        Some(pid) => of_process(pid)?,
        None => only_one()?,
    };
    match TreeSegment::attach(&file) {
        Ok(Some(segment)) => Ok(segment),
        Ok(None) => Err(Failure::refused("the tree runs under another version of interceptor")),
        Err(error) => {
            Err(Failure::refused(format!("cannot map the tree's segment: {}", cause(&error))))
        }
    }
}

fn of_process(pid: u32) -> Result<File, Failure> {
    let refused = |why: &str| Failure::refused(format!("process {pid}: {why}"));
    let path = segment_of(pid).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => refused("there is none"),
        _ => refused(&cause(&error)),
    })?;
    let path = path.ok_or_else(|| {
        refused(
            "is not counted; start it under `interceptor stat` (or trace, or a hook that counts)",
        )
    })?;
    File::open(path).map_err(|error| refused(&cause(&error)))
}

fn only_one() -> Result<File, Failure> {
    let mut trees = trees();
    match (trees.pop_first(), trees.is_empty()) {
        (None, _) => {
            Err(Failure::refused("no tree of yours is running; start one under `interceptor stat`"))
        }
        (Some((_, (pid, path))), true) => File::open(path)
            .map_err(|error| Failure::refused(format!("process {pid}: {}", cause(&error)))),
        (Some((_, first)), false) => {
            let all = std::iter::once(first).chain(trees.into_values());
            let names: Vec<String> =
                all.map(|(pid, _)| format!("{pid} ({})", members::command(pid))).collect();
            Err(Failure::refused(format!(
                "several trees are running; choose one with -p: {}",
                names.join(", ")
            )))
        }
    }
}

/// The trees that we may look at: for each segment one process, the one with the
/// lowest id, and its link to the segment.
fn trees() -> BTreeMap<(u64, u64), (u32, PathBuf)> {
    let mut trees = BTreeMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    for pid in pids {
        let found = segment_of(pid).ok().flatten();
        if let Some(path) = found
            && let Ok(status) = fs::metadata(&path)
        {
            trees.entry((status.dev(), status.ino())).or_insert((pid, path));
        }
    }
    trees
}

/// The descriptor of a process that is the segment.
fn segment_of(pid: u32) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let path = entry?.path();
        // Closed meanwhile, perhaps.
        if fs::read_link(&path).is_ok_and(|target| target.as_os_str() == LINK) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
