//! The file of plans, see [`interceptor_abi::plans`].
//!
//! Behind the plans of an entry is the path of its file, which only this command reads: how
//! many bytes it has, and those.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process;

use interceptor_abi::plans::{Entry, Header, PROBES, SITES, slot_of};
use interceptor_rewrite::{SitePlan, VERSION};

use super::object::{self, Planned};

/// Nobody else may write to what is executed.
const MODE: u32 = 0o644;
const WORD: usize = size_of::<u64>();
const ENTRY_WORDS: usize = size_of::<Entry>() / WORD;
/// Longest path that is believed.
const PATH: u64 = 4096;

/// What is kept.
#[derive(Default)]
pub struct Store(Vec<(PathBuf, Planned)>);

impl Store {
    /// Reads a file. One that is not there, is damaged or of another version holds nothing.
    pub fn read(path: &Path) -> io::Result<Store> {
        match fs::read(path) {
            Ok(bytes) => Ok(Store(parse(&bytes).unwrap_or_default())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Store::default()),
            Err(error) => Err(error),
        }
    }

    /// Puts a new file in the place of the old one, which others may be reading.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let directory = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let new = path.with_extension(format!("new.{}", process::id()));
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&new)?;
            file.set_permissions(Permissions::from_mode(MODE))?;
            file.write_all(&self.to_bytes())?;
            File::sync_data(&file)?;
            fs::rename(&new, path)
        };
        let written = write();
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written
    }

    /// The files that are known.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|(path, _)| path.as_path())
    }

    /// Whether the plans for a file are those for what it is now.
    pub fn is_known(&self, path: &Path) -> bool {
        let state = object::state_of(path).ok();
        let mut pieces = self.of(path).peekable();
        pieces.peek().is_some() && pieces.all(|piece| Some(piece.entry.state) == state)
    }

    /// Drops the plans for a file.
    pub fn forget(&mut self, path: &Path) {
        self.0.retain(|(known, _)| known != path);
    }

    /// Keeps plans for a file.
    pub fn add(&mut self, path: &Path, pieces: Vec<Planned>) {
        self.0.extend(pieces.into_iter().map(|piece| (path.to_path_buf(), piece)));
    }

    /// How many files are known.
    pub fn files(&self) -> usize {
        self.paths().collect::<std::collections::BTreeSet<_>>().len()
    }

    /// How many of their sites are patched.
    pub fn sites(&self) -> u64 {
        self.0.iter().map(|(_, piece)| piece.sites).sum()
    }

    /// How many sites of a file are patched.
    pub fn sites_of(&self, path: &Path) -> u64 {
        self.of(path).map(|piece| piece.sites).sum()
    }

    fn of(&self, path: &Path) -> impl Iterator<Item = &Planned> {
        self.0.iter().filter(move |(known, _)| known == path).map(|(_, piece)| piece)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let least = (self.0.len() * 2).max(2 * PROBES).next_power_of_two();
        let mut sizes = (0..).map(|doubled| least << doubled);
        let mut slots = sizes.find_map(|slots| self.place(slots)).expect("some size has room");
        let header = Header { planner: VERSION, slots: slots.len() as u64 };
        let first = Header::SIZE + slots.len() * size_of::<Entry>();
        let mut behind: Vec<u8> = Vec::new();
        let mut entries: Vec<u8> = Vec::new();
        for slot in &mut slots {
            let entry = slot.map(|index| {
                let (path, piece) = &self.0[index];
                let plans = (first + behind.len()) as u64;
                let mut entry = Entry { plans, ..piece.entry };
                let mut sum = entry.sum_without_plans();
                piece.words.iter().for_each(|word| sum.add(*word));
                entry.sum = sum.0;
                let path = path.as_os_str().as_bytes();
                for word in piece.words.iter().chain([&(path.len() as u64)]) {
                    behind.extend(word.to_le_bytes());
                }
                behind.extend(path);
                behind.resize(behind.len().next_multiple_of(WORD), 0);
                entry
            });
            let words = entry.unwrap_or_default().to_words();
            entries.extend(words.into_iter().flat_map(u64::to_le_bytes));
        }
        let header = header.to_words().into_iter().flat_map(u64::to_le_bytes);
        header.chain(entries).chain(behind).collect()
    }

    /// Which entry each slot gets; `None` if one would be too far from its first.
    fn place(&self, slots: usize) -> Option<Vec<Option<usize>>> {
        let mut taken = vec![None; slots];
        for (index, (_, piece)) in self.0.iter().enumerate() {
            let first = slot_of(piece.entry.inode, slots as u64) as usize;
            let slot = taken[first..first + PROBES].iter_mut().find(|slot| slot.is_none())?;
            *slot = Some(index);
        }
        Some(taken)
    }
}

