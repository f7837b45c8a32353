//! `libsyscall_intercept`: the runtime with the interface of the library of
//! that name, for hooks that were written for it.
//!
//! `cargo xtask build` makes shared and static libraries of it, together with
//! `asm/hook_point.S`, which has the variables.
#![no_std]

interceptor::preload!(interceptor::drop_in::DropIn = interceptor::drop_in::DropIn);
