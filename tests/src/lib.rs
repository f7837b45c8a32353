//! Harness of the tests in `tests/`: real programs, natively and intercepted.
//!
//! Tests use the deliverables as `cargo xtask dist` lays them out, and guest
//! programs that `cargo xtask test` builds. What a test needs and does not find
//! makes it skip, visibly; under `CI` it fails:
//!
//! ```ignore
//! #[test]
//! fn a_program_under_trace_returns_its_own_status() {
//!     let dist = need!(Dist::find());
//!     let program = Program::new("/bin/false");
//!     assert_eq!(program.under(&dist, &["trace"]).status, program.natively().status);
//! }
//! ```

mod dist;
mod executed;
mod known;
mod missing;
mod mode;
mod program;
mod report;
mod scratch;
mod source;
mod suite;
mod tree;
mod workshop;

pub use dist::{Dist, guest, guests, installed, userland};
pub use executed::differences_under;
pub use known::{
    Differs, Judgement, KNOWN, KNOWN_IN_PROGRAMS, KNOWN_IN_SUITES, Known, Where, check_quoted,
    judge,
};
pub use missing::{Missing, skip};
pub use mode::{Mode, Modes};
pub use program::{Ended, Program, Status};
pub use report::Report;
pub use scratch::Scratch;
pub use source::{Source, Userlands};
pub use suite::{Extent, Outcome, Part, SUITES, Suite};
pub use tree::{Tree, kill, wait_for};
pub use workshop::{Link, Workshop};
