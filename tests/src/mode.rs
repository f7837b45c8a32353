//! The ways in which a program is intercepted.

use std::ffi::{OsStr, OsString};

use crate::dist::{Dist, guest};
use crate::missing::Missing;
use crate::program::{Ended, Program};
use crate::scratch::Scratch;

/// One way to intercept a program.
#[derive(Debug)]
pub struct Mode {
    /// As it appears in the names of tests.
    pub name: &'static str,
    command: &'static str,
    /// The command writes a report, which is to go to a file.
    has_report: bool,
    hook: Option<&'static str>,
    /// A hook in Rust: it contains the runtime and takes its place.
    runtime: Option<&'static str>,
    /// Planned before it is executed.
    is_planned: bool,
    environment: &'static [(&'static str, &'static str)],
}

/// Forwards every call.
const FORWARD: Option<&str> = Some("libforward_all.so");

/// Lists of modes.
pub struct Modes;

impl Modes {
    /// What a user gets by default: nobody looks, tables, traces, a hook in C.
    pub const USUAL: &'static [Mode] = &[
        Mode::new("run", "run"),
        Mode::new("stat", "stat").with_report(),
        Mode::new("trace", "trace").with_report(),
        Mode::new("hook", "run").with_hook(),
    ];

    /// Plans of before; hooks that see results, in C and in Rust; one that sees all signals;
    /// everything saved by XSAVE; a net, and that alone; each rung of the patch ladder forced,
    /// without and with a hook.
    pub const FORCED: &'static [Mode] = &[
        Mode::new("planned", "run").with_hook().with_plans(),
        Mode::new("pairs", "run").with_pairs(),
        Mode::new("rust", "run").with_runtime("librust_forward.so"),
        Mode::new("signals", "run").with_signal_hook(),
        Mode::new("xsave", "run").with_hook().with(&[("INTERCEPTOR_SAVE", "xsave")]),
        Mode::new("net", "run").with_hook().with(&[("INTERCEPTOR_NET", "1")]),
        Mode::new("net_trap", "run").with_hook().with(NET_TRAP),
        Mode::new("hole", "run").with(HOLE),
        Mode::new("after", "run").with(AFTER),
        Mode::new("before", "run").with(BEFORE),
        Mode::new("trap", "run").with(TRAP),
        Mode::new("hole_hook", "run").with_hook().with(HOLE),
        Mode::new("after_hook", "run").with_hook().with(AFTER),
        Mode::new("before_hook", "run").with_hook().with(BEFORE),
        Mode::new("trap_hook", "run").with_hook().with(TRAP),
    ];
}

impl Modes {
    /// Every mode there is.
    pub fn all() -> impl Iterator<Item = &'static Mode> {
        Modes::USUAL.iter().chain(Modes::FORCED)
    }

    /// The mode of this name.
    pub fn named(name: &str) -> Option<&'static Mode> {
        Modes::all().find(|mode| mode.name == name)
    }
}

const HOLE: Environment = &[("INTERCEPTOR_FORCE_RUNG", "hole")];
const AFTER: Environment = &[("INTERCEPTOR_FORCE_RUNG", "after")];
const BEFORE: Environment = &[("INTERCEPTOR_FORCE_RUNG", "before")];
const TRAP: Environment = &[("INTERCEPTOR_FORCE_RUNG", "trap")];

/// Each call of each site is caught.
const NET_TRAP: Environment = &[("INTERCEPTOR_FORCE_RUNG", "trap"), ("INTERCEPTOR_NET", "1")];

type Environment = &'static [(&'static str, &'static str)];

impl Mode {
    const fn new(name: &'static str, command: &'static str) -> Mode {
        let (has_report, is_planned) = (false, false);
        Mode { name, command, has_report, hook: None, runtime: None, is_planned, environment: &[] }
    }

    const fn with_report(mut self) -> Mode {
        self.has_report = true;
        self
    }

    const fn with_hook(mut self) -> Mode {
        self.hook = FORWARD;
        self
    }

    const fn with_plans(mut self) -> Mode {
        self.is_planned = true;
        self
    }

    const fn with_pairs(mut self) -> Mode {
        self.hook = Some("libforward_pairs.so");
        self
    }

    const fn with_runtime(mut self, library: &'static str) -> Mode {
        self.runtime = Some(library);
        self
    }

    const fn with_signal_hook(mut self) -> Mode {
        self.hook = Some("libforward_signals.so");
        self
    }

    const fn with(mut self, environment: Environment) -> Mode {
        self.environment = environment;
        self
    }

    /// Whether sites that one rung does not fit are trapped.
    pub fn forces_a_rung(&self) -> bool {
        self.environment.iter().any(|(name, _)| *name == "INTERCEPTOR_FORCE_RUNG")
    }

    /// Whether what is not patched is caught.
    pub fn has_net(&self) -> bool {
        self.environment.iter().any(|(name, _)| *name == "INTERCEPTOR_NET")
    }

    /// Runs a program in this mode.
    ///
    /// # Errors
    ///
    /// The hook was not built.
    pub fn run(&self, dist: &Dist, program: &Program) -> Result<Ended, Missing> {
        let scratch = Scratch::new();
        let mut options: Vec<OsString> = vec![self.command.into()];
        if self.has_report {
            options.push("-o".into());
            options.push(scratch.path("report").into());
        }
        if let Some(hook) = self.hook {
            options.push("--hook".into());
            options.push(guest(hook)?.into());
        }
        let mut program = program.clone();
        if let Some(library) = self.runtime {
            program = program.environment("INTERCEPTOR_LIB", guest(library)?);
        }
        if self.is_planned {
            let plans = scratch.path("plans");
            dist.plan(&plans, [program.path()]);
            program = program.environment("INTERCEPTOR_PLANS", plans);
        }
        for (name, value) in self.environment {
            program = program.environment(name, OsStr::new(value));
        }
        Ok(program.under(dist, &options))
    }
}
