//! Other processors, by QEMU's emulation of user space: without AVX, without
//! XSAVE, with AVX but not AVX-512. A guest gives under a hook what it gives
//! without us, both emulated; so what the emulator itself does differently from
//! a kernel does not matter.

use std::process::ExitCode;

use interceptor_tests::{Dist, Ended, Missing, Program, guest, installed, skip};
use libtest_mimic::{Arguments, Failed, Trial};

const EMULATOR: &str = "qemu-x86_64";

/// Neither XSAVE nor AVX; SSE4 but no XSAVE; AVX2; all that QEMU knows.
const PROCESSORS: &[&str] = &["qemu64", "Nehalem", "Haswell", "max"];

/// Guests that QEMU emulates well enough to pass.
const GUESTS: &[&str] = &[
    "bigio",
    "dlstorm",
    "exits_in_thread",
    "nullcall",
    "numbers",
    "redzone",
    "shapes_data",
    "shapes_layout",
    "signal_interrupt",
    "signal_longjmp",
    "signal_nested",
    "threads",
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(2);
    let mut checks = Vec::new();
    for processor in PROCESSORS {
        for name in GUESTS {
            let check = format!("{name}_on_{processor}_is_as_without_us");
            checks.push(Trial::test(check, move || is_as_without_us(name, processor)));
        }
    }
    libtest_mimic::run(&arguments, checks).exit_code()
}

fn is_as_without_us(name: &str, processor: &str) -> Result<(), Failed> {
    match both(name, processor) {
        Ok((alone, ours)) if ours == alone => Ok(()),
        Ok((alone, ours)) => {
            Err(format!("without us:\n{alone:#?}\nunder a hook:\n{ours:#?}").into())
        }
        Err(missing) => {
            skip(&missing);
            Ok(())
        }
    }
}

fn both(name: &str, processor: &str) -> Result<(Ended, Ended), Missing> {
    let dist = Dist::find()?;
    let (guest, hook) = (guest(name)?, guest("libforward_all.so")?);
    installed(EMULATOR)?;
    let preload = format!("LD_PRELOAD={}:{}", hook.display(), dist.runtime().display());
    let emulated = |more: &[&str]| {
        let emulator = Program::new(EMULATOR).arguments(["-cpu", processor]).arguments(more);
        let mut ended = emulator.arguments([&guest]).natively();
        // What the emulator says of features it lacks.
        let lines = ended.stderr.lines().filter(|line| !line.starts_with(EMULATOR));
        ended.stderr = lines.collect::<Vec<_>>().join("\n");
        ended
    };
    Ok((emulated(&[]), emulated(&["-E", &preload])))
}
