//! The files that a program is made of, read as the kernel and the dynamic linker will map them.
//!
//! None of them is ever executed: they may be privileged, or hostile.

pub mod image;
pub mod libraries;
pub mod plans;

mod ld_cache;
mod linking;
