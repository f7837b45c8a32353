//! Programs into which interception does not follow, said once for a tree.

use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use syscalls::Errno;

use crate::diagnostics::{self, Lossy, say};
use crate::environment::{self, Carried};
use crate::group;
use crate::sys::{self, File, Status};

pub(super) const AT_FDCWD: i32 = -100;
const AT_EMPTY_PATH: u64 = 0x1000;

/// What an exec names.
pub(super) struct Target {
    pub directory: i32,
    /// Address of the path.
    pub path: u64,
    pub flags: u64,
}

/// Scripts whose interpreter is a script, and so on: as far as the kernel goes.
const INTERPRETERS: usize = 5;
/// Longest path that is looked at.
const PATH: usize = 4096;
/// What is read of a file at once: more than the kernel looks at to tell its
/// format, and as a rule all program headers.
const BEGINNING: usize = 1024;

/// What an exec leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Image {
    /// There is no file, and exec fails, as the searches of a path do that try one directory
    /// after the other.
    Missing,
    /// ld.so will load us.
    Followed,
    /// It will run without us.
    Alone,
    /// So it will, since our library cannot be found from here: ld.so would say so.
    Lost,
}

/// Looks at what will be executed, and says so if it will run without us.
pub(super) fn report(target: &Target) -> Image {
    match sys::status_at_guests(target.directory, target.path, target.flags & AT_EMPTY_PATH) {
        Err(Errno::ENOENT) => Image::Missing,
        Err(_) => Image::Followed,
        Ok(status) => report_file(target, status).unwrap_or(Image::Followed),
    }
}

#[inline(never)]
fn report_file(target: &Target, status: Status) -> Option<Image> {
    let mut path = [0; PATH];
    let len = sys::read_guest_string(target.path, &mut path)?.len();
    let name = CStr::from_bytes_with_nul(path.get(..=len)?).ok()?;
    let (why, image) = match is_lost() {
        true => ("cannot find the runtime", Image::Lost),
        false => (obstacle(target.directory, name, status)?, Image::Alone),
    };
    count_not_followed(1);
    if diagnostics::is_for_user() && !IS_SAID.swap(true, Relaxed) && is_first_in_group() {
        say(format_args!(
            "{} {why}; its calls are not seen (this is said once)",
            Lossy(name.to_bytes())
        ));
    }
    Some(image)
}

/// Whether our library is not there for who executes a program now: in another root, or as
/// another user.
fn is_lost() -> bool {
    let path = environment::carried().and_then(Carried::own_path);
    path.is_some_and(|path| sys::status_at(AT_FDCWD, path, 0).is_err())
}

/// Counts programs that run without us.
pub(super) fn count_not_followed(more: i32) {
    if let Some(segment) = group::segment() {
        segment.header.not_followed.fetch_add(more as u32, Relaxed);
    }
}

/// Whether it has been said by this process, or by one that it is forked from.
static IS_SAID: AtomicBool = AtomicBool::new(false);

fn is_first_in_group() -> bool {
    group::segment().is_none_or(|segment| segment.header.not_followed_said.swap(1, Relaxed) == 0)
}

/// Why ld.so will not load us into a program; `None` if it will, and if the
/// kernel will not execute it.
fn obstacle(directory: i32, name: &CStr, mut status: Status) -> Option<&'static str> {
    let mut file = open(directory, name, &status)?;
    for _ in 0..INTERPRETERS {
        let mut beginning = [0; BEGINNING];
        let read = file.read(&mut beginning).ok()?;
        let beginning = beginning.get(..read)?;
        let Some(line) = beginning.strip_prefix(b"#!") else {
            return privileges(&file, &status).or_else(|| format(&file, beginning));
        };
        let mut path = [0; BEGINNING];
        let interpreter = line
            .split(|byte| *byte == b'\n')
            .next()?
            .split(|byte| matches!(byte, b' ' | b'\t'))
            .find(|word| !word.is_empty())?;
        path.get_mut(..interpreter.len())?.copy_from_slice(interpreter);
        let name = CStr::from_bytes_until_nul(&path).ok()?;
        status = sys::status_at(AT_FDCWD, name, 0).ok()?;
        file = open(AT_FDCWD, name, &status)?;
    }
    None
}

