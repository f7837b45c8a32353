//! What the runtime and the programs that read it agree on, and nothing else.
//!
//! Three things cross the border between an intercepted process and the outside:
//! the names of the environment variables that configure the runtime
//! ([`mod@env`]), the plans that were made before ([`plans`]), and the layout of the shared segment into which every process of
//! a tree writes its statistics ([`segment`]). Both ends may be of different
//! builds, so the layout carries a version, every field has a fixed width, and
//! sizes are asserted here.
//!
//! Forbidden here: dependencies, system calls, allocation, `unsafe`.
#![no_std]
#![deny(unsafe_code)]

pub mod env;
pub mod plans;
pub mod segment;
