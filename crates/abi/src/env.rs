//! Environment variables that the runtime reads at start-up.
//!
//! The command line tool sets them for the programs it starts; an operator may
//! set them by hand beside `LD_PRELOAD`. Each is parsed in one place,
//! `src/config.rs` of the runtime.

/// Where a free number is looked for when a descriptor of ours has to have one: above those
/// that programs use themselves, but not by far. The kernel copies a process's table of
/// descriptors up to the highest open one with every fork and vfork, and a table of more
/// than 256 is dear (`dup_fd`): 1000 makes vfork, _exit and wait take a third longer. A process
/// has up to two, the last ones of that table.
pub const FIRST_DESCRIPTOR: i32 = 254;

/// Descriptor (decimal) to which trace lines are written. Absent: no tracing.
pub const TRACE_FD: &str = "INTERCEPTOR_TRACE_FD";

/// Which calls are traced: numbers and inclusive ranges, decimal, separated
/// by commas, such as `0-2,59`. Absent: all. The command line tool translates
/// names and classes to this form.
pub const TRACE_CALLS: &str = "INTERCEPTOR_TRACE_CALLS";

/// Longest part of a string that a trace line shows, in bytes (default 32).
pub const TRACE_STRING_LIMIT: &str = "INTERCEPTOR_TRACE_STRING_LIMIT";

/// Descriptor (decimal) of the shared [segment](crate::segment). Absent: no
/// statistics and no coverage report.
pub const SEGMENT_FD: &str = "INTERCEPTOR_SEGMENT_FD";

/// Number (decimal) of the thread of the group that executes the program. The runtime sets
/// it, where the program does not see it, when members are in several PID namespaces:
/// there ids do not tell processes apart.
pub const MEMBER: &str = "INTERCEPTOR_MEMBER";

/// `1` counts every call and samples its duration into the segment.
pub const STAT: &str = "INTERCEPTOR_STAT";

/// Colon-separated file names (with or without directory) of objects whose
/// code is left alone.
pub const BYPASS: &str = "INTERCEPTOR_BYPASS";

/// Compatible spelling of [`BYPASS`], as in libsyscall_intercept.
pub const COMPAT_BYPASS: &str = "INTERCEPT_BYPASS_SO";

/// Only processes whose `argv[0]` has this last path component are intercepted.
pub const CMDLINE_FILTER: &str = "INTERCEPTOR_CMDLINE_FILTER";

/// Compatible spelling of [`CMDLINE_FILTER`], as in libsyscall_intercept.
pub const COMPAT_CMDLINE_FILTER: &str = "INTERCEPT_HOOK_CMDLINE_FILTER";

/// `1` writes what is found and patched at start-up to standard error.
pub const DEBUG_DUMP: &str = "INTERCEPTOR_DEBUG_DUMP";

/// Compatible spelling of [`DEBUG_DUMP`], as in libsyscall_intercept.
pub const COMPAT_DEBUG_DUMP: &str = "INTERCEPT_DEBUG_DUMP";

/// Of libsyscall_intercept only: file to which a line is written for every call
/// that the hook is shown. One that ends with `-` gets the process's id behind it.
pub const COMPAT_LOG: &str = "INTERCEPT_LOG";

/// Of libsyscall_intercept only: `0` keeps what the log has already.
pub const COMPAT_LOG_TRUNC: &str = "INTERCEPT_LOG_TRUNC";

/// Of libsyscall_intercept only: its hook is shown the calls of all objects, not
/// only of libc. `0` is as if it were not set.
pub const COMPAT_ALL_OBJS: &str = "INTERCEPT_ALL_OBJS";

/// Only this rung of the patch ladder is tried for every site: `hole`,
/// `after`, `before` or `trap`. For tests; a site that the rung does not fit
/// goes to the trap.
pub const FORCE_RUNG: &str = "INTERCEPTOR_FORCE_RUNG";

/// `xsave` saves the whole extended state around every hook by XSAVE instead
/// of plain moves of what a hook can clobber.
pub const SAVE: &str = "INTERCEPTOR_SAVE";

/// `1` puts a net under the patches: the kernel (5.11 or newer, by Syscall User Dispatch)
/// catches system calls from where nothing is patched, such as generated code, and of objects
/// that are otherwise left alone. Each call that enters the kernel becomes dearer.
pub const NET: &str = "INTERCEPTOR_NET";

/// `0` lets a program go that is executed with an environment from which
/// `LD_PRELOAD` was removed. By default interception goes along.
pub const CARRY: &str = "INTERCEPTOR_CARRY";

/// `1` reports a signal that ends the process, on standard error: where it came,
/// from whom, registers and a backtrace.
pub const CRASH_REPORT: &str = "INTERCEPTOR_CRASH_REPORT";

/// Bytes of an alternate signal stack (decimal, 16384 or more) that every thread
/// gets. The program does not see it, and may set its own instead. Handlers with
/// `SA_ONSTACK`, hooks of signals without a handler and the crash report run on it.
pub const ALTERNATE_STACK: &str = "INTERCEPTOR_ALTSTACK";

/// Absolute path of the file of [plans](crate::plans), or `off`. Absent: the one beside
/// the runtime, if there is one.
pub const PLANS: &str = "INTERCEPTOR_PLANS";

/// Device and inode (hexadecimal, with a colon between) of the standard error of
/// the first process of a tree. What only a user should read is written to no
/// other file. The runtime sets it, where the program does not see it.
pub const STDERR: &str = "INTERCEPTOR_STDERR";

/// `off` leaves the process alone although the library is preloaded.
pub const MODE: &str = "INTERCEPTOR";
