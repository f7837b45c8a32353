//! The traced program's memory, which may be anything.

/// Guarded access to the memory that a call's arguments point to.
///
/// An address from the program proves nothing. Implementations never fault; the
/// runtime's is `process_vm_readv`.
pub trait Memory {
    /// Fills `buffer` from `address` on and returns how many of its first bytes
    /// could be read.
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize;
}

/// A fixed number of bytes from the program, with its fields by offset.
pub(crate) struct Record<const N: usize>([u8; N]);

impl<const N: usize> Record<N> {
    /// Reads all `N` bytes, or nothing.
    pub(crate) fn read(memory: &dyn Memory, address: u64) -> Option<Record<N>> {
        let mut bytes = [0; N];
        (memory.read(address, &mut bytes) >= N).then_some(Record(bytes))
    }

    /// Reads the first `size` bytes, and takes the others as zero.
    pub(crate) fn read_part(memory: &dyn Memory, address: u64, size: u64) -> Option<Record<N>> {
        let mut bytes = [0; N];
        let size = usize::try_from(size).unwrap_or(N).min(N);
        let part = bytes.get_mut(..size)?;
        (memory.read(address, part) >= size).then_some(Record(bytes))
    }

    fn field<const S: usize>(&self, at: usize) -> [u8; S] {
        match self.0.get(at..).and_then(|rest| rest.first_chunk()) {
            Some(bytes) => *bytes,
            None => [0; S],
        }
    }

    pub(crate) fn u8(&self, at: usize) -> u8 {
        u8::from_le_bytes(self.field(at))
    }

    pub(crate) fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.field(at))
    }

    /// A number in network order.
    pub(crate) fn be16(&self, at: usize) -> u16 {
        u16::from_be_bytes(self.field(at))
    }

    pub(crate) fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.field(at))
    }

    pub(crate) fn i32(&self, at: usize) -> i32 {
        i32::from_le_bytes(self.field(at))
    }

    pub(crate) fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.field(at))
    }

    pub(crate) fn i64(&self, at: usize) -> i64 {
        i64::from_le_bytes(self.field(at))
    }

    pub(crate) fn bytes(&self, at: usize, size: usize) -> &[u8] {
        let rest = self.0.get(at..).unwrap_or(&[]);
        rest.get(..size).unwrap_or(rest)
    }
}

/// One 32-bit number.
pub(crate) fn read_u32(memory: &dyn Memory, address: u64) -> Option<u32> {
    Record::<4>::read(memory, address).map(|record| record.u32(0))
}

/// One 64-bit number.
pub(crate) fn read_u64(memory: &dyn Memory, address: u64) -> Option<u64> {
    Record::<8>::read(memory, address).map(|record| record.u64(0))
}
