//! A birth as its caller asks for it, and what follows from that.

use syscalls::Sysno;

use crate::lifecycle;
use crate::sys;
use crate::thread::{self, seats};
use crate::tls;

const CLONE_VM: u64 = 0x100;
const CLONE_VFORK: u64 = 0x4000;
const CLONE_SETTLS: u64 = 0x8_0000;
const CLONE_THREAD: u64 = 0x1_0000;
const CLONE_PARENT_SETTID: u64 = 0x10_0000;
const CLONE_DETACHED: u64 = 0x40_0000;
const CLONE_FS: u64 = 0x200;
const CLONE_FILES: u64 = 0x400;
const CLONE_SIGHAND: u64 = 0x800;
const CLONE_PARENT: u64 = 0x8000;
const CLONE_NEWNS: u64 = 0x2_0000;
const CLONE_NEWUSER: u64 = 0x1000_0000;
const CLONE_NEWPID: u64 = 0x2000_0000;
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;

/// The flags with which glibc and musl make a thread: VM, FS, FILES, SIGHAND,
/// THREAD, SYSVSEM, SETTLS, PARENT_SETTID, CHILD_CLEARTID.
const PTHREAD: u64 = 0x3d_0f00;

/// Bytes behind the thread pointer that libc has for each thread, and a few less: its
/// descriptor, where it has the kernel write the thread's id.
const DESCRIPTOR: u64 = 1024;

/// A birth as its caller asks for it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Birth {
    flags: u64,
    /// The new thread's pointer; 0 for its parent's.
    thread_pointer: u64,
    /// The stack pointer with which the child comes out; 0 for its parent's.
    stack: u64,
    /// Where the kernel writes the child's id before that runs; 0 for nowhere.
    tid_at: u64,
    /// The kernel will say that what is asked for cannot be.
    pub(super) is_refused: bool,
    /// `ThreadBlock::is_sigill_blocked` of the parent.
    pub(super) is_sigill_blocked: bool,
    /// The child has a seat, see `thread::sharers`.
    pub(super) is_sharer: bool,
    /// Its parent's id.
    pub(super) parent: u32,
}

