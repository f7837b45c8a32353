//! A file that is nowhere: /virtual/hello, with its status, its text and its end.
//!
//! Its descriptors are /dev/null's, so that the kernel gives out no number twice. What is
//! duplicated, or mapped, is /dev/null then.
#![no_std]

use core::sync::atomic::{AtomicI64, Ordering::Relaxed};

use interceptor::calls::{close, fstat, lseek, newfstatat, openat, pread64, read, statx};
use interceptor::guest::Stat;
use interceptor::syscalls::syscall;
use interceptor::{Decision, Errno, GuestPtr, GuestStr, Hook, Subscription, SyscallEntry, Sysno};

const PATH: &[u8] = b"/virtual/hello";
const TEXT: &[u8] = b"Hello from nowhere.\n";
const DESCRIPTORS: usize = 1024;
const CLOSED: i64 = -1;

/// Where each descriptor stands in the text.
struct Hello([AtomicI64; DESCRIPTORS]);

fn is_ours(path: GuestStr) -> bool {
    path.read(&mut [0; PATH.len() + 1]) == Ok(PATH)
}

fn answer_status(to: GuestPtr<Stat>) -> Decision {
    const REGULAR_READ_ONLY: u32 = 0o100_444;
    let size = TEXT.len() as i64;
    let stat =
        Stat { ino: 1, nlink: 1, mode: REGULAR_READ_ONLY, size, blksize: 4096, ..Stat::default() };
    to.write(&stat).map(|()| 0).into()
}

/// Copies what there is of the text from `offset` on.
fn answer_text(to: GuestPtr<u8>, count: usize, offset: i64) -> Result<usize, Errno> {
    let rest = usize::try_from(offset).ok().and_then(|offset| TEXT.get(offset..)).unwrap_or(b"");
    let piece = &rest[..count.min(rest.len())];
    to.write_all(piece)?;
    Ok(piece.len())
}

impl Hello {
    fn open(&self) -> Result<usize, Errno> {
        const O_CLOEXEC: usize = 0o2_000_000;
        // SAFETY: the kernel reads a string.
        let fd = unsafe { syscall!(Sysno::open, c"/dev/null".as_ptr(), O_CLOEXEC) }?;
        self.0.get(fd).ok_or(Errno::EMFILE)?.store(0, Relaxed);
        Ok(fd)
    }

    /// The place of a descriptor that is one of ours.
    fn place(&self, fd: i32) -> Option<&AtomicI64> {
        let place = self.0.get(usize::try_from(fd).ok()?)?;
        (place.load(Relaxed) != CLOSED).then_some(place)
    }
}

impl Hook for Hello {
    fn subscription(&self) -> Subscription {
        Subscription::List("openat,read,pread64,fstat,newfstatat,statx,lseek,close")
    }

    fn enter(&self, call: &mut SyscallEntry) -> Decision {
        if let Some(open) = call.view::<openat>().filter(|open| is_ours(open.path)) {
            let _ = open;
            return self.open().into();
        }
        if let Some(stat) = call.view::<newfstatat>().filter(|stat| is_ours(stat.path)) {
            return answer_status(stat.status);
        }
        if call.view::<statx>().is_some_and(|stat| is_ours(stat.path)) {
            // libc asks by newfstatat then.
            return Decision::fail(Errno::ENOSYS);
        }
        // The descriptor is the first argument of all others.
        let Some(place) = self.place(call.args()[0] as i32) else {
            return Decision::Forward;
        };
        if let Some(read) = call.view::<read>() {
            let read = answer_text(read.buffer, read.count, place.load(Relaxed));
            place.fetch_add(read.map_or(0, |len| len as i64), Relaxed);
            read.into()
        } else if let Some(read) = call.view::<pread64>() {
            answer_text(read.buffer, read.count, read.offset).into()
        } else if let Some(stat) = call.view::<fstat>() {
            answer_status(stat.status)
        } else if let Some(stat) = call.view::<newfstatat>() {
            answer_status(stat.status)
        } else if let Some(seek) = call.view::<lseek>() {
            // From the start, from here, from the end.
            let from = [0, place.load(Relaxed), TEXT.len() as i64];
            match from.get(seek.whence as usize).map(|from| from + seek.offset) {
                Some(to) if to >= 0 => {
                    place.store(to, Relaxed);
                    Decision::Answer(to)
                }
                _ => Decision::fail(Errno::EINVAL),
            }
        } else {
            if call.view::<close>().is_some() {
                place.store(CLOSED, Relaxed);
            }
            Decision::Forward
        }
    }
}

interceptor::preload!(Hello = Hello([const { AtomicI64::new(CLOSED) }; DESCRIPTORS]));
