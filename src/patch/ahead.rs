//! Plans that `interceptor plan` has made for files, so that start-up need not.
//!
//! They are used for text that is as it was then, and nothing is said where it is not:
//! it is planned as ever.

use core::ops::Range;

use interceptor_abi::plans::{Entry, FILE, Header, PROBES, SITES};
use interceptor_rewrite::{self as rewrite, SitePlan};
use syscalls::Errno;

use crate::config::{Config, Plans, last_component};
use crate::diagnostics::{Lossy, Why, say};
use crate::sys::{self, File, Vma};

/// Plans that are read at a time.
const CHUNK: usize = 256;
const ENTRY_WORDS: usize = size_of::<Entry>() / size_of::<u64>();

/// The file of plans.
pub(super) struct Ahead {
    file: File,
    header: Header,
}

/// The plans for one text.
pub(super) struct Found<'a> {
    file: &'a File,
    entry: Entry,
}

impl Ahead {
    /// Opens the file that was named, or the one beside the runtime, which is mapped from `own`.
    pub(super) fn open(config: &Config<'_>, own: &[u8]) -> Option<Self> {
        let directory = own.strip_suffix(last_component(own))?;
        let (parts, is_named) = match config.plans {
            // Plans are for all rungs.
            _ if config.force_rung.is_some() || sys::is_confined() => return None,
            Plans::None => return None,
            Plans::BesideUs => ([directory, FILE.as_bytes()], false),
            Plans::Named(path) => ([path, b""], true),
        };
        match Self::open_at(parts) {
            Ok(ahead) => ahead,
            Err(error) => {
                if is_named {
                    say(format_args!(
                        "plans {}: {}; each start plans anew",
                        Lossy(parts[0]),
                        Why(error)
                    ));
                }
                None
            }
        }
    }

    /// `None` if it is of another version.
    fn open_at(path: [&[u8]; 2]) -> sys::Result<Option<Self>> {
        let file = sys::with_path(&path, File::open)?;
        if !file.is_trusted()? {
            return Err(Errno::EPERM);
        }
        let mut words = [0; Header::SIZE / size_of::<u64>()];
        file.read_words(&mut words, 0)?;
        let header = Header::from_words(words).filter(|header| header.planner == rewrite::VERSION);
        Ok(header.map(|header| Self { file, header }))
    }

    /// The plans for the text at `range`, the executable mapping `vma`, if they were made for it.
    pub(super) fn find(&self, vma: &Vma<'_>, range: &Range<u64>) -> Option<Found<'_>> {
        let mut words = [0; PROBES * ENTRY_WORDS];
        self.file.read_words(&mut words, self.header.place_of(vma.inode)).ok()?;
        let mut entries =
            words.as_chunks::<ENTRY_WORDS>().0.iter().map(|words| Entry::from_words(*words));
        let len = range.end - range.start;
        let entry = entries
            .find(|entry| (entry.inode, entry.offset, entry.len) == (vma.inode, vma.offset, len))?;
        let state = sys::with_path(&[vma.name], sys::state_of).ok()?;
        let found = Found { file: &self.file, entry };
        (entry.state == state && found.are_whole(range)).then_some(found)
    }
}

impl Found<'_> {
    /// Whether they are whole.
    fn are_whole(&self, range: &Range<u64>) -> bool {
        let mut sum = self.entry.sum_without_plans();
        let are_there = self.for_each(range, &mut |word, _| sum.add(word));
        let are_whole = are_there.is_some() && sum.0 == self.entry.sum;
        if !are_whole {
            say(format_args!(
                "the file of plans is damaged, and each start plans anew: `interceptor plan` mends it"
            ));
        }
        are_whole
    }

    /// The sum of the bytes that are to be replaced.
    pub(super) fn replaced(&self) -> u64 {
        self.entry.text
    }

    /// Calls `sink` with each plan for the text at `range`. `None` if they cannot be read, or
    /// are not for a text of that length.
    pub(super) fn for_each(
        &self,
        range: &Range<u64>,
        sink: &mut dyn FnMut(u64, SitePlan),
    ) -> Option<()> {
        let count = usize::try_from(self.entry.count).ok().filter(|count| *count <= SITES)?;
        let mut words = [0; CHUNK];
        for first in (0..count).step_by(CHUNK) {
            let words = words.get_mut(..CHUNK.min(count - first))?;
            let place = self.entry.plans.checked_add((first * size_of::<u64>()) as u64)?;
            self.file.read_words(words, place).ok()?;
            for word in words {
                sink(*word, SitePlan::unpack(*word, range)?);
            }
        }
        Some(())
    }
}