/// Opens a file that may be executed. Nothing else is opened, since that may do
/// something (devices, pipes).
fn open(directory: i32, name: &CStr, status: &Status) -> Option<File> {
    const S_IFMT: u32 = 0o170000;
    const S_IFREG: u32 = 0o100000;
    const ANY_EXECUTE: u32 = 0o111;
    if status.mode & S_IFMT != S_IFREG || status.mode & ANY_EXECUTE == 0 {
        return None;
    }
    // It may be executed and not read.
    let file =
        if name.is_empty() { sys::reopen(directory) } else { File::open_at(directory, name) };
    file.ok()
}

/// ld.so ignores `LD_PRELOAD` with slashes when exec changes who the user is.
fn privileges(file: &File, status: &Status) -> Option<&'static str> {
    const S_ISUID: u32 = 0o4000;
    const S_ISGID_AND_GROUP: u32 = 0o2010;
    if status.mode & S_ISUID != 0 && status.uid != sys::user() {
        return Some("is setuid");
    }
    if status.mode & S_ISGID_AND_GROUP == S_ISGID_AND_GROUP && status.gid != sys::group() {
        return Some("is setgid");
    }
    (sys::user() != 0 && file.has_capabilities()).then_some("has file capabilities")
}

/// What the ELF header and the program headers say.
fn format(file: &File, beginning: &[u8]) -> Option<&'static str> {
    const ELFCLASS64: u8 = 2;
    const ET_DYN: u16 = 3;
    const EM_X86_64: u16 = 62;
    const PT_DYNAMIC: u32 = 2;
    const PT_INTERP: u32 = 3;
    const PHENTSIZE: usize = 56;
    const P_OFFSET: u64 = 8;
    if !beginning.starts_with(b"\x7fELF") {
        // Another binary format: its interpreter is somebody else's matter.
        return None;
    }
    if *beginning.get(4)? != ELFCLASS64 || half(beginning, 18)? != EM_X86_64 {
        return Some("is not an x86-64 program");
    }
    let mut dynamic = None;
    let (offset, count) = (word(beginning, 32)?, usize::from(half(beginning, 56)?));
    for index in 0..count {
        let at = offset.checked_add((index * PHENTSIZE) as u64)?;
        let mut kind = [0; 4];
        match beginning.get(at as usize..).and_then(|rest| rest.first_chunk()) {
            Some(read) => kind = *read,
            None if file.read_at(&mut kind, at).ok()? < kind.len() => return None,
            None => {}
        }
        if kind == PT_INTERP.to_le_bytes() {
            return None;
        }
        if kind == PT_DYNAMIC.to_le_bytes() {
            dynamic = Some(at + P_OFFSET);
        }
    }
    let is_linker = half(beginning, 16)? == ET_DYN
        && dynamic.is_some_and(|offset| is_dynamic_linker(file, offset));
    (!is_linker).then_some("is statically linked")
}

/// Whether a file without an interpreter is one itself, which was not linked as a
/// program. The offset of its dynamic section is found at `at`.
fn is_dynamic_linker(file: &File, at: u64) -> bool {
    const DT_FLAGS_1: u64 = 0x6fff_fffb;
    const DF_1_PIE: u64 = 0x0800_0000;
    let mut offset = [0; 8];
    let mut section = [0; BEGINNING];
    let (Ok(8), Ok(read)) =
        (file.read_at(&mut offset, at), file.read_at(&mut section, u64::from_le_bytes(offset)))
    else {
        return false;
    };
    let entries = section.get(..read).unwrap_or_default().chunks_exact(16);
    !entries.take_while(|entry| word(entry, 0) != Some(0)).any(|entry| {
        word(entry, 0) == Some(DT_FLAGS_1) && word(entry, 8).is_some_and(|v| v & DF_1_PIE != 0)
    })
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
