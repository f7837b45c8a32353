//! Finds system call instructions and plans how each is made to jump.
//!
//! Pure: bytes in, plans out. The runtime, `interceptor doctor` and the tests
//! all use the same code; none of it makes a system call, allocates or panics.
//!
//! - [`candidates`] finds the byte pairs that may be sites.
//! - [`CodeMap`] tells which function contains an address, from unwind tables.
//! - [`plan`] decodes those functions and decides; only what decoding from the
//!   start of a function reaches on an instruction boundary is believed.
//! - [`Patch`] says what to write where, [`relocate`] makes the copies of the
//!   instructions that had to make room.
//! - [`SitePlan::pack`] makes a word of a plan, for the next time.
#![no_std]
#![deny(unsafe_code)]

mod bytes;
mod code_map;
mod decode;
mod glance;
mod go;
mod holes;
mod inbound;
mod indirect;
mod landing;
mod list;
mod marks;
mod opcodes;
mod packed;
mod pairs;
mod patch;
mod plan;
mod proof;
mod queue;
mod relocate;
mod scan;
mod survey;
mod symbols;
mod tables;
mod unwind;
mod window;

pub use code_map::{CodeMap, Function};
pub use go::{find_go_table, is_go_note};
pub use packed::VERSION;
pub use pairs::Width;
pub use patch::{OutOfReach, Patch, Rung, Write, Writes};
pub use plan::{Ladder, Reason, SitePlan, Text, Verdict, plan};
pub use relocate::{RelocateError, relocate};
pub use scan::{SITE_LEN, SiteKind, candidates, has_candidates};
pub use symbols::table_of_one;
pub use tables::Data;
pub use unwind::eh_frame_address;
