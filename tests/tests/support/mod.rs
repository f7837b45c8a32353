//! What tests of adversity share.

pub mod filter;
