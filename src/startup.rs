//! What happens before the program's first instruction: the constructor.
//!
//! The steps are in order, and each may fail: then the program runs untouched
//! and one line says which step failed and why. Nothing here runs again later.

use core::ffi::{CStr, c_char};
use core::fmt;
use core::ptr::null;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use interceptor_abi::env;
use interceptor_calls::parse_filter;
use syscalls::{Errno, Sysno};

use crate::config::{BadValue, Config, last_component};
use crate::diagnostics::{self, Lossy, Why, say};
use crate::hook::{Hook, Observer, Signals, Subscription};
use crate::lifecycle::Kept;
use crate::stat;
use crate::sys::{self, Maps};
use crate::{
    environment, group, interest, lifecycle, net, patch, signal, surroundings, thread, thunk,
    trace, vector,
};

/// Why the runtime did not arm.
enum Failure {
    Another,
    Template,
    Valgrind,
    Threads,
    Thunks(Errno),
    Thread,
    Maps(Errno),
    Text(Errno),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Another => write!(
                f,
                "another interceptor has patched the process before; preload one, or one hook \
                 library that contains the runtime"
            ),
            Self::Template => write!(f, "the library was not built by its own build; rebuild it"),
            Self::Valgrind => write!(f, "valgrind executes it"),
            Self::Threads => {
                write!(f, "other threads run already; the C library ran other constructors first")
            }
            Self::Thunks(error) => {
                let why = Why(*error);
                write!(f, "no executable memory ({why}); is a memory limit or a W^X policy set?")
            }
            Self::Thread => write!(f, "no memory for the first thread; is a memory limit set?"),
            Self::Maps(Errno::ENOMEM) => {
                write!(f, "no memory for /proc/self/maps; is a memory limit set?")
            }
            Self::Maps(error) => {
                write!(f, "cannot read /proc/self/maps ({}); mount /proc", Why(*error))
            }
            Self::Text(error) => {
                let why = Why(*error);
                write!(f, "patched text may not be executed ({why}); is a W^X policy set?")
            }
        }
    }
}

unsafe extern "C" {
    /// Address of libc's `__environ`, null without one (`asm/weak.S`).
    fn interceptor_libc_environ() -> *const *const *const c_char;
}

static HAS_BEGUN: AtomicBool = AtomicBool::new(false);

/// Whether the constructor has run, or runs.
#[cfg(feature = "capi")]
pub(crate) fn has_begun() -> bool {
    HAS_BEGUN.load(Relaxed)
}

/// The constructor. Only what asks the hook is compiled for it.
pub fn start<H: Hook>(hook: &'static H, argv: *const *const c_char, envp: *const *const c_char) {
    let Some(patched) = Patched::begin(argv, envp) else {
        return;
    };
    patched.arm(&Wishes::of(hook));
    hook.started();
    end();
    patch::release_own_pages();
}

/// What a hook wants.
struct Wishes {
    observer: &'static dyn Observer,
    subscription: Subscription,
    signals: Signals,
    is_interruptible: bool,
    observes_remote: bool,
    wants_group: bool,
    wants_counts: bool,
    wants_time: bool,
}

impl Wishes {
    /// Asked after all objects were looked at: it may depend on what they import.
    fn of<H: Hook>(hook: &'static H) -> Self {
        Self {
            observer: hook,
            subscription: hook.subscription(),
            signals: hook.signals(),
            is_interruptible: H::INTERRUPTIBLE,
            observes_remote: hook.observes_remote(),
            wants_group: hook.wants_group(),
            wants_counts: hook.wants_counts(),
            wants_time: hook.wants_time(),
        }
    }
}

/// A process whose text is patched, and in which nobody is interested in anything yet.
struct Patched {
    config: Config<'static>,
    maps: Maps,
    envp: *const *const c_char,
    /// Bits of the signals that may have a handler.
    caught: u64,
}

