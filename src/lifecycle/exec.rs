//! execve and execveat: interception goes along, also when the program passes
//! an environment without us.
//!
//! The kernel then gets a copy of the environment's pointers with ours added
//! (see `environment`), in memory that the thread's block keeps: a failing exec
//! comes back, and a vfork child leaves it to its parent.

use core::fmt::Write as _;

use interceptor_abi::env;
use syscalls::{Errno, Sysno};

use super::target::{self, Image, Target, count_not_followed};
use super::{Observing, Step, descriptors};
use crate::environment::{self, Carried, NOTHING, PLAIN, PREFIXED, PRELOAD, ROOM};
use crate::frame::SyscallFrame;
use crate::group;
use crate::interest::LIFECYCLE;
use crate::patch;
use crate::signal;
use crate::sys::{self, GuestRange, Mapping, PAGE, Result, page_up};
use crate::thread::{Call, ThreadBlock};

/// Pointers looked at in one step.
const STEP: usize = 64;
/// Bytes at a string's beginning that tell whether it matters.
const HEAD: usize = 16;
/// Bytes that are read at once when strings lie close together.
const TOGETHER: usize = 8192;
/// Longest string that is looked at whole.
const LONGEST: usize = 4096;
/// Preload variables in one environment that are changed.
const PRELOADS: usize = 4;
/// Strings that can be carried.
const STRINGS: usize = 64;
/// Of `execveat`, from Linux 6.14 on.
const AT_EXECVE_CHECK: u64 = 0x1_0000;
/// Where an environment that is composed begins in its memory: behind the address of the
/// program's.
const BEHIND_ORIGINAL: u64 = 8;

/// exec on its way in.
pub(super) fn enter(
    block: &mut ThreadBlock,
    sysno: Sysno,
    frame: &mut SyscallFrame,
    observing: &Observing<'_>,
) -> Step {
    if sysno == Sysno::execveat && frame.args[4] & AT_EXECVE_CHECK != 0 {
        // It only asks whether it might be executed.
        return Step::Forward;
    }
    let thread = block.thread();
    observing.call(block, |hook| hook.process_exec(&thread));
    // Those that a handler has interrupted on their way in, and whose environment would be
    // overwritten here.
    block.in_flight.have_begin_again(is_exec);
    block.is_let_go = false;
    let is_carried = !sys::is_confined() && carry(block, sysno, frame);
    signal::leave_ignored_to_kernel(true);
    if group::segment().is_none() {
        let is_awaited = is_carried || signal::sees_ignored();
        return if is_awaited { Step::ForwardAndExit } else { Step::Forward };
    }
    block.membership().enter_exec();
    Step::ForwardAndExit
}

/// exec has come out. Where it goes on if it goes in again, as it is in the frame then: with the
/// program's environment alone, if that and ours are too long together; or from its beginning,
/// if that environment is forgotten.
pub(super) fn goes_in_again(
    block: &mut ThreadBlock,
    frame: &mut SyscallFrame,
    call: &Call,
) -> Option<u64> {
    let sysno = super::sysno(call.nr).filter(|_| is_exec(call))?;
    let is_too_long = frame.rax as i64 == -i64::from(Errno::E2BIG.into_raw());
    if is_too_long && call.begins_again() {
        (frame.rax, frame.args) = (call.nr, call.args);
        return Some(patch::place_of(frame.native(), 0, 0)?.start);
    }
    let envp = &mut frame.args[environment_of(sysno)];
    let is_ours = |memory: Mapping| memory.len != 0 && memory.start + BEHIND_ORIGINAL == *envp;
    if !is_too_long || !(is_ours(block.environment()) || is_ours(block.large_environment)) {
        if core::mem::take(&mut block.is_let_go) {
            count_not_followed(-1);
        }
        return None;
    }
    // SAFETY: `Survey::compose` has put it there, in memory that is still the block's.
    *envp = unsafe { ((*envp - BEHIND_ORIGINAL) as *const u64).read() };
    frame.rax = call.nr;
    block.is_let_go = true;
    count_not_followed(1);
    block.in_flight.push(call);
    Some(frame.gate())
}

