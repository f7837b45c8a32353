//! The preload list: hook libraries, the runtime, and what was there before.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, cause};
use crate::needs::Names;
use crate::program::elf::{Head, Unreadable};

/// Overrides where the runtime is looked for.
const LIBRARY_VARIABLE: &str = "INTERCEPTOR_LIB";

/// The dynamic linker's variable.
const PRELOAD_VARIABLE: &str = "LD_PRELOAD";

/// Sets the preload list of the programs we start.
pub fn prepare(hooks: &[PathBuf]) -> Result<(), Failure> {
    let runtime = runtime()?;
    let mut entries = Vec::new();
    for hook in hooks {
        entries.push(checked_hook(hook)?);
    }
    entries.push(runtime);
    check_needs(&entries)?;
    for entry in &entries {
        if entry.as_os_str().as_bytes().iter().any(is_separator) {
            return Err(Failure::refused(format!(
                "{}: the dynamic linker cannot preload a path with a colon or a space; move or link the file",
                entry.display()
            )));
        }
    }
    let list = joined(&entries, env::var_os(PRELOAD_VARIABLE).as_deref());
    // SAFETY: this process has one thread, and it is here.
    unsafe { env::set_var(PRELOAD_VARIABLE, list) };
    Ok(())
}

/// Finds `libinterceptor.so` beside this program, as `dist` lays it out.
pub fn runtime() -> Result<PathBuf, Failure> {
    if let Some(path) = env::var_os(LIBRARY_VARIABLE).filter(|path| !path.is_empty()) {
        return fs::canonicalize(&path).map_err(|error| {
            Failure::refused(format!(
                "{} named by {LIBRARY_VARIABLE}: {}; correct or unset the variable",
                path.display(),
                cause(&error)
            ))
        });
    }
    let program = env::current_exe()
        .map_err(|error| Failure::refused(format!("cannot find my own file: {}", cause(&error))))?;
    let library = program
        .parent()
        .and_then(Path::parent)
        .unwrap_or(Path::new("/"))
        .join("lib/libinterceptor.so");
    if library.is_file() {
        Ok(library)
    } else {
        Err(Failure::refused(format!(
            "{} is missing; `cargo xtask dist` makes it, or {LIBRARY_VARIABLE} names another",
            library.display()
        )))
    }
}

/// The absolute path of a library that the dynamic linker will accept. It
/// would go on without a bad one, but the user asked for this hook.
fn checked_hook(hook: &Path) -> Result<PathBuf, Failure> {
    let refuse = |why: &str| {
        Err(Failure::refused(format!("hook {}: {why}; nothing was started", hook.display())))
    };
    let path = match fs::canonicalize(hook) {
        Ok(path) => path,
        Err(error) => return refuse(&cause(&error)),
    };
    match Head::read(&path) {
        Ok(head) if head.is_loadable_library() => Ok(path),
        Ok(_) => refuse("not a 64-bit x86-64 shared library"),
        Err(Unreadable::Io(error)) => refuse(&cause(&error)),
        Err(Unreadable::NotElf) => refuse("not a shared library"),
    }
}

/// Finds hooks that need what neither the runtime, the last entry, has, nor another hook.
fn check_needs(entries: &[PathBuf]) -> Result<(), Failure> {
    let names: Vec<Names> = entries.iter().map(|entry| Names::of(entry)).collect();
    let all: Vec<&Names> = names.iter().collect();
    let (Some(runtime), false) = (entries.last(), entries.len() < 2) else {
        return Ok(());
    };
    for (entry, names) in entries.iter().zip(&names) {
        if let Some(missing) = names.missing(&all) {
            return Err(Failure::refused(format!(
                "hook {}: needs {}, which {} does not have; compile it for this version, or \
                 install the one that it was compiled for; nothing was started",
                entry.display(),
                String::from_utf8_lossy(missing),
                runtime.display()
            )));
        }
    }
    Ok(())
}

/// Our entries, then those that were set before and are not ours.
fn joined(entries: &[PathBuf], before: Option<&OsStr>) -> OsString {
    let mut list: Vec<&[u8]> = entries.iter().map(|entry| entry.as_os_str().as_bytes()).collect();
    for entry in
        before.unwrap_or_default().as_bytes().split(is_separator).filter(|entry| !entry.is_empty())
    {
        if !list.contains(&entry) {
            list.push(entry);
        }
    }
    OsString::from_vec(list.join(&b':'))
}

/// What separates entries of the list, ld.so(8).
fn is_separator(byte: &u8) -> bool {
    matches!(byte, b':' | b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str], before: Option<&str>) -> String {
        let entries: Vec<PathBuf> = entries.iter().map(PathBuf::from).collect();
        joined(&entries, before.map(OsStr::new)).into_string().expect("made of strings")
    }

    #[test]
    fn previous_entries_are_kept_after_ours() {
        assert_eq!(list(&["/h.so", "/i.so"], Some("/a.so /b.so")), "/h.so:/i.so:/a.so:/b.so");
        assert_eq!(list(&["/i.so"], None), "/i.so");
    }

    #[test]
    fn an_entry_that_is_there_already_is_not_repeated() {
        assert_eq!(list(&["/h.so", "/i.so"], Some("/i.so::/a.so")), "/h.so:/i.so:/a.so");
    }
}
