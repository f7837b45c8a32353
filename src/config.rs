//! The environment, parsed once into a typed [`Config`].
//!
//! A bad value is named and its default used, so that a misspelt setting never
//! keeps a program from running. Names and meanings: `interceptor_abi::env`.
//!
//! Forbidden here: system calls, `unsafe` beyond reading the given strings.

use interceptor_abi::env;
use interceptor_calls::CallSet;

/// A rung of the patch ladder, when only one is to be tried.
pub(crate) use interceptor_rewrite::Rung;

/// All settings of one process.
pub(crate) struct Config<'a> {
    /// The process is left alone.
    pub off: bool,
    /// Where trace lines go.
    pub trace_fd: Option<i32>,
    /// Which calls are traced; `None` for all.
    pub trace_calls: Option<CallSet>,
    /// Longest part of a string in a trace line, bytes.
    pub string_limit: usize,
    /// The shared segment.
    pub segment_fd: Option<i32>,
    /// The thread that has executed this program, 0 for unknown.
    pub member: u32,
    /// Calls are counted.
    pub stat: bool,
    /// Objects left alone, colon-separated.
    pub bypass: &'a [u8],
    /// Last component of `argv[0]` that a process must have.
    pub cmdline_filter: Option<&'a [u8]>,
    /// Start-up reports what it does.
    pub debug_dump: bool,
    /// The only rung tried.
    pub force_rung: Option<ForcedRung>,
    /// What is not patched is caught.
    pub net: bool,
    /// XSAVE around hooks.
    pub xsave: bool,
    /// Programs with a cleaned environment are followed.
    pub carry: bool,
    /// Fatal signals are reported.
    pub crash_report: bool,
    /// Bytes of the alternate stack that each thread gets.
    pub alternate_stack: Option<u64>,
    /// Where plans are that were made before.
    pub plans: Plans<'a>,
    /// Device and inode of the tree's standard error.
    pub stderr: Option<(u64, u64)>,
    /// Settings of libsyscall_intercept.
    #[cfg(feature = "drop_in")]
    pub drop_in: crate::drop_in::Settings<'a>,
}

/// Value of the setting that forces a rung.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ForcedRung {
    /// One kind of jump.
    Jump(Rung),
    /// The trap.
    Trap,
}

/// Value of the setting that names the file of plans.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plans<'a> {
    /// The file beside the runtime, if there is one.
    BesideUs,
    /// This one.
    Named(&'a [u8]),
    /// Everything is planned anew.
    None,
}

/// A setting whose value makes no sense.
pub(crate) struct BadValue<'a> {
    pub name: &'static str,
    pub value: &'a [u8],
    pub wanted: &'static str,
}

