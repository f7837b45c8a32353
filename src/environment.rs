//! What goes along with exec: the preload entry and the settings.
//!
//! A program may execute another one with an environment that it has cleaned.
//! So the strings that brought us here are kept from start-up on, in memory of
//! ours: programs overwrite their environment (to change their title, say).
//! `lifecycle::exec` gives them to the new image behind a marker, with room:
//!
//! ```text
//! the program's own variables | marker | room | our variables | NULL | auxiliary vector
//! ```
//!
//! When they have done their work, [`hide`] ends the environment at the marker
//! and copies the auxiliary vector into the room: some runtimes (Go's) look for
//! it behind the environment's end, others know where it was. A process in which we do
//! nothing keeps our variables, for those that it executes, and only they: [`tidy`].

use core::ffi::{CStr, c_char};
use core::fmt::{self, Write as _};

use heapless::Vec;
use interceptor_abi::env;

use crate::config::last_component;

/// Bytes of strings that can be carried.
const CAPACITY: usize = 4096;

/// Name of the variable that ld.so reads, with its equals sign.
pub(crate) const PRELOAD: &[u8] = b"LD_PRELOAD=";

/// Strings behind the marker that say [`NOTHING`]. The auxiliary vector of Linux 6 has at
/// most 26 pairs.
pub(crate) const ROOM: usize = 56;

/// What makes room: a variable like any other. There are runtimes that crash at what is none
/// (Zig's), should one ever see it.
pub(crate) const NOTHING: &CStr = c"INTERCEPTOR_CARRIED=";

/// What stands between the program's variables and ours.
pub(crate) const PLAIN: &CStr = c"INTERCEPTOR_CARRIED=0";

/// The same, when `LD_PRELOAD` among the program's begins with our entries.
pub(crate) const PREFIXED: &CStr = c"INTERCEPTOR_CARRIED=1";

/// How both begin.
const MARKER: &[u8] = b"INTERCEPTOR_CARRIED=";

/// Strings that are carried, each with its NUL; the first is [`PRELOAD`] with
/// the entries up to ours.
pub(crate) struct Carried(Vec<u8, CAPACITY>);

#[unsafe(link_section = ".bss.tables")]
static CARRIED: spin::Once<Carried> = spin::Once::new();

/// What is carried; `None` if nothing is.
pub(crate) fn carried() -> Option<&'static Carried> {
    CARRIED.get()
}

impl Carried {
    /// All strings, without their NULs.
    pub(crate) fn strings(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == 0).filter(|string| !string.is_empty())
    }

    /// The preload entries up to ours, separated by colons.
    pub(crate) fn preload(&self) -> &[u8] {
        let first = self.strings().next().unwrap_or(b"");
        first.strip_prefix(PRELOAD).unwrap_or(b"")
    }

    /// Our own entry.
    fn own(&self) -> &[u8] {
        entries(self.preload()).last().unwrap_or(b"")
    }

    /// The path of our library; `None` where ld.so searches for it.
    pub(crate) fn own_path(&self) -> Option<&CStr> {
        let own = Some(self.own()).filter(|own| own.starts_with(b"/"))?;
        // SAFETY: the list's last entry, which ends with a NUL.
        Some(unsafe { CStr::from_ptr(own.as_ptr().cast()) })
    }

    /// Whether a list of preload entries has ours.
    pub(crate) fn is_in(&self, list: &[u8]) -> bool {
        entries(list).any(|entry| last_component(entry) == last_component(self.own()))
    }
}

/// Keeps the preload entries up to the library `own_path`, all settings but
/// those for one image, and what is `added`. Returns whether they fit.
pub(crate) fn remember<'a>(
    strings: impl Iterator<Item = &'a [u8]> + Clone,
    own_path: &[u8],
    added: &[(&str, fmt::Arguments<'_>)],
) -> bool {
    let Some(list) = strings.clone().find_map(|string| string.strip_prefix(PRELOAD)) else {
        // Preloaded by /etc/ld.so.preload, or linked: the same goes for the
        // programs to come.
        return true;
    };
    let mut text = Vec::new();
    let mut fits = push(&mut text, &[PRELOAD, up_to(list, own_path)]);
    for setting in strings.filter(|string| is_setting(string) && !is_for_one_image(string)) {
        fits &= push(&mut text, &[setting]);
    }
    for (name, value) in added {
        let mut setting = heapless::String::<64>::new();
        fits &= write!(setting, "{name}={value}").is_ok() && push(&mut text, &[setting.as_bytes()]);
    }
    if fits {
        CARRIED.call_once(|| Carried(text));
    }
    fits
}

fn push(text: &mut Vec<u8, CAPACITY>, parts: &[&[u8]]) -> bool {
    parts.iter().all(|part| text.extend_from_slice(part).is_ok()) && text.push(0).is_ok()
}

/// Whether a string sets something of ours.
pub(crate) fn is_setting(string: &[u8]) -> bool {
    (string.starts_with(b"INTERCEPTOR") || string.starts_with(b"INTERCEPT_")) && !is_marker(string)
}

/// Whether a setting is for one image: the number of a descriptor, or of a thread.
fn is_for_one_image(string: &[u8]) -> bool {
    [env::SEGMENT_FD, env::TRACE_FD, env::MEMBER]
        .iter()
        .any(|name| string.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"=")))
}