/// What a file holds; `None` if it is of another version. Entries that are damaged are left
/// out.
fn parse(bytes: &[u8]) -> Option<Vec<(PathBuf, Planned)>> {
    let header = Header::from_words(words(bytes, 0, 4)?.try_into().ok()?)?;
    if header.planner != VERSION {
        return None;
    }
    let slots = usize::try_from(header.slots).ok()?;
    let slots = (0..slots).map(|slot| (Header::SIZE + slot * size_of::<Entry>()) as u64);
    Some(
        slots
            .map_while(|slot| words(bytes, slot, ENTRY_WORDS))
            .filter_map(|entry| parse_entry(bytes, Entry::from_words(entry.try_into().ok()?)))
            .collect(),
    )
}

fn parse_entry(bytes: &[u8], entry: Entry) -> Option<(PathBuf, Planned)> {
    let count = usize::try_from(entry.count).ok().filter(|count| *count <= SITES)?;
    let plans = words(bytes, entry.plans, count)?;
    let mut sum = entry.sum_without_plans();
    plans.iter().for_each(|word| sum.add(*word));
    if entry.inode == 0 || sum.0 != entry.sum {
        return None;
    }
    let behind = entry.plans.checked_add((count * WORD) as u64)?;
    let len = *words(bytes, behind, 1)?.first()?;
    let path = bytes.get(usize::try_from(behind).ok()? + WORD..)?;
    let path = path.get(..usize::try_from(len).ok().filter(|_| len <= PATH)?)?;
    let text = 0..entry.len;
    let is_patched =
        |word: &&u64| SitePlan::unpack(**word, &text).and_then(|site| site.patch()).is_some();
    let sites = plans.iter().filter(is_patched).count() as u64;
    Some((PathBuf::from(OsStr::from_bytes(path)), Planned { entry, words: plans, sites }))
}

/// Words at an offset.
fn words(bytes: &[u8], offset: u64, count: usize) -> Option<Vec<u64>> {
    let from = usize::try_from(offset).ok()?;
    let bytes = bytes.get(from..from.checked_add(count.checked_mul(WORD)?)?)?;
    Some(bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Store {
        let mut store = Store::default();
        for path in ["/bin/sh", "/lib/x86_64-linux-gnu/libc.so.6"].map(Path::new) {
            store.add(path, object::plan(path).expect("plans"));
        }
        store
    }

    #[test]
    fn what_was_written_is_read() {
        let store = store();
        let read = Store(parse(&store.to_bytes()).expect("a store"));
        assert!(store.sites() > 300);
        assert_eq!((read.files(), read.sites()), (2, store.sites()));
        assert!(read.paths().all(|path| read.is_known(path)));
    }

    #[test]
    fn what_is_damaged_is_left_out() {
        let whole = store().to_bytes();
        for len in (0..whole.len()).step_by(61) {
            let _ = parse(&whole[..len]);
        }
        let mut lost = 0;
        for at in (0..whole.len()).step_by(7) {
            for change in [1, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= change;
                lost += usize::from(parse(&bytes).is_none_or(|known| known.len() < 2));
            }
        }
        assert!(lost > 1000, "{lost}");
    }
}
