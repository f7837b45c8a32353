//! `install` and `uninstall`: the deliverables below a prefix.
//!
//! What was installed is written down there, so that exactly that is removed: files
//! first, then directories that were made, if nothing else is in them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use super::{PLANS, copy, read, shipped, write};
use crate::dist;
use crate::tool::remove;
use crate::workspace::{Profile, Workspace};

/// Where it is written down, below the prefix.
const LIST: &str = "share/interceptor/installed";

/// Arguments of `install` and `uninstall`.
#[derive(clap::Args)]
pub struct Args {
    /// Where it is to run from, such as /usr/local
    #[arg(long)]
    prefix: PathBuf,
    /// Directory that stands for the root of the file system
    #[arg(long)]
    destdir: Option<PathBuf>,
    /// Install the command line tool unoptimised
    #[arg(long)]
    dev: bool,
}

impl Args {
    /// Where files are put: the prefix, as seen from outside of `destdir`.
    fn target(&self) -> Result<PathBuf> {
        if !self.prefix.is_absolute() {
            bail!("{} is not an absolute path", self.prefix.display());
        }
        let Some(destdir) = &self.destdir else {
            return Ok(self.prefix.clone());
        };
        let inside = self.prefix.components().filter(|part| *part != Component::RootDir);
        Ok(inside.fold(destdir.clone(), |path, part| path.join(part)))
    }
}

/// Installs everything, in place of what an earlier installation has left.
pub fn install(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let target = args.target()?;
    dist::lay_out(workspace, if args.dev { Profile::Dev } else { Profile::Release })?;
    let count = put(&workspace.dist(), &target)?;
    println!("{count} files below {}", target.display());
    Ok(ExitCode::SUCCESS)
}

/// Installs what is in `dist`; returns how many files that is.
fn put(dist: &Path, target: &Path) -> Result<usize> {
    let files = shipped(dist)?;
    let list = target.join(LIST);
    let earlier = if list.is_file() { read(&list)? } else { String::new() };

    // Outermost first; those that an earlier installation has made are ours as well.
    let all = files.iter().map(PathBuf::as_path).chain([Path::new(LIST)]);
    let needed: BTreeSet<&Path> = all.flat_map(|file| file.ancestors().skip(1)).collect();
    let new = needed.into_iter().filter(|path| !target.join(path).is_dir());
    let made: BTreeSet<String> = new
        .map(|path| format!("{}/", path.display()))
        .chain(earlier.lines().filter(|line| line.ends_with('/')).map(str::to_owned))
        .collect();

    for file in &files {
        copy(&dist.join(file), &target.join(file))?;
    }
    for line in earlier.lines().filter(|line| !line.ends_with('/')) {
        if !files.iter().any(|file| file == Path::new(line)) {
            remove(&target.join(line))?;
        }
    }
    let directories = made.iter().map(|path| format!("{path}\n"));
    let names = files.iter().map(|path| format!("{}\n", path.display()));
    write(&list, &directories.chain(names).collect::<String>())?;
    Ok(files.len())
}

/// Removes what was installed there.
pub fn uninstall(args: &Args) -> Result<ExitCode> {
    let target = args.target()?;
    let count = take_away(&target)?;
    println!("{count} files are gone from {}", target.display());
    Ok(ExitCode::SUCCESS)
}

/// Removes what is on the list; returns how many files that was.
fn take_away(target: &Path) -> Result<usize> {
    let list = target.join(LIST);
    let text = read(&list).context("nothing is installed there")?;
    let (directories, files): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.ends_with('/'));
    for file in files.iter().chain([&PLANS]) {
        remove(&target.join(file))?;
    }
    remove(&list)?;
    let _ = target.join(PLANS).parent().map(fs::remove_dir);
    for directory in directories.iter().rev() {
        // Not if somebody else has put something there.
        let _ = fs::remove_dir(target.join(directory.trim_start_matches('/')));
    }
    Ok(files.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with these files, and what else.
    fn tree(name: &str, files: &[&str]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("interceptor-install-{}", std::process::id()));
        let tree = root.join(name);
        let _ = fs::remove_dir_all(&tree);
        for file in files {
            write(&tree.join(file), file).expect("a file");
        }
        tree
    }

    fn files(root: &Path) -> Vec<String> {
        let files = shipped(root).expect("a directory");
        files.iter().map(|file| file.display().to_string()).collect()
    }

    #[test]
    fn what_was_installed_is_removed_and_nothing_else() {
        let dist =
            tree("dist", &["bin/tool", "lib/lib.so.0", "lib/lib.so.0.debug", "include/x/h.h"]);
        crate::tool::link("lib.so.0", &dist.join("lib/lib.so")).expect("a link");
        let target = tree("target", &["lib/others.so"]);
        assert_eq!(put(&dist, &target).expect("installed"), 4);
        let expected =
            ["bin/tool", "include/x/h.h", "lib/lib.so", "lib/lib.so.0", "lib/others.so", LIST];
        assert_eq!(files(&target), expected);
        assert_eq!(
            fs::read_link(target.join("lib/lib.so")).expect("a link"),
            Path::new("lib.so.0")
        );

        // A newer version in its place has less.
        fs::remove_file(dist.join("include/x/h.h")).expect("a file");
        assert_eq!(put(&dist, &target).expect("installed"), 3);
        write(&target.join(PLANS), "plans").expect("a file");
        assert!(!target.join("include/x/h.h").exists());

        assert_eq!(take_away(&target).expect("uninstalled"), 3);
        assert_eq!(files(&target), ["lib/others.so"]);
        assert!(target.join("lib").is_dir() && !target.join("bin").exists());
        assert!(!target.join("share").exists() && !target.join("include").exists());
        assert!(take_away(&target).is_err());
        let _ = fs::remove_dir_all(target.parent().expect("a parent"));
    }

    #[test]
    fn a_prefix_is_seen_from_the_destination() {
        let args = |prefix: &str, destdir: Option<&str>| Args {
            prefix: prefix.into(),
            destdir: destdir.map(PathBuf::from),
            dev: false,
        };
        let target = args("/usr/local", Some("/tmp/x")).target().expect("a target");
        assert_eq!(target, Path::new("/tmp/x/usr/local"));
        assert_eq!(args("/usr", None).target().expect("a target"), Path::new("/usr"));
        assert!(args("usr", None).target().is_err());
    }
}
