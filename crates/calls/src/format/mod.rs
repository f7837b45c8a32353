//! One line for a call, in two parts: what can be known before it is made, and
//! what only afterwards.
//!
//! `enter` writes the name and the arguments up to the first that the call fills
//! (its output), `exit` the others and the result. So what a call reads is shown
//! as it was when it was made, and an `execve` shows arguments that are gone after
//! it. What a failed call was to fill is shown as an address.
//!
//! Neighbours: `argument` knows each [`Kind`], `result` each result; the other
//! modules show structures.

mod argument;
mod control;
mod device;
mod file;
mod process;
mod result;
mod signal;
mod socket;
mod system;
mod text;
mod time;
mod vector;
mod waiting;

use core::fmt;

use crate::call::{Call, lookup};
use crate::kind::Kind;
use crate::line::{LINE_LIMIT, Line};
use crate::memory::Memory;

/// What the line's end may take: the result with its explanation.
const RESULT_ROOM: usize = 192;

/// What `enter` leaves for output arguments, besides the result.
const OUTPUT_ROOM: usize = 512;

/// What the mark of a cut takes, `...`.
const MARK: usize = 3;

/// However long the line is already, each part has this room.
const LEAST_ROOM: usize = 64;

/// How a line is written.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The longest part of a string that is shown, in bytes. Paths are shown
    /// whole. Arrays show at most as many items.
    pub string_limit: usize,
    /// The longest line, in bytes; the arguments of a longer one are cut and
    /// end in `...`, its result is always there. Less than 512 counts as 512.
    pub line_limit: usize,
    /// How much of the line has been written before this part, whatever it is.
    /// Counts for `line_limit` and `align`.
    pub written: usize,
    /// Column of the result's equals sign if the line is shorter; 40 is what
    /// `strace` has, 0 for none.
    pub align: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { string_limit: 32, line_limit: LINE_LIMIT, written: 0, align: 0 }
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With this value in the result register, -4095 to -1 for an error.
    Returned(i64),
    /// It does not return; `= ?`.
    NoReturn,
    /// It has not returned yet; ` <unfinished ...>` instead of outputs and result.
    Running,
}

/// Writes the part of the line that must be written before the call is made:
/// `read(3, `.
pub fn format_enter(
    out: &mut dyn fmt::Write,
    nr: u64,
    args: &[u64; 6],
    memory: &dyn Memory,
    options: &Options,
) -> fmt::Result {
    let scene = Scene::new(nr, args, memory, options, None);
    let limit = options.line_limit.max(512);
    let room = limit.saturating_sub(options.written.saturating_add(RESULT_ROOM + OUTPUT_ROOM));
    let mut line = Line::new(out, room.max(LEAST_ROOM));
    scene.enter(&mut line);
    line.result()
}

/// Writes the part of the line that can be written only after the call:
/// `"\177ELF"..., 832) = 832`.
pub fn format_exit(
    out: &mut dyn fmt::Write,
    nr: u64,
    args: &[u64; 6],
    outcome: Outcome,
    memory: &dyn Memory,
    options: &Options,
) -> fmt::Result {
    let returned = match outcome {
        Outcome::Returned(value) => value,
        Outcome::NoReturn => 0,
        Outcome::Running => return out.write_str(" <unfinished ...>"),
    };
    let scene = Scene::new(nr, args, memory, options, Some(returned));
    let limit = options.line_limit.max(512);
    let room = limit.saturating_sub(options.written.saturating_add(RESULT_ROOM));
    let mut line = Line::new(out, room.max(LEAST_ROOM));
    scene.exit(&mut line);
    let left = limit.saturating_sub(options.written.saturating_add(line.written()));
    line.make_room(left.max(RESULT_ROOM) - MARK);
    line.text(")");
    let column = options.written.saturating_add(line.written() + 1);
    for _ in column..options.align.min(RESULT_ROOM / 2) {
        line.text(" ");
    }
    line.text(" = ");
    match outcome {
        Outcome::Returned(_) => scene.result(&mut line),
        _ => {
            line.text("?");
        }
    }
    line.make_room(MARK);
    line.result()
}

