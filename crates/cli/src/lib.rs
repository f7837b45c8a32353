//! The host side of Interceptor: what an operator types.
//!
//! Commands that start a program prepare its environment, so that the dynamic
//! linker loads the runtime into it, and otherwise stay out of its way: its
//! standard streams, signals, status and file descriptors are its own. Whatever
//! is wrong with a request is said in one line on standard error.
//!
//! The runtime is never linked here; both sides share [`interceptor_abi`].

use clap::{Parser, Subcommand};

mod clock;
mod coverage;
mod descriptor;
mod doctor;
mod failure;
#[cfg(any(test, feature = "hostile"))]
pub mod hostile;
mod launch;
mod needs;
mod notice;
mod objects;
mod observe;
mod outcome;
mod plan;
mod preload;
mod program;
mod run;
mod running;
mod selection;
mod stat;
mod supervise;
mod top;
mod trace;
mod tree_segment;

/// Intercepts the system calls of unmodified programs
#[derive(Parser)]
#[command(name = "interceptor", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a program under hook libraries
    Run(run::Args),
    /// Print a line for every system call of a program and its descendants
    Trace(trace::Args),
    /// Count and time the system calls of a program and its descendants
    Stat(stat::Args),
    /// Show who lives in a running tree of processes, and which calls it makes
    Top(top::Args),
    /// Plan programs before they are executed, so that they start faster
    Plan(plan::Args),
    /// Tell whether a program will be intercepted, and how completely
    Doctor(doctor::Args),
}

/// Runs the command given by the process's arguments; returns its status, or
/// ends by the signal that ended the program it ran.
pub fn main() -> i32 {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help goes to stdout, mistakes to stderr; a closed one is no news.
            let _ = error.print();
            return error.exit_code();
        }
    };
    let result = match arguments.command {
        Command::Run(args) => run::execute(&args),
        Command::Trace(args) => trace::execute(&args),
        Command::Stat(args) => stat::execute(&args),
        Command::Top(args) => top::execute(&args),
        Command::Plan(args) => plan::execute(&args),
        Command::Doctor(args) => doctor::execute(&args),
    };
    match result {
        Ok(outcome) => outcome.become_ours(),
        Err(failure) => {
            if let Some(message) = &failure.message {
                notice::line(message);
            }
            i32::from(failure.status)
        }
    }
}
