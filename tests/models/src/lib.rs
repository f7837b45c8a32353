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

mod config_tests;
mod guarded;
mod image_tests;
mod random;
mod sys;
