//! The program a user names: where it is, what it is, whether it can be
//! intercepted.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::failure::Failure;
use crate::notice;

pub mod elf;
pub mod obstacle;
pub mod privilege;
pub mod script;
pub mod search;

use obstacle::Obstacle;

/// A program that exists and may be executed.
#[derive(Debug)]
pub struct Program {
    /// The file that the kernel is given.
    pub path: PathBuf,
    /// Its arguments, the first as the user typed it.
    pub arguments: Vec<OsString>,
    /// The files that run: a script, its interpreter and so on, an ELF file
    /// at the end.
    pub chain: Vec<PathBuf>,
    /// Why it cannot be intercepted, if so.
    pub obstacle: Option<Obstacle>,
}

/// Resolves a command line as a shell does.
pub fn find(command: &[OsString]) -> Result<Program, Failure> {
    let name: &OsStr = command.first().map_or(OsStr::new(""), OsString::as_os_str);
    let path = search::find(name)?;
    let chain = script::chain(&path)?;
    let last = chain.last().unwrap_or(&path);
    let obstacle = obstacle::of(last)?;
    Ok(Program { path, arguments: command.to_vec(), chain, obstacle })
}

impl Program {
    /// Says in one line that the program will run without us, and why.
    pub fn warn_of_obstacle(&self) {
        if let (Some(obstacle), Some(file)) = (&self.obstacle, self.chain.last()) {
            notice::line(&format!("{}: {obstacle}", file.display()));
        }
    }
}
