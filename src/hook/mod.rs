//! What a hook author writes.
//!
//! A hook is a type that implements [`Hook`]; the `preload!` macro makes a
//! preloadable library out of it, in which the entry calls it directly, without
//! a function pointer on the way.

mod call;
mod observer;

use core::ffi::c_void;

use syscalls::{Errno, Sysno};

pub(crate) use call::Guest;
pub use call::{SyscallEntry, SyscallExit};
pub(crate) use observer::Observer;

pub use crate::vector::Vectors;

/// What becomes of a call that a hook has seen on its way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The kernel gets it, with what the hook changed; its result goes to the
    /// program unseen.
    Forward,
    /// The kernel gets it, and [`Hook::exit`] sees the result, together with
    /// this word.
    ForwardAndExit(u64),
    /// The kernel does not get it. The program sees this result, a negative
    /// errno for an error.
    Answer(i64),
}

impl Decision {
    /// The kernel does not get it, and it fails.
    #[inline(always)]
    pub fn fail(error: Errno) -> Self {
        Self::Answer(-i64::from(error.into_raw()))
    }
}

impl From<Result<usize, Errno>> for Decision {
    /// An answer that is what a call of the hook's own has come to.
    fn from(result: Result<usize, Errno>) -> Self {
        result.map_or_else(Self::fail, |value| Self::Answer(value as i64))
    }
}

/// System call numbers a hook wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// Nothing, until it subscribes at run time.
    None,
    /// Every number, also those that no system call has.
    All,
    /// These numbers.
    Numbers(&'static [u32]),
    /// These calls.
    Calls(&'static [Sysno]),
    /// The calls of a list as `interceptor trace -e` reads it: names, numbers, classes
    /// after `%`, and `!` before what is not meant. A word that nobody knows is said,
    /// and nothing is shown.
    List(&'static str),
}

/// A system call hook.
///
/// Its functions run on a private stack of 192 KiB, in the thread that made the
/// call. Calls that they make themselves are not hooked. They must return: a
/// panic ends the process.
pub trait Hook: Sync {
    /// Whether the functions use libc, as the standard library does. Then errno is kept
    /// around them, and all vector registers are saved. What such a hook must not do is
    /// said of [`preload!`](crate::preload).
    const USES_LIBC: bool = false;

    /// Whether the functions run in no thread on storage that the program has made itself
    /// (CLONE_SETTLS), where nothing of libc works. Calls of such a thread then are
    /// forwarded unseen, which is said once.
    const NEEDS_LIBC_STORAGE: bool = Self::USES_LIBC;

    /// Which registers the functions may touch, and so which are saved.
    const VECTORS: Vectors = if Self::USES_LIBC { Vectors::All } else { Vectors::Sse };

    /// [`VECTORS`](Self::VECTORS), for hooks that learn it at run time.
    #[doc(hidden)]
    #[inline(always)]
    fn vectors(&self) -> Vectors {
        Self::VECTORS
    }

    /// Whether asynchronous signals interrupt [`enter`](Self::enter) and
    /// [`exit`](Self::exit) at once. Otherwise they wait until the hook has returned.
    ///
    /// The program's handler then runs on the stack that it would have without the hook,
    /// and sees the hook in its context. Calls that it makes are hooked, but for its return.
    /// It may leave the hook by siglongjmp, so the hook must hold nothing that it needs to
    /// give back; but not for another context from which it comes back, as schedulers do by
    /// swapcontext. A hook that runs for a call that such a handler makes is not
    /// interrupted, nor one that runs for a handler on the alternate stack; and a signal that
    /// came right before the hook began keeps all others waiting until the hook makes a call
    /// of its own through libc.
    const INTERRUPTIBLE: bool = false;

    /// The numbers it sees, asked once at start-up.
    fn subscription(&self) -> Subscription {
        Subscription::All
    }

    /// A call on its way into the kernel.
    fn enter(&self, call: &mut SyscallEntry) -> Decision;

    /// The same when [`vectors`](Self::vectors) has just said that it touches none.
    #[doc(hidden)]
    #[inline(always)]
    fn enter_early(&self, call: &mut SyscallEntry) -> Decision {
        self.enter(call)
    }

    /// Whether the functions about threads and processes are called. Without
    /// them, births cost less.
    const LIFECYCLE: bool = false;

    /// [`LIFECYCLE`](Self::LIFECYCLE), for hooks that learn it at run time.
    #[doc(hidden)]
    #[inline(always)]
    fn observes_lifecycle(&self) -> bool {
        Self::LIFECYCLE
    }

    /// Whether a group is founded where there is none.
    #[doc(hidden)]
    fn wants_group(&self) -> bool {
        Self::LIFECYCLE || Self::REMOTE
    }

    /// Whether calls are counted, as for `interceptor stat`.
    #[doc(hidden)]
    fn wants_counts(&self) -> bool {
        false
    }

    /// Interception has begun, in a new image: the last step of the library's
    /// constructor, on the program's stack, and not in a hook.
    fn started(&'static self) {}

    /// The calling thread is about to end by `exit` with this argument, and is not counted any
    /// more. Returns the argument that the kernel gets.
    #[doc(hidden)]
    fn thread_gone(&self, status: u64) -> u64 {
        status
    }

    /// The calling thread has waited for something.
    #[doc(hidden)]
    fn waited(&self) {}

    /// In a new thread, before its first own instruction. `parent_tgid` is the
    /// thread group's id.
    fn thread_start(&self, thread: &Thread, parent_tgid: u32) {
        let _ = (thread, parent_tgid);
    }

    /// In a thread that is about to end by itself (`exit`).
    fn thread_exit(&self, thread: &Thread) {
        let _ = thread;
    }

    /// In a new process, before its first own instruction. A vfork child runs
    /// on its parent's memory.
    fn process_start(&self, thread: &Thread, parent_tgid: u32) {
        let _ = (thread, parent_tgid);
    }

    /// In a thread that has made a thread or a process.
    fn child_born(&self, child_tid: u32) {
        let _ = child_tid;
    }

    /// Whether [`remote_effect`](Self::remote_effect) is called. Without it, calls
    /// that act on others cost less.
    const REMOTE: bool = false;

    /// [`REMOTE`](Self::REMOTE), for hooks that learn it at run time.
    #[doc(hidden)]
    #[inline(always)]
    fn observes_remote(&self) -> bool {
        Self::REMOTE
    }

    /// Another member of the group has done something to this thread, or to its
    /// process: told at the thread's next intercepted call.
    fn remote_effect(&self, effect: &RemoteEffect) {
        let _ = effect;
    }

    /// In a thread that is about to execute a program. It may still fail.
    fn process_exec(&self, thread: &Thread) {
        let _ = thread;
    }

    /// In a thread that is about to end its process (`exit_group`).
    fn process_exit(&self, thread: &Thread, status: i32) {
        let _ = (thread, status);
    }

    /// Which signals [`signal`](Self::signal) sees.
    const SIGNALS: Signals = Signals::empty();

    /// [`SIGNALS`](Self::SIGNALS), for hooks that learn it at start-up.
    #[doc(hidden)]
    fn signals(&self) -> Signals {
        Self::SIGNALS
    }

    /// A signal that is about to reach the program. Runs on the stack of the program's
    /// handler, with all signals blocked but those of faults; they come when it has
    /// returned. Must return.
    fn signal(&self, delivery: &SignalDelivery) -> SignalDecision {
        let _ = delivery;
        SignalDecision::Forward
    }

    /// Whether the hook sees questions for the time: then `clock_gettime`, `clock_getres`,
    /// `gettimeofday`, `time` and `getcpu` of the kernel's vDSO are system calls, which they
    /// are not otherwise, and take as long.
    const TIME: bool = false;

    /// [`TIME`](Self::TIME), for hooks that learn it at start-up.
    #[doc(hidden)]
    fn wants_time(&self) -> bool {
        Self::TIME
    }

    /// A call that came out of the kernel, after [`Decision::ForwardAndExit`].
    /// Returns the result that the program sees.
    fn exit(&self, call: &SyscallExit) -> i64 {
        call.result()
    }
}

bitflags::bitflags! {
    /// Signals that a hook wants to see. SIGKILL and SIGSTOP are never seen, nor
    /// those that the program takes itself, from a signalfd or by sigwait.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Signals: u8 {
        /// Those that have a handler, or end or stop the process by default.
        const DELIVERED = 1;
        /// Those that are ignored, or do nothing by default: SIGCHLD, SIGCONT, SIGURG
        /// and SIGWINCH. They then interrupt calls as with a handler that has
        /// `SA_RESTART`.
        const IGNORED = 2;
        /// Those that libc uses itself, for cancellation and to change ids.
        const INTERNAL = 4;
    }
}

/// What becomes of a signal that a hook has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalDecision {
    /// It goes its way: to the program's handler, or to the default action.
    Forward,
    /// It is as if it had not come; but an interrupted call fails with EINTR as
    /// if it had been handled.
    Swallow,
}

/// What the program wants of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It has a handler.
    Handled,
    /// The default action.
    Default,
    /// It is ignored.
    Ignored,
}

