//! A `ucontext_t` as words, for who composes one.

/// 8-byte words of a `ucontext_t` up to the end of its mask, which is where the
/// kernel's ends.
pub(super) const CONTEXT_WORDS: usize = 38;
/// 8-byte words of a `siginfo_t`.
pub(super) const INFO_WORDS: usize = 16;
/// Words of the kernel's own description at the end of the legacy region of an
/// XSAVE area: `struct _fpx_sw_bytes`.
pub(super) const DESCRIPTION_WORDS: usize = 6;
/// Its offset in the area.
pub(super) const DESCRIPTION_AT: usize = 464;
/// The context has more than FXSAVE writes.
const MAGIC1: u32 = 0x4650_5853;
const MAGIC2: u32 = 0x4650_5845;

pub(super) const FLAGS: usize = 0;
/// Base, flags and size of the alternate stack.
pub(super) const STACK: usize = 2;
pub(super) const R8: usize = 5;
pub(super) const R12: usize = 9;
pub(super) const RDI: usize = 13;
pub(super) const RSI: usize = 14;
pub(super) const RBP: usize = 15;
pub(super) const RBX: usize = 16;
pub(super) const RDX: usize = 17;
pub(super) const RAX: usize = 18;
pub(super) const RCX: usize = 19;
pub(super) const RSP: usize = 20;
pub(super) const RIP: usize = 21;
pub(super) const EFLAGS: usize = 22;
/// Code and stack segment.
pub(super) const SEGMENTS: usize = 23;
/// The mask once more, as older kernels had it.
pub(super) const OLD_MASK: usize = 26;
/// Address of the floating point state.
pub(super) const FPSTATE: usize = 28;
pub(super) const MASK: usize = 37;

/// In `EFLAGS`: single step, direction, resume.
pub(super) const TF: u64 = 1 << 8;
pub(super) const DF: u64 = 1 << 10;
pub(super) const RF: u64 = 1 << 16;

/// A context.
pub(super) type Context = [u64; CONTEXT_WORDS];
/// A siginfo_t.
pub(super) type Info = [u64; INFO_WORDS];
/// The kernel's description of an XSAVE area.
pub(super) type Description = [u64; DESCRIPTION_WORDS];

/// What the kernel says of an XSAVE area.
pub(super) struct Area<'a>(pub &'a Description);

/// Describes an area with these features, of `size` bytes without the mark at its end:
/// magic1 and extended_size, xfeatures, xstate_size.
pub(super) fn describe_state(description: &mut Description, features: u64, size: u32) {
    const MARK: u32 = 4;
    description[0] = u64::from(MAGIC1) | u64::from(size + MARK) << 32;
    description[1] = features;
    description[2] = u64::from(size);
}

impl Area<'_> {
    pub(super) fn is_extended(&self) -> bool {
        self.0[0] as u32 == MAGIC1
    }

    /// Bytes of the whole area, with the mark at its end.
    pub(super) fn len(&self) -> usize {
        const LEGACY: usize = 512;
        if self.is_extended() { (self.0[0] >> 32) as usize } else { LEGACY }
    }

    /// Writes the description and the mark at its end.
    ///
    /// # Safety
    ///
    /// [`len`](Self::len) bytes at `area` are writable.
    pub(super) unsafe fn describe(&self, area: *mut u8) {
        // SAFETY: the caller's.
        unsafe {
            area.add(DESCRIPTION_AT).cast::<Description>().write_unaligned(*self.0);
            if self.is_extended() {
                area.add(self.len() - 4).cast::<u32>().write_unaligned(MAGIC2);
            }
        }
    }
}