fn is_exec(call: &Call) -> bool {
    let is_it = matches!(super::sysno(call.nr), Some(Sysno::execve | Sysno::execveat));
    is_it && call.watchers & u32::from(LIFECYCLE) != 0
}

/// Which argument the environment is.
fn environment_of(sysno: Sysno) -> usize {
    if sysno == Sysno::execveat { 3 } else { 2 }
}

/// Adds ours to the environment, if it is missing. Returns whether it has.
///
/// Not inlined: with its buffers every lifecycle call would touch four more
/// pages of the private stack, and a forked child would copy them.
#[inline(never)]
fn carry(block: &mut ThreadBlock, sysno: Sysno, frame: &mut SyscallFrame) -> bool {
    let is_at = sysno == Sysno::execveat;
    let image = target::report(&if is_at {
        Target { directory: frame.args[0] as i32, path: frame.args[1], flags: frame.args[4] }
    } else {
        Target { directory: target::AT_FDCWD, path: frame.args[0], flags: 0 }
    });
    if image == Image::Missing {
        return false;
    }
    let argument = environment_of(sysno);
    let member = group::ambiguous_number(block.membership());
    if let Some(wanted) =
        environment::carried().map(|carried| Wanted::new(block, carried, member, image))
        && let Some(survey) = Survey::of(frame.args[argument], &wanted)
        && !survey.is_complete(&wanted)
        && let Ok(envp) = survey.compose(block, frame.args[argument], &wanted)
    {
        frame.keep_original();
        frame.args[argument] = envp;
        return true;
    }
    false
}

/// What the next image is to be told.
struct Wanted {
    carried: &'static Carried,
    /// Variables with the numbers of our descriptors and, where that matters, of the thread:
    /// `NAME=number`.
    descriptors: heapless::Vec<heapless::String<64>, 3>,
    image: Image,
}

impl Wanted {
    fn new(
        block: &ThreadBlock,
        carried: &'static Carried,
        member: Option<u32>,
        image: Image,
    ) -> Self {
        let mut descriptors = heapless::Vec::new();
        let numbers = descriptors::variables(block);
        for (name, number) in numbers.chain(member.map(|number| (env::MEMBER, number))) {
            let mut variable = heapless::String::new();
            if write!(variable, "{name}={number}").is_ok() {
                let _ = descriptors.push(variable);
            }
        }
        Self { carried, descriptors, image }
    }

    /// All variables, with their numbers: the preload entries, settings, and
    /// descriptors.
    fn strings(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let descriptors = self.descriptors.iter().map(|variable| variable.as_bytes());
        (0..STRINGS).zip(self.carried.strings().chain(descriptors))
    }

    /// Whether a program that sets this variable itself sets it as it must be.
    fn accepts(&self, ours: &[u8], theirs: &[u8]) -> bool {
        !self.descriptors.iter().any(|variable| variable.as_bytes() == ours) || ours == theirs
    }
}

/// What an environment has of ours.
struct Survey {
    /// Its strings.
    count: usize,
    /// Bits of the carried strings whose variables it sets.
    set: u64,
    /// It has a marker, as a copy of what `/proc` shows does. Ours comes behind it.
    has_marker: bool,
    /// Preload variables without our entries, or with those that nobody would find: their
    /// indices and addresses.
    preloads: heapless::Vec<(usize, u64), PRELOADS>,
}

impl Survey {
    /// Reads an environment. `None` if it cannot be read: the kernel will say
    /// so.
    fn of(envp: u64, wanted: &Wanted) -> Option<Self> {
        let mut survey =
            Self { count: 0, set: 0, has_marker: false, preloads: heapless::Vec::new() };
        if envp == 0 {
            return Some(survey);
        }
        loop {
            let mut pointers = [0u64; STEP];
            let read = read_pointers(envp + 8 * survey.count as u64, &mut pointers);
            let pointers = &pointers[..read];
            let end = pointers.iter().position(|pointer| *pointer == 0);
            survey.add(&pointers[..end.unwrap_or(read)], wanted)?;
            if end.is_some() {
                return Some(survey);
            }
            if read == 0 {
                return None;
            }
        }
    }