impl Patched {
    /// Patches the process; or does nothing, and says why if nobody has asked for that.
    #[inline(never)]
    fn begin(argv: *const *const c_char, envp: *const *const c_char) -> Option<Self> {
        HAS_BEGUN.store(true, Relaxed);
        // Also where we do nothing else: we are in the list in any case.
        surroundings::let_sanitizer_be_first();
        let (argv, envp) = arguments(argv, envp);
        let config = Config::parse(strings(envp), |bad| complain(&bad));
        // SAFETY: what `arguments` found.
        let tidy = || unsafe { environment::tidy(envp.cast_mut().cast()) };
        if config.off || !is_wanted(&config, argv) {
            tidy();
            return None;
        }
        #[cfg(feature = "drop_in")]
        crate::drop_in::configure(&config.drop_in);
        let failure = match patch_process(&config) {
            Ok((maps, caught)) => return Some(Self { config, maps, envp, caught }),
            Err(failure) => failure,
        };
        match failure {
            Failure::Another if !is_missed() => {}
            Failure::Another => {
                say(format_args!("this copy of the runtime does nothing: {failure}"))
            }
            _ => say(format_args!("not armed, the program runs untouched: {failure}")),
        }
        if let Some(segment) = group::segment() {
            segment.header.not_armed.fetch_add(1, Relaxed);
        }
        tidy();
        patch::release_own_pages();
        None
    }

    /// Makes everybody's interests known.
    #[inline(never)]
    fn arm(self, wishes: &Wishes) {
        let Self { config, maps, envp, caught } = self;
        if config.carry {
            carry_environment(&maps, envp, &config);
        }
        found_group(wishes);
        if wishes.wants_time {
            thread::on_private_stack(|| patch::make_time_calls(&maps));
        }
        maps.release();
        subscribe(wishes, &config);
        if wishes.observes_remote && group::segment().is_some() {
            lifecycle::subscribe_remote();
        }
        signal::adopt(caught);
        if config.net
            && let Some(block) = thread::own_block()
        {
            net::spread(block);
        }
        if let Some(bytes) = config.alternate_stack {
            signal::give_stacks(bytes, thread::own_block());
        }
        signal::watch(wishes.observer, wishes.signals);
        if wishes.is_interruptible {
            signal::interrupt_hooks(true);
        }
        if config.crash_report {
            signal::report_crashes();
        }
    }
}

/// Patches the process. Returns its mappings, and bits of the signals that may have a handler.
fn patch_process(config: &Config<'_>) -> Result<(Maps, u64), Failure> {
    if patch::is_another_here() {
        return Err(Failure::Another);
    }
    join_group(config);
    if !patch::template_is_sound() {
        return Err(Failure::Template);
    }
    if surroundings::is_under_valgrind() {
        return Err(Failure::Valgrind);
    }
    // Their text would not be executable while it is patched.
    if surroundings::has_other_threads() {
        return Err(Failure::Threads);
    }
    vector::choose(config.xsave);
    // Before there are calls that a filter might know nothing of.
    let caught = sys::look_at_status();
    let thunks = thunk::make().map_err(Failure::Thunks)?;
    if !thread::begin_first() {
        thunks.unmap();
        return Err(Failure::Thread);
    }
    if config.net {
        net::prepare();
    }
    let maps = Maps::read().map_err(Failure::Maps)?;
    // The program's stack may be a small one.
    let mut patched = Ok(());
    thread::on_private_stack(|| patched = patch::patch_everything(&maps, config));
    patched.map_err(Failure::Text)?;
    Ok((maps, caught))
}

/// The process is intercepted.
#[inline(never)]
fn end() {
    if let Some(segment) = group::segment() {
        let earlier = segment.header.armed.fetch_add(1, Relaxed);
        // All images but the tree's first come from an exec that was traced.
        if earlier > 0 && interest::of(Sysno::execve as u64) & interest::TRACE != 0 {
            trace::exec_done(sys::gettid());
        }
    }
}

/// Whether anybody needs this copy of the runtime, although another one does its
/// work. Where the hooks are for libsyscall_intercept, which has the runtime in it, and
/// `interceptor run` adds `libinterceptor.so`, nobody does.
#[cold]
fn is_missed() -> bool {
    cfg!(not(feature = "capi")) || !Maps::read().is_ok_and(|maps| patch::are_for_drop_in(&maps))
}

/// Keeps what exec is to take along, and hides what the last one added.
fn carry_environment(maps: &Maps, envp: *const *const c_char, config: &Config<'_>) {
    let here = carry_environment as *const () as u64;
    let own = maps.vmas().find(|vma| vma.range.contains(&here));
    let own = own.map_or(&b""[..], |vma| vma.name);
    let (device, inode) = diagnostics::begin(config.stderr);
    let stderr = (env::STDERR, format_args!("{device:x}:{inode:x}"));
    let added: &[_] = if config.stderr.is_none() { &[stderr] } else { &[] };
    if !environment::remember(strings(envp), own, added) {
        say(format_args!(
            "programs executed with a cleaned environment will not be followed: \
             LD_PRELOAD and INTERCEPTOR_* are too long together"
        ));
    }
    // SAFETY: what `arguments` found.
    unsafe { environment::hide(envp.cast_mut().cast()) };
}