/// A signal on its way to the program.
pub struct SignalDelivery {
    pub(crate) signal: i32,
    pub(crate) info: *mut c_void,
    pub(crate) context: *mut c_void,
    pub(crate) disposition: Disposition,
}

impl SignalDelivery {
    /// Its number.
    pub fn signal(&self) -> i32 {
        self.signal
    }

    /// What the program wants of it.
    pub fn disposition(&self) -> Disposition {
        self.disposition
    }

    /// The kernel's `siginfo_t`, which the program's handler gets, too.
    pub fn info(&self) -> *mut c_void {
        self.info
    }

    /// The kernel's `ucontext_t`, which the program's handler gets, too: the
    /// program as if it had never left its own text. Changes take effect.
    pub fn context(&self) -> *mut c_void {
        self.context
    }
}

/// Which thread something happens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its id.
    pub tid: u32,
    /// Its thread group's id.
    pub tgid: u32,
    /// Its number in the group of all descendants, from 1, never given twice; 0
    /// when it is not counted.
    pub number: u64,
}

/// What a thread did to another one, or to another process, by a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct RemoteEffect {
    /// Id of the thread that made the call.
    pub caller_tid: u32,
    /// Id of the thread or process that it acted on.
    pub target: u32,
    /// Number of the call.
    pub nr: u64,
    /// Its arguments. Pointers are the caller's.
    pub args: [u64; 6],
    /// Its result.
    pub result: i64,
}
