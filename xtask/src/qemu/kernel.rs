//! Kernels of other releases of Debian: fetched by apt, unpacked, never installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::archive::State;
use crate::tool;

/// Depends on the release's current kernel for virtual machines.
const META: &str = "linux-image-cloud-amd64";

/// The kernel of a release, from `directory` if it is there.
pub fn provide(suite: &str, directory: &Path) -> Result<PathBuf> {
    let image = directory.join(suite);
    if !image.is_file() {
        fetch(suite, &image).with_context(|| format!("cannot fetch the kernel of {suite}"))?;
    }
    Ok(image)
}

fn fetch(suite: &str, image: &Path) -> Result<()> {
    let scratch = image.with_extension("apt");
    let state = State::prepare(suite, &scratch)?;
    tool::run(state.apt_get().arg("update"))?;
    // In newer releases the image is in a package that this one depends on.
    let mut package = META.to_owned();
    for prefix in ["linux-image-", "linux-binary-"] {
        package = state.dependency(&package, prefix)?;
        tool::run(state.apt_get().arg("download").arg(&package).current_dir(&scratch))?;
        let unpacked = scratch.join(prefix);
        tool::run(
            Command::new("dpkg-deb")
                .arg("--extract")
                .args([&archive(&scratch, &package)?, &unpacked]),
        )?;
        if let Some(found) = vmlinuz(&unpacked)? {
            tool::place(&found, image)?;
            // Lists and archives take a hundred times the room.
            fs::remove_dir_all(&scratch)?;
            return Ok(());
        }
    }
    bail!("{package} holds no kernel")
}

/// The file that apt has downloaded for a package.
fn archive(directory: &Path, package: &str) -> Result<PathBuf> {
    let prefix = format!("{package}_");
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(&prefix) && name.ends_with(".deb") {
            return Ok(path);
        }
    }
    bail!("apt left no archive of {package}")
}

/// The kernel in a directory, at whatever depth.
fn vmlinuz(directory: &Path) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if let Some(found) = vmlinuz(&path)? {
                return Ok(Some(found));
            }
        } else if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz"))
        {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
