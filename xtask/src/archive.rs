//! Packages of other releases of Debian, unpacked into a directory of ours.
//!
//! apt does the work, with a state of its own for each release: lists, cache,
//! and a system on which nothing is installed, so that whatever a package needs
//! comes along. The machine's own packages and lists are neither asked nor
//! changed, and nothing here needs privileges.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::tool;

/// The file that a root has when it is complete.
const COMPLETE: &str = ".complete";

/// By what the archive's own lists are believed, where Debian puts it.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What is wanted of a release.
pub struct Root {
    /// The name of the release.
    pub suite: &'static str,
    /// Packages; those that they depend on come along.
    pub packages: &'static [&'static str],
}

impl Root {
    /// Fills `directory`, unless it holds just this already.
    pub fn unpack(&self, directory: &Path) -> Result<()> {
        let complete = directory.join(COMPLETE);
        let content = self.packages.join("\n");
        if fs::read_to_string(&complete).is_ok_and(|there| there == content) {
            return Ok(());
        }
        let state = State::prepare(self.suite, &directory.with_extension("apt"))?;
        tool::run(state.apt_get().arg("update"))?;
        tool::run(
            state
                .apt_get()
                .args(["install", "--yes", "--download-only", "--no-install-recommends"])
                .args(self.packages),
        )?;
        if directory.exists() {
            fs::remove_dir_all(directory)?;
        }
        fs::create_dir_all(directory)?;
        for archive in state.archives()? {
            tool::run(Command::new("dpkg-deb").arg("--extract").args([&archive, directory]))?;
        }
        make_links_relative(directory, directory)?;
        // Lists and archives take as much room again.
        fs::remove_dir_all(&state.directory)?;
        fs::write(&complete, content)?;
        Ok(())
    }
}

/// Fetches the archives of a source package of this machine's release, unless they are
/// there already.
pub fn source(package: &str, directory: &Path) -> Result<()> {
    let complete = directory.join(COMPLETE);
    if complete.exists() {
        return Ok(());
    }
    fs::create_dir_all(directory)?;
    let directory = directory.canonicalize()?;
    let state = State::prepare_for("deb-src", &release()?, &directory.with_extension("apt"))?;
    tool::run(state.apt_get().arg("update"))?;
    let mut download = state.apt_get();
    download.args(["source", "--download-only", package]).current_dir(&directory);
    tool::run(&mut download)?;
    fs::remove_dir_all(&state.directory)?;
    Ok(fs::write(&complete, "")?)
}

/// The name of the release of Debian that this machine runs.
fn release() -> Result<String> {
    let text = fs::read_to_string("/etc/os-release")?;
    let name = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    Ok(name.context("/etc/os-release has no VERSION_CODENAME")?.to_owned())
}

/// What apt knows about one release.
pub struct State {
    directory: PathBuf,
}

impl State {
    /// Prepares one in `directory`; knows nothing before `apt-get update`.
    pub fn prepare(suite: &str, directory: &Path) -> Result<State> {
        State::prepare_for("deb", suite, directory)
    }

    /// Prepares one for packages of a kind: `deb`, or `deb-src` for their sources.
    fn prepare_for(kind: &str, suite: &str, directory: &Path) -> Result<State> {
        for below in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(directory.join(below))?;
        }
        let mirror = mirror()?;
        let trust = if Path::new(KEYRING).is_file() {
            format!("[signed-by={KEYRING}] ")
        } else {
            String::new()
        };
        fs::write(
            directory.join("sources.list"),
            format!("{kind} {trust}{mirror} {suite} main\n"),
        )?;
        fs::write(directory.join("status"), "")?;
        fs::write(directory.join("apt.conf"), configuration(directory))?;
        Ok(State { directory: directory.to_path_buf() })
    }

    /// An apt-get with this state.
    pub fn apt_get(&self) -> Command {
        let mut apt = Command::new("apt-get");
        apt.arg("-qq").env("APT_CONFIG", self.directory.join("apt.conf"));
        // It lists what it would install.
        apt.stdout(Stdio::null());
        apt
    }

    /// What a package depends on: the first whose name begins with `prefix`.
    pub fn dependency(&self, package: &str, prefix: &str) -> Result<String> {
        let output = Command::new("apt-cache")
            .env("APT_CONFIG", self.directory.join("apt.conf"))
            .args(["depends", "--important", package])
            .output()
            .context("cannot start apt-cache")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut names = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
        let found = names.find(|name| name.starts_with(prefix));
        Ok(found.with_context(|| format!("{package} depends on no {prefix}"))?.to_owned())
    }

    /// What was downloaded; first what makes `/bin` and its like the links that
    /// other packages take them for.
    fn archives(&self) -> Result<Vec<PathBuf>> {
        let mut archives = Vec::new();
        for entry in fs::read_dir(self.directory.join("cache/archives"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                archives.push(path);
            }
        }
        let is_base = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("base-files_"))
        };
        archives.sort_by_key(|path| (!is_base(path), path.clone()));
        Ok(archives)
    }
}

/// Makes absolute links lead to the same files when seen from outside the root,
/// as linkers see them.
fn make_links_relative(root: &Path, directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            make_links_relative(root, &path)?;
        } else if kind.is_symlink()
            && let Ok(below) = fs::read_link(&path)?.strip_prefix("/")
        {
            let depth = directory.strip_prefix(root)?.components().count();
            let relative: PathBuf = std::iter::repeat_n("..", depth).collect();
            fs::remove_file(&path)?;
            symlink(relative.join(below), &path)?;
        }
    }
    Ok(())
}

/// apt's configuration: everything in `directory`, no descriptions or icons.
fn configuration(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "Dir::State \"{directory}/state\";\n\
         Dir::State::status \"{directory}/status\";\n\
         Dir::Cache \"{directory}/cache\";\n\
         Dir::Etc::sourcelist \"{directory}/sources.list\";\n\
         Dir::Etc::sourceparts \"/dev/null\";\n\
         Dir::Etc::preferencesparts \"/dev/null\";\n\
         APT::Sandbox::User \"root\";\n\
         Acquire::Languages \"none\";\n\
         Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n"
    )
}

/// Where the machine's own apt finds Debian's archive.
fn mirror() -> Result<String> {
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"])
        .output()
        .context("cannot start apt-get")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let Some(mirror) = text.lines().find(|line| line.ends_with("/debian/")) else {
        bail!("apt knows no archive of Debian");
    };
    Ok(mirror.to_owned())
}