/// Writes a whole line at once, for memory that has not changed since.
pub fn format_call(
    out: &mut dyn fmt::Write,
    nr: u64,
    args: &[u64; 6],
    outcome: Outcome,
    memory: &dyn Memory,
    options: &Options,
) -> fmt::Result {
    let mut counted = Counted { out, count: 0 };
    format_enter(&mut counted, nr, args, memory, options)?;
    let written = options.written.saturating_add(counted.count);
    let options = Options { written, ..*options };
    format_exit(counted.out, nr, args, outcome, memory, &options)
}

struct Counted<'a> {
    out: &'a mut dyn fmt::Write,
    count: usize,
}

impl fmt::Write for Counted<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.count += text.len();
        self.out.write_str(text)
    }
}

/// A call at one of the two moments when it is looked at.
struct Scene<'a> {
    nr: u64,
    call: Option<&'static Call>,
    /// The call's name, empty if it is unknown.
    name: &'static str,
    args: &'a [u64; 6],
    memory: &'a dyn Memory,
    string_limit: usize,
    /// The result, once there is one.
    returned: Option<i64>,
}

impl<'a> Scene<'a> {
    fn new(
        nr: u64,
        args: &'a [u64; 6],
        memory: &'a dyn Memory,
        options: &Options,
        returned: Option<i64>,
    ) -> Scene<'a> {
        let call = lookup(nr);
        let name = call.map_or("", Call::name);
        Scene { nr, call, name, args, memory, string_limit: options.string_limit, returned }
    }

    fn enter(&self, line: &mut Line<'_>) {
        match self.call {
            Some(_) => line.text(self.name).text("("),
            None => line.text("syscall_").hex_padded(self.nr, 1).text("("),
        };
        let mut first = true;
        for index in self.shown() {
            let output = self.is_output(index);
            if line.is_full() {
                line.make_room(8);
                if output && !self.continues(index) {
                    line.text(", ");
                    return;
                }
                if output {
                    return;
                }
                // The remaining inputs are cut too.
                continue;
            }
            if !first && !self.continues(index) {
                line.text(", ");
            }
            if output {
                return;
            }
            self.argument(line, index);
            first = false;
        }
        line.make_room(3);
    }

    fn exit(&self, line: &mut Line<'_>) {
        let mut first = true;
        for index in self.shown().skip_while(|&index| !self.is_output(index)) {
            if !first && !self.continues(index) {
                line.text(", ");
            }
            self.argument(line, index);
            first = false;
            if line.is_full() {
                return;
            }
        }
    }

    /// Which arguments are shown, in the order in which they are.
    fn shown(&self) -> impl Iterator<Item = usize> + '_ {
        // Of clone, the thread pointer is shown before the child's.
        const CLONE: [usize; 6] = [0, 1, 2, 4, 3, 5];
        let (count, order) = match self.call {
            Some(call) if self.name == "clone" => (call.kinds().len(), CLONE),
            Some(call) => (call.kinds().len(), [0, 1, 2, 3, 4, 5]),
            None => (6, [0, 1, 2, 3, 4, 5]),
        };
        order.into_iter().take(count).filter(|&index| self.is_shown(index))
    }

    /// What an argument means; of unknown calls, nothing is known.
    fn kind(&self, index: usize) -> Kind {
        match self.call {
            Some(call) => call.kinds().get(index).copied().unwrap_or(Kind::Hex),
            None => Kind::Hex,
        }
    }

    /// An argument's value.
    fn arg(&self, index: usize) -> u64 {
        self.args.get(index).copied().unwrap_or(0)
    }

    /// The value of the argument after this one, often its length.
    fn next(&self, index: usize) -> u64 {
        self.arg(index + 1)
    }

    fn failed(&self) -> bool {
        self.returned.is_some_and(|value| (-4095..0).contains(&value))
    }

    /// The result as a number of bytes or items, 0 if there is none.
    fn count(&self) -> u64 {
        self.returned.and_then(|value| u64::try_from(value).ok()).unwrap_or(0)
    }
}