/// The head of a list that ends with the entry of the library `own_path`.
fn up_to<'a>(list: &'a [u8], own_path: &[u8]) -> &'a [u8] {
    let own = entries(list).find(|entry| last_component(entry) == last_component(own_path));
    let end = own.map(|own| own.as_ptr() as usize - list.as_ptr() as usize + own.len());
    end.and_then(|end| list.get(..end)).unwrap_or(list)
}

fn entries(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| matches!(byte, b':' | b' ')).filter(|entry| !entry.is_empty())
}

/// An environment with what `lifecycle::exec` has added.
struct Laden {
    /// The program's own strings, and what has been added: the marker first.
    own: &'static mut [*mut c_char],
    added: &'static mut [*mut c_char],
    /// The auxiliary vector behind all.
    auxv: &'static [usize],
}

impl Laden {
    /// `None` if nothing was added.
    ///
    /// # Safety
    ///
    /// `envp` is the environment as the kernel laid it out, and only ld.so and libc
    /// have looked at it.
    unsafe fn find(envp: *mut *mut c_char) -> Option<Self> {
        // SAFETY: the caller's: strings up to NULL, then pairs of words up to one
        // that begins with 0.
        let (strings, auxv) = unsafe {
            let count = (0..).take_while(|at| !(*envp.add(*at)).is_null()).count();
            let auxv = envp.add(count + 1).cast::<[usize; 2]>();
            let pairs = 1 + (0..).take_while(|at| (*auxv.add(*at))[0] != 0).count();
            let strings = core::slice::from_raw_parts_mut(envp, count);
            (strings, core::slice::from_raw_parts(auxv, pairs))
        };
        // The program may have passed others, which it then is to see.
        let marker = strings.iter().rposition(|string| is_first_marker(bytes(*string)))?;
        let (own, added) = strings.split_at_mut(marker);
        Some(Self { own, added, auxv: auxv.as_flattened() })
    }

    /// Ends the environment after some strings of what has been added.
    fn end_after(&mut self, kept: usize) {
        // A kernel with a longer vector: the program sees more than it passed.
        if let Some([end, room @ ..]) = self.added.get_mut(kept..)
            && let Some(room) = room.get_mut(..self.auxv.len())
        {
            for (to, word) in room.iter_mut().zip(self.auxv) {
                *to = core::ptr::without_provenance_mut(*word);
            }
            *end = core::ptr::null_mut();
        }
    }
}

/// Whether a string is what stands between the program's variables and ours, or makes room
/// there.
pub(crate) fn is_marker(string: &[u8]) -> bool {
    string.starts_with(MARKER)
}

fn is_first_marker(string: &[u8]) -> bool {
    is_marker(string) && string != NOTHING.to_bytes()
}

/// Takes what `lifecycle::exec` has added to the environment out of the
/// program's sight.
///
/// # Safety
///
/// `envp` is the environment as the kernel laid it out, and only ld.so and libc
/// have looked at it.
pub(crate) unsafe fn hide(envp: *mut *mut c_char) {
    // SAFETY: the caller's.
    let Some(mut laden) = (unsafe { Laden::find(envp) }) else {
        return;
    };
    let is_prefixed =
        laden.added.first().is_some_and(|marker| bytes(*marker) == PREFIXED.to_bytes());
    laden.end_after(0);
    if let Some(carried) = carried().filter(|_| is_prefixed) {
        for string in laden.own {
            take_prefix_away(string, carried.preload().len());
        }
    }
}

/// Leaves of what has been added our variables.
///
/// # Safety
///
/// As for [`hide`].
#[cold]
pub(crate) unsafe fn tidy(envp: *mut *mut c_char) {
    // SAFETY: the caller's.
    let Some(mut laden) = (unsafe { Laden::find(envp) }) else {
        return;
    };
    let mut kept = 0;
    for at in 0..laden.added.len() {
        if !is_marker(bytes(laden.added[at])) {
            laden.added.swap(kept, at);
            kept += 1;
        }
    }
    laden.end_after(kept);
}

/// Makes `LD_PRELOAD=ours:theirs` into `LD_PRELOAD=theirs`, if it is that.
fn take_prefix_away(string: &mut *mut c_char, prefix: usize) {
    let text = bytes(*string);
    if text.starts_with(PRELOAD) && text.get(PRELOAD.len() + prefix) == Some(&b':') {
        // SAFETY: within the string, which is the kernel's copy on the stack.
        unsafe {
            let theirs = (*string).add(prefix + 1);
            theirs.cast::<u8>().copy_from_nonoverlapping(PRELOAD.as_ptr(), PRELOAD.len());
            *string = theirs;
        }
    }
}

fn bytes<'a>(string: *const c_char) -> &'a [u8] {
    // SAFETY: a string of the environment, which is never freed.
    unsafe { CStr::from_ptr(string) }.to_bytes()
}