impl<'a> Config<'a> {
    /// Reads all settings from `NAME=value` strings. Bad ones go to `complain`.
    pub(crate) fn parse(
        environment: impl Iterator<Item = &'a [u8]>,
        mut complain: impl FnMut(BadValue<'a>),
    ) -> Self {
        let mut config = Self {
            off: false,
            trace_fd: None,
            trace_calls: None,
            string_limit: 32,
            segment_fd: None,
            member: 0,
            stat: false,
            bypass: b"",
            cmdline_filter: None,
            debug_dump: false,
            force_rung: None,
            net: false,
            xsave: false,
            // Whoever uses the library in place of another one expects what that does.
            carry: cfg!(not(feature = "drop_in")),
            crash_report: false,
            alternate_stack: None,
            plans: Plans::BesideUs,
            stderr: None,
            #[cfg(feature = "drop_in")]
            drop_in: crate::drop_in::Settings::default(),
        };
        for entry in environment {
            let Some((name, value)) = split(entry) else {
                continue;
            };
            if let Err((name, wanted)) = config.set(name, value) {
                complain(BadValue { name, value, wanted });
            }
        }
        config
    }

    fn set(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), (&'static str, &'static str)> {
        let Ok(name) = core::str::from_utf8(name) else {
            return Ok(());
        };
        match name {
            env::MODE => match value {
                b"off" => self.off = true,
                b"on" | b"" => self.off = false,
                _ => return Err((env::MODE, "on or off")),
            },
            env::TRACE_FD => {
                self.trace_fd = Some(descriptor(value).ok_or((env::TRACE_FD, DESCRIPTOR))?);
            }
            env::SEGMENT_FD => {
                self.segment_fd = Some(descriptor(value).ok_or((env::SEGMENT_FD, DESCRIPTOR))?);
            }
            env::MEMBER => self.member = number(value).ok_or((env::MEMBER, "a number"))?,
            env::TRACE_CALLS => {
                let wanted = (env::TRACE_CALLS, "numbers and ranges such as 0-2,59");
                let text = core::str::from_utf8(value).map_err(|_| wanted)?;
                self.trace_calls = Some(CallSet::parse_numbers(text).map_err(|_| wanted)?);
            }
            env::TRACE_STRING_LIMIT => {
                let wanted = (env::TRACE_STRING_LIMIT, "a number of bytes");
                self.string_limit = number(value).ok_or(wanted)? as usize;
            }
            env::CRASH_REPORT => {
                self.crash_report = switch(value).ok_or((env::CRASH_REPORT, SWITCH))?;
            }
            env::ALTERNATE_STACK => {
                let bytes = number(value).filter(|bytes| *bytes >= LEAST_STACK).map(u64::from);
                let wanted = (env::ALTERNATE_STACK, "a number of bytes, 16384 or more");
                self.alternate_stack = Some(bytes.ok_or(wanted)?);
            }
            env::PLANS => match value {
                b"off" => self.plans = Plans::None,
                b"" => self.plans = Plans::BesideUs,
                [b'/', ..] => self.plans = Plans::Named(value),
                _ => return Err((env::PLANS, "an absolute path, or off")),
            },
            env::STAT => self.stat = switch(value).ok_or((env::STAT, SWITCH))?,
            env::BYPASS | env::COMPAT_BYPASS => self.bypass = value,
            env::CMDLINE_FILTER | env::COMPAT_CMDLINE_FILTER => self.cmdline_filter = Some(value),
            env::DEBUG_DUMP => self.debug_dump = switch(value).ok_or((env::DEBUG_DUMP, SWITCH))?,
            // libsyscall_intercept switches it on by any value.
            env::COMPAT_DEBUG_DUMP => self.debug_dump = true,
            env::FORCE_RUNG => {
                self.force_rung = Some(match value {
                    b"hole" => ForcedRung::Jump(Rung::Hole),
                    b"after" => ForcedRung::Jump(Rung::After),
                    b"before" => ForcedRung::Jump(Rung::Before),
                    b"trap" => ForcedRung::Trap,
                    _ => return Err((env::FORCE_RUNG, "hole, after, before or trap")),
                });
            }
            #[cfg(feature = "drop_in")]
            env::COMPAT_LOG => self.drop_in.log = Some(value),
            #[cfg(feature = "drop_in")]
            env::COMPAT_LOG_TRUNC => self.drop_in.log_is_kept = value.starts_with(b"0"),
            #[cfg(feature = "drop_in")]
            env::COMPAT_ALL_OBJS => self.drop_in.all_objects = value != b"0",
            env::CARRY => self.carry = switch(value).ok_or((env::CARRY, SWITCH))?,
            env::STDERR => {
                self.stderr = Some(file(value).ok_or((env::STDERR, "as the runtime sets it"))?);
            }
            env::NET => self.net = switch(value).ok_or((env::NET, SWITCH))?,
            env::SAVE => match value {
                b"xsave" => self.xsave = true,
                b"moves" | b"" => self.xsave = false,
                _ => return Err((env::SAVE, "moves or xsave")),
            },
            _ => {}
        }
        Ok(())
    }

    /// Whether an object is to be left alone, by its path.
    pub(crate) fn bypasses(&self, path: &[u8]) -> bool {
        self.bypass
            .split(|byte| *byte == b':')
            .any(|name| !name.is_empty() && (name == path || name == last_component(path)))
    }
}

/// What a handler's frame and ours take, and as much again.
const LEAST_STACK: u32 = 16384;

const DESCRIPTOR: &str = "the number of an open descriptor";
const SWITCH: &str = "0 or 1";

/// The part of a path after its last slash.
pub(crate) fn last_component(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

fn split(entry: &[u8]) -> Option<(&[u8], &[u8])> {
    if !entry.starts_with(b"INTERCEPT") {
        return None;
    }
    let equals = entry.iter().position(|byte| *byte == b'=')?;
    Some((entry.get(..equals)?, entry.get(equals + 1..)?))
}

fn switch(value: &[u8]) -> Option<bool> {
    match value {
        b"1" => Some(true),
        b"0" | b"" => Some(false),
        _ => None,
    }
}

fn descriptor(value: &[u8]) -> Option<i32> {
    i32::try_from(number(value)?).ok()
}

fn file(value: &[u8]) -> Option<(u64, u64)> {
    let (device, inode) = core::str::from_utf8(value).ok()?.split_once(':')?;
    Some((u64::from_str_radix(device, 16).ok()?, u64::from_str_radix(inode, 16).ok()?))
}

#[inline(never)] // that saves hundreds of bytes
fn number(value: &[u8]) -> Option<u32> {
    core::str::from_utf8(value).ok()?.parse().ok()
}