    /// Takes notice of some more strings.
    fn add(&mut self, pointers: &[u64], wanted: &Wanted) -> Option<()> {
        let mut text = [0; TOGETHER];
        let Some((start, text)) = read_together(pointers, &mut text) else {
            return self.add_apart(pointers, wanted);
        };
        for pointer in pointers {
            let head = text.get((pointer - start) as usize..)?;
            if may_matter(&head[..HEAD.min(head.len())]) {
                self.look_at(*pointer, wanted)?;
            }
            self.count += 1;
        }
        Some(())
    }

    /// The same for strings that lie here and there.
    fn add_apart(&mut self, pointers: &[u64], wanted: &Wanted) -> Option<()> {
        let mut heads = [[0u8; HEAD]; STEP];
        let mut pieces = [[GuestRange::default(); STEP]; 2];
        for ((pointer, head), at) in pointers.iter().zip(&mut heads).zip(0..) {
            // A string may end where the next page is not mapped.
            let len = (PAGE - pointer % PAGE).min(HEAD as u64);
            pieces[0][at] = GuestRange { start: head.as_mut_ptr() as u64, len };
            pieces[1][at] = GuestRange { start: *pointer, len };
        }
        let [local, guest] = pieces;
        let all: u64 = guest.iter().map(|piece| piece.len).sum();
        // SAFETY: each local piece is one of the heads, and not longer.
        let read = unsafe { sys::read_guest_ranges(&local, &guest, pointers.len()) };
        if read < all {
            return None;
        }
        for ((pointer, head), piece) in pointers.iter().zip(&heads).zip(&guest) {
            let head = &head[..piece.len as usize];
            if may_matter(head) {
                self.look_at(*pointer, wanted)?;
            }
            self.count += 1;
        }
        Some(())
    }

    fn look_at(&mut self, pointer: u64, wanted: &Wanted) -> Option<()> {
        let mut text = [0; LONGEST];
        let string = sys::read_guest_string(pointer, &mut text)?;
        if let Some(list) = string.strip_prefix(PRELOAD) {
            if wanted.carried.is_in(list) != (wanted.image == Image::Lost) {
                self.set |= 1;
            } else {
                self.preloads.push((self.count, pointer)).ok()?;
            }
        } else if environment::is_marker(string) {
            self.has_marker = true;
        } else if environment::is_setting(string) {
            for (bit, ours) in wanted.strings() {
                if name(ours) == name(string) {
                    self.set &= !(1 << bit);
                    self.set |= u64::from(wanted.accepts(ours, string)) << bit;
                }
            }
        }
        Some(())
    }

    fn is_complete(&self, wanted: &Wanted) -> bool {
        let all = wanted.strings().fold(0, |all, (bit, _)| all | 1 << bit);
        let has_all = self.set == all && !self.has_marker;
        self.preloads.is_empty() && (has_all || wanted.image == Image::Lost)
    }

    /// Makes an environment of the program's strings and what it lacks of ours.
    /// Returns its address. An image that runs alone hides nothing, and hands it on.
    fn compose(&self, block: &mut ThreadBlock, envp: u64, wanted: &Wanted) -> Result<u64> {
        let pointers = self.count + 1 + ROOM + STRINGS + 1;
        let prefixed =
            self.preloads.len() * (PRELOAD.len() + wanted.carried.preload().len() + 1 + LONGEST);
        let text = wanted.strings().map(|(_, string)| string.len() + 1).sum::<usize>();
        let len = page_up(BEHIND_ORIGINAL + (pointers * 8 + prefixed + text) as u64);
        let memory = memory(block, len)?.start;
        let start = memory + BEHIND_ORIGINAL;
        let mut out = Composer { pointer: start, text: start + 8 * pointers as u64 };
        // SAFETY: the memory is the block's, and as long as all that is written.
        unsafe {
            (memory as *mut u64).write(envp);
            if envp != 0 {
                let own = core::slice::from_raw_parts_mut(start as *mut u64, self.count);
                let read = read_pointers(envp, own);
                out.pointer += 8 * read as u64;
            }
            for (index, pointer) in &self.preloads {
                let mut theirs = [0; LONGEST];
                let theirs = sys::read_guest_string(*pointer, &mut theirs).unwrap_or(b"");
                let theirs = theirs.strip_prefix(PRELOAD).unwrap_or(b"");
                let ours = wanted.carried.preload();
                let text = match wanted.image {
                    Image::Lost => out.string(&[PRELOAD, without_first(theirs, ours)]),
                    _ => out.string(&[PRELOAD, ours, b":", theirs]),
                };
                ((start + 8 * *index as u64) as *mut u64).write(text);
            }
            let is_prefixed = !self.preloads.is_empty();
            if wanted.image == Image::Followed {
                let marker = if is_prefixed { PREFIXED } else { PLAIN };
                out.push(marker.as_ptr() as u64);
                for _ in 0..ROOM {
                    out.push(NOTHING.as_ptr() as u64);
                }
            }
            let set = self.set | u64::from(is_prefixed);
            for (bit, string) in wanted.strings() {
                if set & 1 << bit == 0 && wanted.image != Image::Lost {
                    let text = out.string(&[string]);
                    out.push(text);
                }
            }
            out.push(0);
        }
        Ok(start)
    }
}

