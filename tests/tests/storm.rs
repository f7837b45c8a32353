//! Ten million signals, each accounted for: `tests/guests/signal_ledger.c` in every mode,
//! only with `INTERCEPTOR_EVERYTHING=1`, since it takes half an hour. The same storm of a
//! size that there is always time for is among `guests`.

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use interceptor_tests::{Dist, Missing, Mode, Modes, Program, guest, skip};
use libtest_mimic::{Arguments, Failed, Trial};

/// Signals of all modes together.
const SIGNALS: u64 = 10_000_000;

/// For one mode, on a machine that has other things to do.
const LIMIT: Duration = Duration::from_secs(1200);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // A storm has three threads of its own.
    arguments.test_threads.get_or_insert(1);
    let modes = match env::var_os("INTERCEPTOR_EVERYTHING") {
        Some(_) => Modes::all().collect(),
        None => Vec::new(),
    };
    let share = SIGNALS.div_ceil(Modes::all().count() as u64);
    let checks = modes.into_iter().map(|mode| {
        let name = format!("{share}_signals_are_accounted_for_under_{}", mode.name);
        Trial::test(name, move || match storm(mode, share) {
            Ok(result) => result,
            Err(missing) => {
                skip(&missing);
                Ok(())
            }
        })
    });
    libtest_mimic::run(&arguments, checks.collect()).exit_code()
}

/// The guest ends with 0 only if what was sent was handled, or has become one with what was.
fn storm(mode: &Mode, signals: u64) -> Result<Result<(), Failed>, Missing> {
    let dist = Dist::find()?;
    let program = Program::new(guest("signal_ledger")?);
    let program = program.environment("STORM", signals.to_string()).limit(LIMIT);
    let ended = mode.run(&dist, &program)?;
    let ledgers = ended.stderr.lines().filter_map(|line| {
        let (queued, rest) = line.split_once(" queued and handled, ")?;
        let (others, _) = rest.split_once(" sent of which ")?;
        Some(queued.parse::<u64>().ok()? + others.parse::<u64>().ok()?)
    });
    let (storms, sent) = ledgers.fold((0, 0), |(storms, sent), ledger| (storms + 1, sent + ledger));
    if ended.status.code() == Some(0) && storms == 2 && sent >= signals {
        return Ok(Ok(()));
    }
    Ok(Err(format!("{sent} of {signals} in {storms} storms: {ended:?}").into()))
}
