//! The objects that a program's dynamic linker will map, ld.so(8).
//!
//! Found by reading files as it would. Not followed: directories for special
//! processors (glibc-hwcaps), and what the program loads later by dlopen.

use std::collections::{HashMap, VecDeque};
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::ld_cache;
use super::linking::{Linking, split};
use crate::program::Program;
use crate::program::elf::Head;

/// Where glibc looks at last, on Debian and elsewhere.
const GLIBC_DIRECTORIES: &[&str] = &[
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];

/// Where musl looks when `/etc/ld-musl-x86_64.path` does not say otherwise.
const MUSL_DIRECTORIES: &[&str] = &["/lib", "/usr/local/lib", "/usr/lib"];
const MUSL_PATH_FILE: &str = "/etc/ld-musl-x86_64.path";

/// Libraries that musl's dynamic linker is itself.
const MUSL_OWN: &[&str] =
    &["libc.", "libpthread.", "librt.", "libm.", "libdl.", "libutil.", "libxnet."];

/// One object of the program.
#[derive(Debug)]
pub struct Object {
    /// As the program or another object asks for it.
    pub name: String,
    /// Where it was found.
    pub path: Option<PathBuf>,
}

impl Object {
    /// Its path, or what was looked for.
    pub fn shown_name(&self) -> String {
        match &self.path {
            Some(path) => path.display().to_string(),
            None => self.name.clone(),
        }
    }
}

/// The program itself, its libraries in the order of loading, and its dynamic
/// linker.
pub fn of(program: &Program) -> Vec<Object> {
    let Some(file) = program.chain.last() else {
        return Vec::new();
    };
    let interpreter = Head::read(file).ok().and_then(|head| head.interpreter);
    let mut search = Search::new(interpreter.as_deref());
    search.load(file, Vec::new());
    while let Some((name, requester)) = search.wanted.pop_front() {
        search.find(&name, &requester);
    }
    let linker =
        interpreter.map(|path| Object { name: path.display().to_string(), path: Some(path) });
    search.objects.into_iter().chain(linker).collect()
}

/// An object that needs others.
#[derive(Clone)]
struct Requester {
    /// Directory of its file, for $ORIGIN.
    origin: PathBuf,
    runpath: Vec<OsString>,
    /// Its own DT_RPATH and those of the objects that led to it, expanded.
    rpath: Vec<PathBuf>,
}

struct Search {
    is_musl: bool,
    cache: HashMap<OsString, PathBuf>,
    from_environment: Vec<OsString>,
    defaults: Vec<PathBuf>,
    /// Names that are loaded or known to be missing.
    known: Vec<OsString>,
    objects: Vec<Object>,
    wanted: VecDeque<(OsString, Requester)>,
}

impl Search {
    fn new(interpreter: Option<&Path>) -> Search {
        let linker_name = interpreter.and_then(Path::file_name);
        let is_musl = linker_name.is_some_and(|name| name.as_bytes().starts_with(b"ld-musl"));
        Search {
            is_musl,
            cache: if is_musl { HashMap::new() } else { ld_cache::read() },
            from_environment: split(&env::var_os("LD_LIBRARY_PATH").unwrap_or_default()),
            defaults: if is_musl { musl_directories() } else { paths(GLIBC_DIRECTORIES) },
            // The dynamic linker is loaded before anyone asks for it.
            known: interpreter.and_then(|path| Linking::read(path).soname).into_iter().collect(),
            objects: Vec::new(),
            wanted: VecDeque::new(),
        }
    }

    /// Notes an object that is there, and asks for what it needs.
    fn load(&mut self, path: &Path, inherited_rpath: Vec<PathBuf>) {
        let linking = Linking::read(path);
        let origin = path
            .canonicalize()
            .ok()
            .and_then(|path| Some(path.parent()?.to_path_buf()))
            .unwrap_or_default();
        // DT_RUNPATH switches DT_RPATH off, also an inherited one.
        let mut rpath = Vec::new();
        if linking.runpath.is_empty() || self.is_musl {
            rpath.extend(linking.rpath.iter().map(|entry| expand(entry, &origin)));
            rpath.extend(inherited_rpath);
        }
        let requester = Requester { origin, runpath: linking.runpath, rpath };
        self.known.extend(linking.soname.clone());
        self.objects.push(Object {
            name: linking.soname.as_deref().unwrap_or(path.as_os_str()).display().to_string(),
            path: Some(path.to_path_buf()),
        });
        let wanted = linking.needed.into_iter().map(|name| (name, requester.clone()));
        self.wanted.extend(wanted);
    }

