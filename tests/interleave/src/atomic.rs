//! Atomics each of whose accesses is a step.

pub use core::sync::atomic::{Ordering, compiler_fence};

use crate::buffer::Store;
use crate::schedule;

/// As core's: what was stored before is seen before what comes after.
pub fn fence(order: Ordering) {
    if order == Ordering::SeqCst {
        schedule::exchange();
    }
}

macro_rules! atomic {
    ($name:ident $(<$of:ident>)?, $value:ty, $doc:literal) => {
        #[doc = $doc]
        #[repr(transparent)]
        pub struct $name $(<$of>)? (core::sync::atomic::$name $(<$of>)?);

        #[expect(missing_docs, reason = "as in core")]
        impl $(<$of>)? $name $(<$of>)? {
            pub const fn new(value: $value) -> Self {
                Self(core::sync::atomic::$name::new(value))
            }

            pub const fn as_ptr(&self) -> *mut $value {
                self.0.as_ptr()
            }

            pub fn load(&self, order: Ordering) -> $value {
                match schedule::load(self.as_ptr() as usize) {
                    Some(bits) => Self::of_bits(bits),
                    None => self.0.load(order),
                }
            }

            pub fn store(&self, value: $value, order: Ordering) {
                if order == Ordering::SeqCst {
                    // An exchange, on x86-64.
                    self.swap(value, order);
                    return;
                }
                let at = self.as_ptr() as usize;
                schedule::store(Store { at, bits: Self::to_bits(value), write: Self::write });
            }

            /// Stores late what was given to `store`.
            fn write(at: usize, bits: u64) {
                // SAFETY: the address of one of these, which models keep.
                let atomic = unsafe { &*(at as *const core::sync::atomic::$name $(<$of>)?) };
                atomic.store(Self::of_bits(bits), Ordering::SeqCst);
            }

            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                if schedule::exchange() { self.0.swap(value, order) } else { value }
            }

            pub fn compare_exchange(
                &self,
                from: $value,
                to: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                if !schedule::exchange() {
                    return Err(from);
                }
                self.0.compare_exchange(from, to, success, failure)
            }

            /// Fails only as the other does, as on x86-64.
            pub fn compare_exchange_weak(
                &self,
                from: $value,
                to: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.compare_exchange(from, to, success, failure)
            }

            /// A load and an exchange, as the processor does it.
            pub fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                mut change: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                let mut seen = self.load(fetch);
                while let Some(next) = change(seen) {
                    match self.compare_exchange(seen, next, set, fetch) {
                        Ok(before) => return Ok(before),
                        Err(now) => seen = now,
                    }
                }
                Err(seen)
            }
        }
    };
}

macro_rules! number {
    ($name:ident, $value:ty, $doc:literal) => {
        atomic!($name, $value, $doc);

        impl Default for $name {
            fn default() -> Self {
                Self::new(0)
            }
        }

        impl $name {
            fn to_bits(value: $value) -> u64 {
                value as u64
            }

            fn of_bits(bits: u64) -> $value {
                bits as $value
            }
        }

        number!($name, $value, fetch_add fetch_max fetch_min fetch_or fetch_and);
    };
    ($name:ident, $value:ty, $($method:ident)*) => {
        #[expect(missing_docs, reason = "as in core")]
        impl $name {
            $(pub fn $method(&self, value: $value, order: Ordering) -> $value {
                if schedule::exchange() { self.0.$method(value, order) } else { value }
            })*
        }
    };
}

number!(AtomicU8, u8, "8 bits.");
number!(AtomicU32, u32, "32 bits.");
number!(AtomicI32, i32, "32 bits with a sign.");
number!(AtomicU64, u64, "64 bits.");
atomic!(AtomicPtr<T>, *mut T, "An address.");

impl<T> AtomicPtr<T> {
    fn to_bits(value: *mut T) -> u64 {
        value as u64
    }

    fn of_bits(bits: u64) -> *mut T {
        bits as *mut T
    }
}
