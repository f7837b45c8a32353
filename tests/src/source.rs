//! Sources of guests, and what they say about themselves in their first lines.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines at the top of a source in which directives are looked for.
const DIRECTIVE_LINES: usize = 12;

/// The source of a guest.
pub struct Source {
    /// The guest's name.
    pub name: String,
    /// `// ends:`: a status or the name of a signal, as `Status::named` has it.
    pub ends: String,
    /// `// musl:`: also built for musl, as `NAME.musl`.
    pub has_musl: bool,
    /// `// userlands:`: also run with other versions of libc.
    pub userlands: Userlands,
}

/// With which other versions of libc a guest is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Userlands {
    /// With none.
    None,
    /// With those that are newer than this machine's.
    Newer,
    /// With all.
    All,
}

impl Source {
    /// Those of all guests, by name, from where `INTERCEPTOR_GUEST_SOURCES` says, else
    /// from this source tree.
    ///
    /// # Panics
    ///
    /// If they cannot be read.
    pub fn all() -> Vec<Source> {
        let here = || Path::new(env!("CARGO_MANIFEST_DIR")).join("guests");
        let directory = env::var_os("INTERCEPTOR_GUEST_SOURCES").map_or_else(here, PathBuf::from);
        let entries = fs::read_dir(directory).expect("the guests");
        let files = entries.map(|entry| entry.expect("a guest").path());
        let mut sources: Vec<Source> =
            files.filter(|path| is_program(path)).map(|path| Source::read(&path)).collect();
        sources.sort_by(|one, other| one.name.cmp(&other.name));
        sources
    }

    fn read(path: &Path) -> Source {
        let text = fs::read_to_string(path).expect("a guest's source");
        let directive = |name: &str| {
            let prefix = format!("// {name}: ");
            let mut lines = text.lines().take(DIRECTIVE_LINES);
            lines.find_map(|line| line.strip_prefix(&prefix).map(str::to_owned))
        };
        Source {
            name: path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned(),
            ends: directive("ends").unwrap_or_else(|| "0".to_owned()),
            has_musl: directive("musl").is_some_and(|value| value == "yes"),
            userlands: match directive("userlands").as_deref() {
                None => Userlands::None,
                Some("newer") => Userlands::Newer,
                Some("yes") => Userlands::All,
                Some(other) => panic!("{}: userlands: {other}", path.display()),
            },
        }
    }
}

fn is_program(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let name = path.file_name().and_then(|name| name.to_str());
    matches!(extension, Some("c" | "cc" | "S")) && name.is_some_and(|name| !name.starts_with("lib"))
}
