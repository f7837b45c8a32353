//! The compiler of the libraries, with a flag that a Cargo profile cannot give to a package.
//!
//! Cargo calls this program in place of rustc for the packages of the workspace.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

/// Set for calls of this program that stand for the compiler.
const MARK: &str = "INTERCEPTOR_XTASK_IS_RUSTC";

/// Code that composes lines, compiled for size, pushes arguments all the time. Without a
/// frame pointer its unwind table has an entry for each push, 7 KB altogether, which every
/// program that we are loaded into would have mapped.
const WITH_FRAME_POINTERS: &str = "interceptor_calls";

/// Makes a call of cargo compile as is said above.
pub fn use_for(cargo: &mut Command) -> Result<()> {
    let program = env::current_exe().context("this program is nowhere")?;
    cargo.env("RUSTC_WORKSPACE_WRAPPER", program).env(MARK, "1");
    Ok(())
}

/// Becomes the compiler, if it is called in its place.
pub fn become_it() -> Option<ExitCode> {
    env::var_os(MARK)?;
    let mut arguments = env::args_os().skip(1);
    let mut rustc = Command::new(arguments.next()?);
    let arguments: Vec<_> = arguments.collect();
    rustc.args(&arguments);
    if arguments.iter().any(|argument| argument == WITH_FRAME_POINTERS) {
        rustc.args(["-C", "force-frame-pointers=yes"]);
    }
    eprintln!("xtask: cannot execute the compiler: {}", rustc.exec());
    Some(ExitCode::FAILURE)
}
