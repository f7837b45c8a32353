//! The mapped objects: which of them are libc, and where an address lies.
//!
//! Noted at start-up, and again when an address is in none of them, for the log.
//! A fixed table, whose entries never change once they are counted.

use core::cell::UnsafeCell;
use core::ops::Range;
use core::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

use crate::config::last_component;
use crate::patch::{self, Image, ImageVmas};
use crate::sys::{self, Maps};

/// Objects that are known; calls of others are logged without a name.
const CAPACITY: usize = 64;
/// Bytes of a path that are kept, its end.
const NAME: usize = 110;

/// Text of an object.
#[derive(Clone, Copy)]
struct Object {
    start: u64,
    end: u64,
    /// What is added to addresses in its file.
    bias: u64,
    /// Its calls are shown to a hook that asked for libc's.
    is_libc: bool,
    name_len: u8,
    name: [u8; NAME],
}

struct Table(UnsafeCell<[Object; CAPACITY]>);

// SAFETY: an entry is written before `KNOWN` counts it, by whoever holds `BUSY`,
// and only read afterwards.
unsafe impl Sync for Table {}

#[unsafe(link_section = ".bss.tables")]
static TABLE: Table = Table(UnsafeCell::new(
    [Object { start: 0, end: 0, bias: 0, is_libc: false, name_len: 0, name: [0; NAME] }; CAPACITY],
));
static KNOWN: AtomicUsize = AtomicUsize::new(0);
static BUSY: AtomicBool = AtomicBool::new(false);

/// Notes what is mapped and not known yet. Without `/proc`, nothing.
pub(super) fn note_all() {
    // Another thread does so already; the address in question stays unnamed.
    if sys::is_confined() || BUSY.swap(true, Acquire) {
        return;
    }
    if let Ok(maps) = Maps::read() {
        note(&maps);
        maps.release();
    }
    // Pairs with the swap.
    BUSY.store(false, Release);
}

fn note(maps: &Maps) {
    let mut rest = maps.vmas();
    let mut file = rest.clone();
    let mut file_inode = 0;
    loop {
        let here = rest.clone();
        let Some(vma) = rest.next() else {
            return;
        };
        if vma.inode != 0 && (vma.offset == 0 || vma.inode != file_inode) {
            (file, file_inode) = (here, vma.inode);
        }
        if vma.inode == 0 || !vma.executable || find(vma.range.start).is_some() {
            continue;
        }
        let base = file.clone().next().map_or(vma.range.start, |first| first.range.start);
        let memory = ImageVmas::new(file.clone());
        let bias = Image::at(base, &memory).map_or(base, |image| image.bias());
        push(&vma.range, bias, vma.name);
    }
}

fn push(range: &Range<u64>, bias: u64, path: &[u8]) {
    let known = KNOWN.load(Relaxed);
    if known == CAPACITY {
        return;
    }
    let name = path.get(path.len().saturating_sub(NAME)..).unwrap_or(path);
    let is_libc = patch::is_in_libc(range.start) || is_libcs_name(last_component(path));
    // SAFETY: nobody reads an entry that is not counted, and only one writes.
    let object = unsafe { &mut (*TABLE.0.get())[known] };
    (object.start, object.end, object.bias) = (range.start, range.end, bias);
    (object.is_libc, object.name_len) = (is_libc, name.len() as u8);
    for (to, from) in object.name.iter_mut().zip(name) {
        *to = *from;
    }
    // Pairs with the load in `known`.
    KNOWN.store(known + 1, Release);
}

/// By the name up to its version, as the original has it.
fn is_libcs_name(name: &[u8]) -> bool {
    let stem = name.split(|byte| matches!(byte, b'-' | b'.')).next().unwrap_or(name);
    stem == b"libc" || stem == b"libpthread"
}

fn known() -> &'static [Object] {
    let known = KNOWN.load(Acquire).min(CAPACITY);
    // SAFETY: entries that are counted do not change.
    unsafe { core::slice::from_raw_parts(TABLE.0.get().cast(), known) }
}

fn find(address: u64) -> Option<&'static Object> {
    known().iter().find(|object| (object.start..object.end).contains(&address))
}

/// Whether an address is in libc, or in libpthread where that is apart.
#[inline]
pub(super) fn is_libc(address: u64) -> bool {
    patch::is_in_libc(address) || find(address).is_some_and(|object| object.is_libc)
}

/// Path of the object at an address, and the address in its file.
pub(super) fn place_of(address: u64) -> Option<(&'static [u8], u64)> {
    let object = find(address).or_else(|| {
        note_all();
        find(address)
    })?;
    let name = object.name.get(..usize::from(object.name_len))?;
    Some((name, address.wrapping_sub(object.bias)))
}