/// Fills the interest table.
fn subscribe(wishes: &Wishes, config: &Config<'_>) {
    lifecycle::subscribe();
    match &wishes.subscription {
        Subscription::None => {}
        Subscription::All => interest::add_all(interest::HOOK),
        Subscription::Numbers(numbers) => {
            for nr in *numbers {
                interest::add(*nr as usize, interest::HOOK);
            }
        }
        Subscription::Calls(calls) => {
            for call in *calls {
                interest::add(*call as usize, interest::HOOK);
            }
        }
        Subscription::List(list) => match parse_filter(list) {
            Ok(set) => {
                for nr in set.iter() {
                    interest::add(nr as usize, interest::HOOK);
                }
            }
            Err(error) => say(format_args!("a hook's list of calls is ignored: {error}")),
        },
    }
    if (config.stat || wishes.wants_counts) && group::segment().is_some() {
        interest::add_all(interest::STAT);
    }
    let trace_fd = config.trace_fd.filter(|fd| {
        let is_open = sys::is_open(*fd);
        if !is_open {
            say(format_args!("no trace: descriptor {fd} is not open; was it closed before exec?"));
        }
        is_open
    });
    if let Some(fd) = trace_fd {
        trace::start(fd, config.string_limit);
        lifecycle::subscribe_limits();
        lifecycle::keep_descriptor(Kept::Trace, fd);
        match &config.trace_calls {
            None => interest::add_all(interest::TRACE),
            Some(set) => {
                for nr in (0..interest::NUMBERS).filter(|nr| set.contains(*nr as u64)) {
                    interest::add(nr, interest::TRACE);
                }
            }
        }
    }
}

/// Joins the group that the environment names.
fn join_group(config: &Config<'_>) {
    if let Some(fd) = config.segment_fd {
        report_group(group::attach(fd, config.member).map(|()| Some(fd)));
        if config.stat && group::segment().is_some() {
            stat::start();
        }
    }
}

/// Founds a group for a hook that wants to know who is in it.
fn found_group(wishes: &Wishes) {
    if group::segment().is_none() && wishes.wants_group {
        report_group(group::found());
        thread::join_first();
    }
    if wishes.wants_counts && group::segment().is_some() {
        stat::start();
        thread::own_block().map(stat::process_begin);
    }
}

fn report_group(segment: Result<Option<i32>, group::NoSegment>) {
    match segment {
        Ok(Some(fd)) => lifecycle::keep_descriptor(Kept::Segment, fd),
        Ok(None) => {}
        Err(why) => {
            say(format_args!("no segment, so nothing is counted: {why}"));
        }
    }
}

fn complain(bad: &BadValue<'_>) {
    say(format_args!("{}={} is ignored: wanted {}", bad.name, Lossy(bad.value), bad.wanted));
}

/// Whether the command line filter lets this process through.
fn is_wanted(config: &Config<'_>, argv: *const *const c_char) -> bool {
    let Some(filter) = config.cmdline_filter else {
        return true;
    };
    strings(argv).next().is_some_and(|name| last_component(name) == filter)
}

/// glibc hands a constructor the arguments of `main`; musl hands it nothing,
/// but has set `__environ` by then, which glibc sets later. In both cases the
/// arguments lie on the stack below the environment: a NULL, argc words, argc.
fn arguments(
    argv: *const *const c_char,
    envp: *const *const c_char,
) -> (*const *const c_char, *const *const c_char) {
    // SAFETY: null or the address of libc's variable.
    let libc = unsafe { interceptor_libc_environ().as_ref() }.map_or(null(), |environ| *environ);
    if libc.is_null() {
        return (argv, envp);
    }
    // SAFETY: before the program has run, the environment is the kernel's, on
    // the stack, preceded by argv's NULL, argv and argc.
    unsafe {
        let mut argument = libc.sub(2);
        let mut count = 0;
        while argument.cast::<u64>().read() != count {
            argument = argument.sub(1);
            count += 1;
        }
        (argument.add(1), libc)
    }
}

/// The strings of a NULL-terminated array.
fn strings(mut array: *const *const c_char) -> impl Iterator<Item = &'static [u8]> + Clone {
    core::iter::from_fn(move || {
        // SAFETY: argv and envp as the kernel made them: an array that ends
        // with NULL, of strings that are never freed.
        unsafe {
            let string = array.as_ref().filter(|string| !string.is_null())?;
            array = array.add(1);
            Some(CStr::from_ptr(*string).to_bytes())
        }
    })
}
