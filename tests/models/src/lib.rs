//! Modules of the runtime that read what others wrote, compiled for the host: the
//! very same sources, with as little around them as they need.
//!
//! The runtime itself has no tests of its own: nothing links it but a preload
//! library. What is pure in it is tested here.
#![cfg(test)]
#![allow(dead_code, reason = "a module is tested in parts, and used in others")]

/// The environment.
#[path = "../../../src/config.rs"]
mod config;

/// ELF images in memory.
#[path = "../../../src/patch/image.rs"]
mod image;

/// What these modules take from the runtime's face to the kernel.
mod sys {
    use core::ops::Range;

    /// Size of a page in bytes.
    pub(crate) const PAGE: u64 = 4096;

    pub(crate) const fn page_down(address: u64) -> u64 {
        address & !(PAGE - 1)
    }

    pub(crate) const fn page_up(address: u64) -> u64 {
        page_down(address + (PAGE - 1))
    }

    /// As `sys::maps` has it.
    #[derive(Clone, Debug)]
    pub(crate) struct Vma<'a> {
        pub range: Range<u64>,
        pub readable: bool,
        pub writable: bool,
        pub executable: bool,
        pub offset: u64,
        pub inode: u64,
        pub name: &'a [u8],
    }
}

mod config_tests;
mod guarded;
mod image_tests;
mod random;