/// Where the next pointer and the next string go.
struct Composer {
    pointer: u64,
    text: u64,
}

impl Composer {
    /// # Safety
    ///
    /// There is room.
    unsafe fn push(&mut self, pointer: u64) {
        // SAFETY: the caller's.
        unsafe { (self.pointer as *mut u64).write(pointer) };
        self.pointer += 8;
    }

    /// # Safety
    ///
    /// There is room.
    unsafe fn string(&mut self, parts: &[&[u8]]) -> u64 {
        let start = self.text;
        for part in parts.iter().chain([&&b"\0"[..]]) {
            // SAFETY: the caller's.
            unsafe { (self.text as *mut u8).copy_from_nonoverlapping(part.as_ptr(), part.len()) };
            self.text += part.len() as u64;
        }
        start
    }
}

/// Memory of the block for an environment. New memory only if it must be: the
/// program may know that nothing is where it would come to lie.
fn memory(block: &mut ThreadBlock, len: u64) -> Result<Mapping> {
    if len <= block.environment().len {
        return Ok(block.environment());
    }
    let known = block.large_environment;
    if known.len >= len {
        return Ok(known);
    }
    let large = &raw mut block.large_environment;
    let memory = Mapping::anonymous(len)?;
    // What has a length is there: a vfork child may be killed at each of these steps.
    // SAFETY: this thread's own words.
    unsafe {
        (&raw mut (*large).len).write_volatile(0);
        if known.len != 0 {
            known.unmap();
        }
        (&raw mut (*large).start).write_volatile(memory.start);
        (&raw mut (*large).len).write_volatile(memory.len);
    }
    Ok(memory)
}

/// Reads the beginnings of strings that lie close together, as the kernel lays
/// them out: one piece costs less than one for each. Returns where it begins.
fn read_together<'a>(pointers: &[u64], buffer: &'a mut [u8; TOGETHER]) -> Option<(u64, &'a [u8])> {
    let start = *pointers.iter().min()?;
    let end = pointers.iter().max()?.checked_add(HEAD as u64)?;
    let text = buffer.get_mut(..usize::try_from(end - start).ok()?)?;
    (sys::read_guest(start, text) == text.len()).then_some((start, &*text))
}

/// Whether a string that begins like this may be one of ours.
fn may_matter(head: &[u8]) -> bool {
    let begins = |name: &[u8]| head.iter().zip(name).all(|(byte, other)| byte == other);
    begins(PRELOAD) || begins(b"INTERCEPT")
}

/// A list of preload entries without those that are its first.
fn without_first<'a>(list: &'a [u8], first: &[u8]) -> &'a [u8] {
    let rest = list.strip_prefix(first);
    rest.map_or(list, |rest| rest.get(1..).unwrap_or(b""))
}

fn name(string: &[u8]) -> &[u8] {
    string.split(|byte| *byte == b'=').next().unwrap_or(string)
}

/// Reads as many pointers as can be read. Returns their number.
fn read_pointers(address: u64, pointers: &mut [u64]) -> usize {
    let len = size_of_val(pointers);
    // SAFETY: any bytes make a word.
    let bytes = unsafe { core::slice::from_raw_parts_mut(pointers.as_mut_ptr().cast(), len) };
    sys::read_guest(address, bytes) / 8
}