    fn find(&mut self, name: &OsStr, requester: &Requester) {
        if self.known.iter().any(|known| known == name) {
            return;
        }
        self.known.push(name.to_owned());
        if self.is_musl && is_own_of_musl(name) {
            return;
        }
        match self.candidates(name, requester).into_iter().find(|path| is_usable(path)) {
            // The same file under another name.
            Some(path) if self.has(&path) => {}
            Some(path) => self.load(&path, requester.rpath.clone()),
            None => self.objects.push(Object { name: name.display().to_string(), path: None }),
        }
    }

    fn has(&self, path: &Path) -> bool {
        self.objects.iter().any(|object| object.path.as_deref() == Some(path))
    }

    /// Files that a name may mean, in the dynamic linker's order.
    fn candidates(&self, name: &OsStr, requester: &Requester) -> Vec<PathBuf> {
        if name.as_bytes().contains(&b'/') {
            return vec![expand(name, &requester.origin)];
        }
        let here = |entry: &OsString| expand(entry, &requester.origin).join(name);
        let mut candidates: Vec<PathBuf> =
            requester.rpath.iter().map(|directory| directory.join(name)).collect();
        candidates.extend(self.from_environment.iter().map(here));
        candidates.extend(requester.runpath.iter().map(here));
        candidates.extend(self.cache.get(name).cloned());
        candidates.extend(self.defaults.iter().map(|directory| directory.join(name)));
        candidates
    }
}

fn is_own_of_musl(name: &OsStr) -> bool {
    MUSL_OWN.iter().any(|own| name.as_bytes().starts_with(own.as_bytes()))
}

/// The dynamic linker passes over files of another architecture.
fn is_usable(path: &Path) -> bool {
    Head::read(path).is_ok_and(|head| head.is_loadable_library())
}

/// Replaces dynamic string tokens, ld.so(8), in one pass from left to right.
fn expand(entry: &OsStr, origin: &Path) -> PathBuf {
    let tokens: [(&[u8], &[u8]); 6] = [
        (b"${ORIGIN}", origin.as_os_str().as_bytes()),
        (b"$ORIGIN", origin.as_os_str().as_bytes()),
        (b"${LIB}", b"lib/x86_64-linux-gnu"),
        (b"$LIB", b"lib/x86_64-linux-gnu"),
        (b"${PLATFORM}", b"x86_64"),
        (b"$PLATFORM", b"x86_64"),
    ];
    let mut rest = entry.as_bytes();
    let mut expanded = Vec::new();
    while let Some((first, after)) = rest.split_first() {
        match tokens.iter().find(|(token, _)| rest.starts_with(token)) {
            Some((token, value)) => {
                expanded.extend_from_slice(value);
                rest = &rest[token.len()..];
            }
            None => {
                expanded.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsStr::from_bytes(&expanded))
}

fn musl_directories() -> Vec<PathBuf> {
    match std::fs::read_to_string(MUSL_PATH_FILE) {
        Ok(list) => {
            list.split([':', '\n']).filter(|entry| !entry.is_empty()).map(PathBuf::from).collect()
        }
        Err(_) => paths(MUSL_DIRECTORIES),
    }
}

fn paths(directories: &[&str]) -> Vec<PathBuf> {
    directories.iter().map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_the_directory_of_the_object() {
        let expanded = expand(OsStr::new("$ORIGIN/../lib:${ORIGIN}"), Path::new("/opt/bin"));
        assert_eq!(expanded, Path::new("/opt/bin/../lib:/opt/bin"));
    }

    #[test]
    fn a_directory_named_like_a_token_is_left_alone() {
        let expanded = expand(OsStr::new("$ORIGIN/lib"), Path::new("/odd/$ORIGIN"));
        assert_eq!(expanded, Path::new("/odd/$ORIGIN/lib"));
    }

    #[test]
    fn a_program_comes_first_and_brings_libc_and_the_dynamic_linker() {
        let program = crate::program::find(&["/bin/ls".into()]).expect("ls");
        let objects = of(&program);
        let names: Vec<String> = objects.iter().map(Object::shown_name).collect();
        assert_eq!(names.first().map(String::as_str), Some("/bin/ls"));
        for part in ["libc.so.6", "ld-linux-x86-64.so.2"] {
            assert!(names.iter().any(|name| name.ends_with(part)), "{part} in {names:?}");
        }
        assert!(objects.iter().all(|object| object.path.is_some()));
    }
}
