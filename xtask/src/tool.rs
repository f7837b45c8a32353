//! Running other programs and placing files.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Runs a program to its end; anything but status 0 is an error that names it.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", name(command)))?;
    if !status.success() {
        bail!("{} failed: {status}", line(command));
    }
    Ok(())
}

/// Whether a program of this name is found in `PATH`.
pub fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
    })
}

/// A port of the local host at which nobody listens.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Puts a copy of `from` at `to` by renaming, so that programs which have the
/// old file mapped keep it and nobody sees half of the new one.
pub fn place(from: &Path, to: &Path) -> Result<()> {
    let directory = to.parent().context("a file without a directory")?;
    fs::create_dir_all(directory)?;
    let mut temporary = to.as_os_str().to_owned();
    temporary.push(format!(".{}", std::process::id()));
    fs::copy(from, &temporary)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    fs::rename(&temporary, to).with_context(|| format!("cannot replace {}", to.display()))
}

/// Removes a file; one that is gone already is no mistake.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Makes a symbolic link `at` that leads to `target`, in place of what is there.
pub fn link(target: &str, at: &Path) -> Result<()> {
    if fs::read_link(at).is_ok_and(|current| current == Path::new(target)) {
        return Ok(());
    }
    let directory = at.parent().context("a link without a directory")?;
    fs::create_dir_all(directory)?;
    let mut temporary = at.as_os_str().to_owned();
    temporary.push(format!(".{}", std::process::id()));
    std::os::unix::fs::symlink(target, &temporary)
        .and_then(|()| fs::rename(&temporary, at))
        .with_context(|| format!("cannot make the link {}", at.display()))
}

/// Files below a directory that are wanted: paths in it, in order.
pub fn files_below(top: &Path, is_wanted: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        let path = top.join(&directory);
        let entries =
            fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = directory.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                directories.push(name);
            } else if is_wanted(&name) {
                files.push(name);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Whether `product` exists and was made after `source` was changed.
pub fn is_newer(product: &Path, source: &Path) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    matches!((time(product), time(source)), (Some(made), Some(changed)) if made > changed)
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn line(command: &Command) -> String {
    let mut line = name(command);
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}
