//! `libinterceptor.so`: the runtime with the C API.
//!
//! `cargo xtask build` links it with the flags that make it freestanding.
#![no_std]

interceptor::preload!(interceptor::capi::CHook = interceptor::capi::CHook);
