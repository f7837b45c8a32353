//! The registers of one intercepted call, as the entry saved them.
//!
//! Shared with `asm/entry.S` and `asm/thunk.S`, which take every offset from
//! here as a `const` operand. A frame lies at a fixed place at the top of its
//! level's private stack, so the constant fields are written once, when the
//! thread's block is made; by the thunk each time for levels that few threads use.
//!
//! Forbidden here: system calls, and knowledge of what a call means.

use core::mem::offset_of;

use crate::thread::ThreadBlock;

/// One intercepted call of the program, on its way into or out of the kernel.
#[repr(C, align(64))]
pub struct SyscallFrame {
    /// On the way in the number, on the way out the result; on leaving, what
    /// the program or the `syscall` instruction finds in rax.
    pub(crate) rax: u64,
    /// The six arguments in the order of the system call ABI: rdi, rsi, rdx,
    /// r10, r8, r9. What they hold on leaving is what the registers get.
    pub(crate) args: [u64; 6],
    /// The program's stack pointer at the site.
    pub(crate) rsp: u64,
    /// The program's flags at the site.
    pub(crate) rflags: u64,
    /// Address of the stub's anchor, see `asm/stub.S`.
    pub(crate) anchor: u64,
    /// Where the entry goes on in the stub.
    pub(crate) target: u64,
    /// The program's rbx while a saving routine uses the register.
    rbx: u64,
    mxcsr: u32,
    reserved: u32,
    pub(crate) scratch: u64,
    /// Whether a hook changed the number or an argument; then `original` holds
    /// what they were. Cleared when a hook is about to see the frame.
    pub(crate) changed: u64,
    /// Number and arguments before the first change.
    pub(crate) original: [u64; 7],
    /// Not 0 when the first stage has called the hook and the second is to go
    /// on from there: `dispatch` knows what it means. `word` goes with it.
    pub(crate) halfway: u64,
    /// The hook's word.
    pub(crate) word: u64,
    /// Address of the leave thunk of this frame's level. Constant.
    pub(crate) leave: u64,
    /// 0 for a call of the program proper, more inside signal handlers that
    /// interrupted us, and inside hooks. Constant.
    pub(crate) level: u64,
    /// The thread this frame belongs to. Constant.
    pub(crate) block: *mut ThreadBlock,
}

pub(crate) const RAX: usize = offset_of!(SyscallFrame, rax);
pub(crate) const ARGS: usize = offset_of!(SyscallFrame, args);
pub(crate) const RSP: usize = offset_of!(SyscallFrame, rsp);
pub(crate) const RFLAGS: usize = offset_of!(SyscallFrame, rflags);
pub(crate) const ANCHOR: usize = offset_of!(SyscallFrame, anchor);
pub(crate) const TARGET: usize = offset_of!(SyscallFrame, target);
pub(crate) const RBX: usize = offset_of!(SyscallFrame, rbx);
pub(crate) const MXCSR: usize = offset_of!(SyscallFrame, mxcsr);
pub(crate) const SCRATCH: usize = offset_of!(SyscallFrame, scratch);
pub(crate) const LEAVE: usize = offset_of!(SyscallFrame, leave);
pub(crate) const LEVEL: usize = offset_of!(SyscallFrame, level);
pub(crate) const BLOCK: usize = offset_of!(SyscallFrame, block);

/// From the anchor to the resume point: the length of `syscall`.
pub(crate) const RESUME_AHEAD: u64 = 2;
/// Bytes of a cache line.
pub(crate) const LINE: u64 = 64;
/// Where the gate and the anchor lie in their lines, see `asm/stub.S`.
pub(crate) const GATE_IN_LINE: u64 = 60;
const ANCHOR_IN_LINE: u64 = 58;
/// From the gate to the anchor, in the next line.
pub(crate) const GATE_BACK: u64 = LINE + ANCHOR_IN_LINE - GATE_IN_LINE;
/// From where the gate's `syscall` returns to, which it leaves in rcx, to the anchor.
pub(crate) const ANCHOR_AHEAD: u64 = GATE_BACK - RESUME_AHEAD;
/// From the anchor to the end of the lea at the resume point, whose last four
/// bytes lead to the address after the site.
pub(crate) const AFTER_AHEAD: u64 = RESUME_AHEAD + 7;

impl SyscallFrame {
    /// Remembers number and arguments before a hook changes one of them.
    #[inline(always)]
    pub(crate) fn keep_original(&mut self) {
        if self.changed == 0 {
            self.changed = 1;
            copy_words(&[self.rax], &mut self.original);
            copy_words(&self.args, &mut self.original[1..]);
        }
    }

    /// Where a call goes on that enters the kernel unobserved.
    #[inline(always)]
    pub(crate) fn native(&self) -> u64 {
        self.anchor
    }

    /// Where a call goes on whose result we want to see.
    #[inline(always)]
    pub(crate) fn gate(&self) -> u64 {
        self.anchor - GATE_BACK
    }

    /// Where a call goes on that is done.
    #[inline(always)]
    pub(crate) fn resume(&self) -> u64 {
        self.anchor + RESUME_AHEAD
    }

    /// The address after the program's own `syscall` instruction.
    #[inline(always)]
    pub(crate) fn address_after_site(&self) -> u64 {
        address_after_site(self.anchor)
    }
}

/// The address after the `syscall` instruction whose stub has this anchor.
pub(crate) fn address_after_site(anchor: u64) -> u64 {
    let end = anchor + AFTER_AHEAD;
    // SAFETY: the anchor comes from a live stub, whose template has the
    // displacement there (asserted in `patch::stub`).
    let displacement = unsafe { ((end - 4) as *const i32).read_unaligned() };
    end.wrapping_add_signed(i64::from(displacement))
}

/// Copies words one by one. A plain copy of a few words is compiled to vector
/// moves, which the first stage of the entry must not use.
#[inline(always)]
pub(crate) fn copy_words(from: &[u64], to: &mut [u64]) {
    for (from, to) in from.iter().zip(to) {
        // SAFETY: both are references; volatile only keeps the moves scalar.
        unsafe { (to as *mut u64).write_volatile((from as *const u64).read_volatile()) };
    }
}

const _: () = assert!(RAX == 0 && ARGS == 8 && RSP == 56);
const _: () = assert!(core::mem::size_of::<SyscallFrame>().is_multiple_of(64));