impl Birth {
    /// `near` is the caller's stack, if it may be read directly.
    pub(super) fn of(nr: u64, args: &[u64; 6], near: Option<u64>) -> Self {
        let mut birth = Self {
            flags: 0,
            thread_pointer: 0,
            stack: 0,
            tid_at: 0,
            is_refused: false,
            is_sigill_blocked: false,
            is_sharer: false,
            parent: 0,
        };
        match lifecycle::sysno(nr) {
            Some(Sysno::clone) => {
                // The kernel looks at the low 32 bits of its flags.
                (birth.flags, birth.thread_pointer, birth.stack) =
                    (u64::from(args[0] as u32), args[4], args[1]);
                birth.tid_at = args[2];
                birth.is_refused = excludes_itself(birth.flags);
            }
            Some(Sysno::vfork) => birth.flags = CLONE_VM | CLONE_VFORK,
            Some(Sysno::clone3) => {
                let mut bytes = [0; 8 * CLONE_ARGS];
                if sys::read_guest_near(near, args[0], &mut bytes) < bytes.len() {
                    birth.is_refused = true;
                    return birth;
                }
                let mut words = [0; CLONE_ARGS];
                for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
                    *word = u64::from_le_bytes(*bytes);
                }
                (birth.flags, birth.thread_pointer) = (words[0], words[7]);
                birth.stack = words[5].wrapping_add(words[6]);
                birth.tid_at = words[3];
                birth.is_refused = is_wrong(&words, args[1]);
            }
            _ => {}
        }
        if birth.flags & CLONE_SETTLS == 0 {
            birth.thread_pointer = 0;
        }
        let is_in_storage = birth.tid_at.wrapping_sub(birth.thread_pointer) < DESCRIPTOR;
        if birth.flags & (CLONE_THREAD | CLONE_PARENT_SETTID) != CLONE_THREAD | CLONE_PARENT_SETTID
            || !is_in_storage
        {
            birth.tid_at = 0;
        }
        birth
    }

    pub(super) fn is_thread(&self) -> bool {
        self.flags & CLONE_THREAD != 0
    }

    /// Whether the child's ids are those of another namespace.
    pub(super) fn is_in_new_namespace(&self) -> bool {
        self.flags & CLONE_NEWPID != 0
    }

    /// Whether the child has its parent's descriptors, not a copy of them.
    pub(super) fn shares_descriptors(&self) -> bool {
        self.flags & CLONE_FILES != 0
    }

    /// Whether the child has none of its parent's handlers.
    pub(super) fn clears_handlers(&self) -> bool {
        self.flags & CLONE_CLEAR_SIGHAND != 0
    }

    /// Lets the child have its parent's storage, by the arguments of clone.
    pub(super) fn keep_storage(&mut self, args: &mut [u64; 6]) {
        args[0] &= !CLONE_SETTLS;
        self.flags &= !CLONE_SETTLS;
        self.thread_pointer = 0;
    }

    pub(super) fn shares_memory(&self) -> bool {
        self.flags & CLONE_VM != 0
    }

    /// The stack pointer with which the child comes out of a call that its parent makes with
    /// `rsp`.
    pub(super) fn stack_of_child(&self, rsp: u64) -> u64 {
        if self.stack == 0 { rsp } else { self.stack }
    }

    /// Whether the parent waits until the child has other memory.
    pub(super) fn is_vfork(&self) -> bool {
        self.flags & CLONE_VFORK != 0
    }

    /// Whether the child runs at once on its parent's memory: then it needs storage
    /// of its own, in which it is told what is expected.
    pub(super) fn is_told(&self) -> bool {
        self.shares_memory() && !self.is_vfork()
    }

    /// Whether the child needs a seat (`thread::seats`), and where its storage is then.
    pub(super) fn seated(&self, has_storage: bool) -> Option<Seated> {
        let own = thread::storage_of_caller();
        let storage = self.thread_pointer;
        if self.flags & CLONE_SETTLS == 0 || storage == own {
            let needs_one = self.is_told() || thread::is_on_seat();
            let is_foreign = needs_one && thread::is_caller_foreign();
            return needs_one.then_some(Seated { storage: own, is_foreign });
        }
        let needs_one = !has_storage || self.is_told() && seats::are_on(storage);
        needs_one.then_some(Seated { storage, is_foreign: !has_storage })
    }

    /// Whether the child runs on its parent's block: at once, or in a copy.
    pub(super) fn is_alias(&self) -> bool {
        !self.is_told()
    }

    /// Whether a new thread gets storage in which libc has made room for our words. glibc's
    /// pthread_create is the only one there to use clone3; where it is clone, which programs
    /// call, too, the storage begins as libc's does: with its address and, in glibc, with
    /// it once more (`tcbhead_t`), in musl with a vector of modules (`struct pthread`).
    pub(super) fn has_storage(&self, nr: u64, is_libc: bool) -> bool {
        if !is_libc || self.flags & !CLONE_DETACHED != PTHREAD {
            return false;
        }
        let own = self.thread_pointer;
        nr == Sysno::clone3 as u64
            || sys::read_guest_words(own).is_some_and(|[first, second, third]| {
                first == own && if sys::is_libc_musl() { second != 0 } else { third == own }
            })
    }

    /// Whether a vfork child gets storage that is not its parent's.
    pub(super) fn is_vfork_elsewhere(&self) -> bool {
        let is_on_own =
            self.thread_pointer == 0 || self.thread_pointer == thread::storage_of_caller();
        self.shares_memory() && self.is_vfork() && !is_on_own
    }

    /// Lets the child, which is told nothing, find its id should it not be allowed to ask.
    pub(super) fn note_place_of_id(&self) {
        if self.tid_at != 0 {
            thread::note_place_of_id(self.tid_at - self.thread_pointer);
        }
    }

    /// Leaves a token in the storage of the thread that is about to be born.
    pub(super) fn tell(&self, token: u64) {
        let tls = tls::of(self.thread_pointer);
        // SAFETY: `has_storage` holds, and nobody runs on that storage.
        unsafe {
            (&raw mut (*tls).tid_at).write_volatile(if token == 0 { 0 } else { self.tid_at });
            (&raw mut (*tls).birth).write_volatile(token);
        }
    }
}

/// The storage of a child that needs a seat.
pub(super) struct Seated {
    pub(super) storage: u64,
    /// The program has made it.
    pub(super) is_foreign: bool,
}

/// Words of the first version of `struct clone_args`: flags, pidfd, child_tid,
/// parent_tid, exit_signal, stack, stack_size, tls.
const CLONE_ARGS: usize = 8;

/// Whether the kernel refuses clone with these flags.
fn excludes_itself(flags: u64) -> bool {
    let has = |wanted: u64| flags & wanted == wanted;
    has(CLONE_NEWNS | CLONE_FS)
        || has(CLONE_NEWUSER | CLONE_FS)
        || has(CLONE_THREAD) && !has(CLONE_SIGHAND)
        || has(CLONE_SIGHAND) && !has(CLONE_VM)
        || has(CLONE_THREAD) && flags & (CLONE_NEWUSER | CLONE_NEWPID) != 0
        || has(CLONE_SIGHAND | CLONE_CLEAR_SIGHAND)
}

/// Whether the kernel refuses clone3 with this structure of this size.
fn is_wrong(words: &[u64; CLONE_ARGS], size: u64) -> bool {
    const SIGNALS: u64 = 64;
    let [flags, _, _, _, exit_signal, stack, stack_size, _] = *words;
    let shares_exit = flags & (CLONE_THREAD | CLONE_PARENT) != 0;
    size < size_of_val(words) as u64
        || size > sys::PAGE
        || flags & CLONE_DETACHED != 0
        || exit_signal > SIGNALS
        || exit_signal != 0 && shares_exit
        || (stack == 0) != (stack_size == 0)
        || excludes_itself(flags)
}
