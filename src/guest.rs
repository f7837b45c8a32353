//! The program's memory, as a hook sees it.
//!
//! A pointer from the program is an allegation: it may point anywhere, and what it
//! points to may change at any time. So it is a type of its own, which is read by copy,
//! guarded: what cannot be accessed is EFAULT.

use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::slice;

use syscalls::Errno;

use crate::sys;

/// Data that may have been made by anybody: each pattern of bits is a value, and all of
/// them are to be seen.
///
/// # Safety
///
/// That is so, and there are no padding bytes.
pub unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($type:ty)*) => {
        $(
            // SAFETY: numbers, or structures of them without padding.
            unsafe impl Plain for $type {}
        )*
    };
}

plain! { u8 i8 u16 i16 u32 i32 u64 i64 usize isize GuestStr Timespec Timeval Iovec PollFd Rlimit Stat }

// SAFETY: an array has no padding of its own.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}
// SAFETY: a number.
unsafe impl<T> Plain for GuestPtr<T> {}

/// A pointer of the program to one `T`, or to several.
#[repr(transparent)]
pub struct GuestPtr<T> {
    address: u64,
    to: PhantomData<*const T>,
}

impl<T> GuestPtr<T> {
    /// The pointer with this value.
    pub const fn new(address: u64) -> Self {
        Self { address, to: PhantomData }
    }

    /// A pointer to memory of the hook's own, which must stay until the kernel is done
    /// with it: a hook that forwards a call has returned by then.
    pub fn to(data: &T) -> Self {
        Self::new(data as *const T as u64)
    }

    /// Its value.
    pub const fn address(self) -> u64 {
        self.address
    }

    /// Whether it is NULL.
    pub const fn is_null(self) -> bool {
        self.address == 0
    }

    /// The same as a pointer to something else.
    pub const fn cast<U>(self) -> GuestPtr<U> {
        GuestPtr::new(self.address)
    }

    /// The pointer to the `count`-th `T` from here.
    #[must_use]
    pub const fn add(self, count: usize) -> Self {
        Self::new(self.address.wrapping_add((count as u64).wrapping_mul(size_of::<T>() as u64)))
    }
}

impl<T: Plain> GuestPtr<T> {
    /// Copies what is there.
    ///
    /// # Errors
    ///
    /// EFAULT.
    pub fn read(self) -> Result<T, Errno> {
        let mut value = MaybeUninit::<T>::zeroed();
        // SAFETY: as many bytes, zeroed; all of them belong to a `Plain`.
        unsafe {
            let bytes = slice::from_raw_parts_mut(value.as_mut_ptr().cast(), size_of::<T>());
            whole(sys::read_guest(self.address, bytes), size_of::<T>())?;
            Ok(value.assume_init())
        }
    }

    /// Copies a value there.
    ///
    /// # Errors
    ///
    /// EFAULT; then a part may have been written.
    pub fn write(self, value: &T) -> Result<(), Errno> {
        self.write_all(slice::from_ref(value))
    }

    /// Copies as many as the slice has.
    ///
    /// # Errors
    ///
    /// EFAULT; then a part may have been copied.
    pub fn read_all(self, values: &mut [T]) -> Result<(), Errno> {
        let len = size_of_val(values);
        // SAFETY: the bytes of a slice of `Plain`.
        let bytes = unsafe { slice::from_raw_parts_mut(values.as_mut_ptr().cast(), len) };
        whole(sys::read_guest(self.address, bytes), len)
    }

    /// Copies all values there.
    ///
    /// # Errors
    ///
    /// EFAULT; then a part may have been written.
    pub fn write_all(self, values: &[T]) -> Result<(), Errno> {
        let len = size_of_val(values);
        // SAFETY: the bytes of a slice of `Plain`, which has no padding.
        let bytes = unsafe { slice::from_raw_parts(values.as_ptr().cast(), len) };
        whole(sys::write_guest_bytes(self.address, bytes), len)
    }
}

fn whole(copied: usize, wanted: usize) -> Result<(), Errno> {
    if copied == wanted { Ok(()) } else { Err(Errno::EFAULT) }
}

impl<T> Clone for GuestPtr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for GuestPtr<T> {}

impl<T> PartialEq for GuestPtr<T> {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address
    }
}

impl<T> Eq for GuestPtr<T> {}

impl<T> fmt::Debug for GuestPtr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.address)
    }
}

/// A pointer of the program to a string that ends with a NUL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct GuestStr(GuestPtr<u8>);

impl GuestStr {
    /// The pointer with this value.
    pub const fn new(address: u64) -> Self {
        Self(GuestPtr::new(address))
    }

    /// A pointer to a string of the hook's own, as [`GuestPtr::to`].
    pub fn to(string: &core::ffi::CStr) -> Self {
        Self::new(string.as_ptr() as u64)
    }

    /// Its value.
    pub const fn address(self) -> u64 {
        self.0.address()
    }

    /// Whether it is NULL.
    pub const fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// Copies the string; the NUL is in the buffer, but not in what is returned.
    ///
    /// # Errors
    ///
    /// EFAULT; ENAMETOOLONG if string and NUL do not fit.
    pub fn read(self, buffer: &mut [u8]) -> Result<&[u8], Errno> {
        let len = sys::copy_guest_string(self.address(), buffer)?;
        buffer.get(..len).ok_or(Errno::EFAULT)
    }
}

/// The kernel's `struct timespec`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Timespec {
    /// Seconds.
    pub seconds: i64,
    /// Nanoseconds.
    pub nanoseconds: i64,
}

/// The kernel's `struct timeval`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Timeval {
    /// Seconds.
    pub seconds: i64,
    /// Microseconds.
    pub microseconds: i64,
}

/// The kernel's `struct iovec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Iovec {
    /// Where the piece begins.
    pub base: GuestPtr<u8>,
    /// How long it is, bytes.
    pub len: u64,
}

/// The kernel's `struct pollfd`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PollFd {
    /// The descriptor.
    pub fd: i32,
    /// What is waited for.
    pub events: i16,
    /// What has happened.
    pub revents: i16,
}

/// The kernel's `struct rlimit`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Rlimit {
    /// The soft limit.
    pub current: u64,
    /// The hard limit.
    pub maximum: u64,
}

/// The kernel's `struct stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
#[allow(missing_docs, reason = "stat(3type) explains the members, st_ before each")]
pub struct Stat {
    pub dev: u64,
    pub ino: u64,
    pub nlink: u64,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    #[doc(hidden)]
    pub reserved: u32,
    pub rdev: u64,
    pub size: i64,
    pub blksize: i64,
    pub blocks: i64,
    pub atime: Timespec,
    pub mtime: Timespec,
    pub ctime: Timespec,
    #[doc(hidden)]
    pub unused: [i64; 3],
}

const _: () = assert!(size_of::<Stat>() == 144);
