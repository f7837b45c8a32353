//! One line for each traced call.
//!
//! A line is begun when the call goes in, since its path arguments must be read
//! then, and ended when it comes out. It is written at once when it is
//! complete, or when another line of the same thread must begin first; then the
//! rest follows as `<... name resumed>`, as users of strace know it. Lines are
//! composed in the thread's block and go out in one write, so lines of several
//! threads do not mix.
//!
//! The seam: everything about *where* lines go is [`emit`].

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use interceptor_calls as calls;
use syscalls::Sysno;

use crate::frame::SyscallFrame;
use crate::group;
use crate::hook::Guest;
use crate::lifecycle::{Kept, first_descriptor};
use crate::sys::MayBreak;
use crate::thread::ThreadBlock;

/// Longest line. What a call's arguments need beyond it is cut.
const LINE: usize = 3584;

static IS_ON: AtomicBool = AtomicBool::new(false);
/// Whether whoever reads the trace may leave, or its file reach a limit.
static MAY_BREAK: MayBreak = MayBreak::new();
static STRING_LIMIT: AtomicUsize = AtomicUsize::new(32);

/// The beginning of a line whose end is not known yet.
#[repr(C)]
pub struct PendingLine {
    len: u32,
    nr: u32,
    open: u32,
    reserved: u32,
    text: [u8; LINE],
}

/// Traces from now on, to a descriptor that is kept as [`Kept::Trace`].
pub(crate) fn start(fd: i32, string_limit: usize) {
    STRING_LIMIT.store(string_limit, Relaxed);
    MAY_BREAK.look(fd);
    IS_ON.store(true, Relaxed);
}

/// Calls that may set the limit of files, which must be known before the kernel does so.
pub(crate) const LIMITING: [Sysno; 2] = [Sysno::setrlimit, Sysno::prlimit64];

/// One of [`LIMITING`] goes in.
pub(crate) fn limit_is_set(sysno: Sysno, args: &[u64; 6]) {
    const RLIMIT_FSIZE: u32 = 1;
    let is_of_files = match sysno {
        Sysno::prlimit64 => args[1] as u32 == RLIMIT_FSIZE && args[2] != 0,
        _ => args[0] as u32 == RLIMIT_FSIZE,
    };
    if is_of_files {
        MAY_BREAK.will_be_limited();
    }
}

/// Ends the trace of this process with a line that says why.
pub(crate) fn stop(block: &mut ThreadBlock, why: &str) {
    if !IS_ON.load(Relaxed) {
        return;
    }
    interrupt(block);
    let line = &mut block.pending;
    line.len = 0;
    let _ = write!(line, "{} +++ {why} +++", block.tid);
    finish(block);
    IS_ON.store(false, Relaxed);
}

/// A call goes in.
pub(crate) fn enter(block: &mut ThreadBlock, frame: &SyscallFrame) {
    interrupt(block);
    let nr = frame.rax;
    let line = &mut block.pending;
    line.len = 0;
    line.nr = nr as u32;
    line.open = 1;
    let _ = write!(line, "{} ", block.tid);
    let never_returns = calls::never_returns(nr);
    let _ = calls::format_enter(line, nr, &frame.args, &Guest, &options());
    if never_returns {
        let _ =
            calls::format_exit(line, nr, &frame.args, calls::Outcome::NoReturn, &Guest, &options());
        finish(block);
    } else if calls::leaves_process(nr) {
        // A successful exec has no way out; its beginning must not be lost.
        interrupt(block);
    }
}

/// A call comes out.
pub(crate) fn exit(block: &mut ThreadBlock, nr: u64, args: &[u64; 6], result: i64) {
    if !IS_ON.load(Relaxed) {
        return;
    }
    let line = &mut block.pending;
    if line.open == 0 || line.nr != nr as u32 {
        interrupt(block);
        let line = &mut block.pending;
        line.len = 0;
        let _ = write!(line, "{} <... {} resumed>", block.tid, Name(nr));
    }
    let line = &mut block.pending;
    let _ =
        calls::format_exit(line, nr, args, calls::Outcome::Returned(result), &Guest, &options());
    finish(block);
    if LIMITING.iter().any(|limiting| *limiting as u64 == nr) {
        MAY_BREAK.look(block.descriptor(Kept::Trace));
    }
}

/// The new image of a successful exec: ends the line that the old one began.
pub(crate) fn exec_done(tid: u32) {
    let mut line = heapless::String::<64>::new();
    if writeln!(line, "{tid} <... execve resumed>) = 0").is_ok() {
        emit(first_descriptor(Kept::Trace), line.as_bytes());
    }
}

/// Writes the beginning of a line whose end will come later, or never.
pub(crate) fn interrupt(block: &mut ThreadBlock) {
    let line = &mut block.pending;
    if line.open != 0 {
        let _ = line.write_str(" <unfinished ...>");
        finish(block);
    }
}

fn finish(block: &mut ThreadBlock) {
    let fd = block.descriptor(Kept::Trace);
    let line = &mut block.pending;
    let len = (line.len as usize).min(LINE - 1);
    if let Some(end) = line.text.get_mut(len) {
        *end = b'\n';
    }
    emit(fd, line.text.get(..=len).unwrap_or(b""));
    line.open = 0;
    line.len = 0;
}

fn emit(fd: i32, line: &[u8]) {
    if MAY_BREAK.write_all(fd, line).is_err()
        && let Some(segment) = group::segment()
    {
        segment.header.lost_lines.fetch_add(1, Relaxed);
    }
}

fn options() -> calls::Options {
    calls::Options { string_limit: STRING_LIMIT.load(Relaxed), ..calls::Options::default() }
}

/// A call's name, or its number.
struct Name(u64);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match calls::lookup(self.0) {
            Some(call) => f.write_str(call.name()),
            None => write!(f, "syscall_{:#x}", self.0),
        }
    }
}

impl PendingLine {
    /// Forgets the line.
    pub(crate) fn clear(&mut self) {
        (self.len, self.nr, self.open) = (0, 0, 0);
    }
}

impl fmt::Write for PendingLine {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // The last byte is for the line's end.
        let room = (LINE - 1).saturating_sub(self.len as usize);
        let text = text.as_bytes();
        let text = text.get(..room.min(text.len())).unwrap_or(b"");
        let start = self.len as usize;
        if let Some(to) = self.text.get_mut(start..start + text.len()) {
            to.copy_from_slice(text);
            self.len += text.len() as u32;
        }
        Ok(())
    }
}
