//! Gives input to the target that `FUZZ_TARGET` names.
#![no_main]

use std::sync::LazyLock;

use interceptor_fuzz_targets::{Target, named};
use libfuzzer_sys::fuzz_target;

/// The target of this process.
static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").expect("the name of a target");
    *named(&name).expect("a target")
});

fuzz_target!(|input: &[u8]| (TARGET.run)(input));
