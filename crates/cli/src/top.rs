//! `top`: a running tree, as it changes.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::thread;
use std::time::Duration;

use crate::clock::Moment;
use crate::failure::Failure;
use crate::outcome::Outcome;
use crate::running::{self, members::Members};
use crate::tree_segment::{CallCount, TreeSegment};

mod screen;

use screen::Look;

/// Arguments of `top`.
#[derive(clap::Args)]
pub struct Args {
    /// A process of the tree; not needed when only one tree runs
    #[arg(short, long, value_name = "PID")]
    pid: Option<u32>,
    /// Seconds between two looks
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = delay)]
    delay: Duration,
    /// Stop after this many looks
    #[arg(short = 'n', long, value_name = "N")]
    iterations: Option<u64>,
    /// Show at most this many processes, and as many calls
    #[arg(short, long, value_name = "N", default_value = "15")]
    rows: usize,
}

fn delay(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(delay) if !delay.is_zero() => Ok(delay),
        _ => Err("not a time".to_owned()),
    }
}

/// Shows the tree until it has ended.
pub fn execute(args: &Args) -> Result<Outcome, Failure> {
    let segment = running::attach(args.pid)?;
    let mut output = io::stdout();
    let is_terminal = output.is_terminal();
    let mut before = Sample::take(&segment);
    let mut looks = 0;
    loop {
        thread::sleep(args.delay);
        let now = Sample::take(&segment);
        let look = Look {
            members: &now.members,
            calls_before: &before.calls,
            calls: &now.calls,
            lanes_before: &before.lanes,
            lanes: &now.lanes,
            rate: before.moment.rate_until(&now.moment),
            elapsed: now.moment.since(&before.moment),
            rows: args.rows,
        };
        let mut text = String::new();
        if is_terminal {
            // Home, and nothing of what was there.
            text.push_str("\x1b[H\x1b[2J");
        }
        let _ = write!(text, "{look}");
        if !is_terminal {
            text.push('\n');
        }
        looks += 1;
        let is_read = output.write_all(text.as_bytes()).and_then(|()| output.flush()).is_ok();
        let is_enough = args.iterations.is_some_and(|wanted| looks >= wanted);
        if !is_read || is_enough || now.members.threads == 0 {
            return Ok(Outcome::Exited(0));
        }
        before = now;
    }
}

/// What a tree is like at one moment.
struct Sample {
    moment: Moment,
    members: Members,
    calls: Vec<CallCount>,
    lanes: Vec<(u32, u64)>,
}

impl Sample {
    fn take(segment: &TreeSegment) -> Sample {
        Sample {
            moment: Moment::now(),
            members: Members::of(segment),
            calls: segment.calls(),
            lanes: segment.lanes(),
        }
    }
}
