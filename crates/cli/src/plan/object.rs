//! The plans for one file.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use interceptor_abi::plans::{Entry, SITES, State, Sum};
use interceptor_rewrite::{Patch, SitePlan};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use crate::objects::image::{Contents, Image, Piece};
use crate::program::elf::Head;

/// How all names of the runtime's interface begin.
const API: &[u8] = b"interceptor_";

/// Plans for one executable segment.
pub struct Planned {
    /// Of the sums, only that of the text is right: the place of the plans is not known.
    pub entry: Entry,
    /// A word for each site.
    pub words: Vec<u64>,
    /// How many sites are patched.
    pub sites: u64,
}

/// Why a file is planned at each start.
#[derive(Debug)]
pub enum Unfit {
    /// It cannot be read.
    Unreadable(io::Error),
    /// It is no object for this machine.
    NotAnObject,
    /// The runtime has to see what it wants.
    IsHook,
    /// What is mapped is not what is in the file.
    RelocatesText,
    /// Too many sites.
    TooLarge,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Unfit::Unreadable(error) => f.write_str(&crate::failure::cause(error)),
            Unfit::NotAnObject => write!(f, "not an object for this machine"),
            Unfit::IsHook => write!(f, "it is a hook, or has no section headers to tell"),
            Unfit::RelocatesText => write!(f, "its text is relocated"),
            Unfit::TooLarge => write!(f, "it has too many sites"),
        }
    }
}

/// Whether a path leads to a library.
pub fn is_library(path: &Path) -> bool {
    path.components().count() > 1
        && Head::read(path).is_ok_and(|head| head.is_loadable_library() && !head.is_program)
}

/// What is known of a file now.
pub fn state_of(path: &Path) -> io::Result<State> {
    let data = fs::metadata(path)?;
    Ok(State {
        inode: data.ino(),
        size: data.size(),
        modified: [data.mtime(), data.mtime_nsec()].map(|part| part as u64),
        changed: [data.ctime(), data.ctime_nsec()].map(|part| part as u64),
    })
}

/// Plans each executable segment of a file.
pub fn plan(path: &Path) -> Result<Vec<Planned>, Unfit> {
    let state = state_of(path).map_err(Unfit::Unreadable)?;
    let inode = mapped_inode(path).map_err(Unfit::Unreadable)?;
    let contents = Contents::read(path).ok_or(Unfit::NotAnObject)?;
    let image = contents.image().ok_or(Unfit::NotAnObject)?;
    if image.imports(API) != Some(false) {
        return Err(Unfit::IsHook);
    }
    if image.relocates_text() {
        return Err(Unfit::RelocatesText);
    }
    let start = Entry { inode, state, ..Entry::default() };
    let pieces = image.texts().map(|piece| plan_piece(&image, &piece, start));
    let pieces: Vec<Planned> = pieces.collect::<Option<_>>().ok_or(Unfit::TooLarge)?;
    // Whoever writes to it meanwhile would have us keep a plan for what is no more.
    match state_of(path) {
        Ok(now) if now == state => Ok(pieces),
        Ok(_) => Err(Unfit::Unreadable(io::ErrorKind::ResourceBusy.into())),
        Err(error) => Err(Unfit::Unreadable(error)),
    }
}

fn plan_piece(image: &Image<'_>, piece: &Piece<'_>, start: Entry) -> Option<Planned> {
    let (mut words, mut sites) = (Vec::new(), 0);
    let mut text = Sum::default();
    image.plan(piece, &mut |site: SitePlan| {
        let patch = site.patch();
        for replaced in patch.iter().flat_map(Patch::replaces).flatten() {
            let [from, to] = [replaced.start, replaced.end].map(|at| (at - piece.address) as usize);
            text.add_bytes(&piece.bytes[from..to]);
        }
        sites += u64::from(patch.is_some());
        words.push(site.pack(piece.address));
    });
    let words: Vec<u64> = words.into_iter().collect::<Option<_>>()?;
    let (len, count) = (piece.bytes.len() as u64, words.len() as u64);
    let entry = Entry { offset: piece.offset, len, count, text: text.0, ..start };
    (words.len() <= SITES).then_some(Planned { entry, words, sites })
}

/// The inode that `/proc/self/maps` shows for a file, which on stacked file systems is
/// not the file's own.
fn mapped_inode(path: &Path) -> io::Result<u64> {
    let file = File::open(path)?;
    let len = NonZeroUsize::MIN;
    // SAFETY: a new mapping, of which nothing is read.
    let place = unsafe { mmap(None, len, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE, &file, 0) }?;
    let maps = fs::read_to_string("/proc/self/maps");
    // SAFETY: the mapping from above.
    unsafe { munmap(place, len.get()) }?;
    let start = format!("{:x}-", place.as_ptr() as usize);
    let maps = maps?;
    let line = maps.lines().find(|line| line.starts_with(&start));
    let inode = line.and_then(|line| line.split_ascii_whitespace().nth(4)?.parse().ok());
    inode.ok_or_else(|| io::ErrorKind::NotFound.into())
}
