//! What stands for the rest of the runtime, and for the kernel.

/// The kernel, as far as it is asked.
pub(crate) mod sys {
    use core::ops::Range;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    use std::time::Duration;

    use interceptor_interleave::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use crate::thread::{REGION, ThreadBlock};

    pub(crate) type Result<T> = core::result::Result<T, syscalls::Errno>;

    /// Threads by id that are known.
    static ALIVE: [AtomicU32; 8] = [const { AtomicU32::new(0) }; 8];

    pub(crate) fn set_alive(tid: u32, is_alive: bool) {
        ALIVE[tid as usize].store(u32::from(is_alive), Relaxed);
    }

    pub(crate) fn thread_is_gone(_tgid: u32, tid: u32) -> bool {
        ALIVE[tid as usize].load(Relaxed) == 0
    }

    pub(crate) fn process_is_gone(tid: u32) -> bool {
        thread_is_gone(0, tid)
    }

    pub(crate) fn is_confined() -> bool {
        false
    }

    pub(crate) fn monotonic_time() -> Duration {
        Duration::ZERO
    }

    pub(crate) fn sleep(_time: Duration) {
        interceptor_interleave::hint::spin_loop();
    }

    /// Whether membarrier(2) does what it should.
    pub(crate) static HAS_BARRIER: AtomicBool = AtomicBool::new(true);

    pub(crate) fn barrier_everywhere() -> Result<()> {
        if HAS_BARRIER.load(SeqCst) {
            interceptor_interleave::barrier_everywhere();
        }
        Ok(())
    }

    /// Memory that holds a block. It stays when it is unmapped, so that a use of it is
    /// noticed.
    #[derive(Clone, Copy)]
    pub(crate) struct Mapping {
        pub(crate) start: u64,
        pub(crate) len: u64,
    }

    /// All mappings of a run.
    static MAPPED: Mutex<Vec<u64>> = Mutex::new(Vec::new());

    impl Mapping {
        pub(crate) fn anonymous(len: u64) -> Result<Mapping> {
            assert_eq!(len, REGION);
            let start = Box::into_raw(ThreadBlock::zeroed()) as u64;
            MAPPED.lock().expect("no panic").push(start);
            Ok(Mapping { start, len })
        }

        pub(crate) fn guard_lowest_page(&self) -> Result<()> {
            Ok(())
        }

        pub(crate) fn unmap(&self) {
            let _ = unmap(&(self.start..self.start + self.len));
        }
    }

    pub(crate) fn unmap(range: &Range<u64>) -> Result<()> {
        // SAFETY: only blocks are mapped, and they stay.
        unsafe { (*(range.start as *const ThreadBlock)).be_unmapped() };
        Ok(())
    }

    /// The blocks that have been mapped and not unmapped.
    pub(crate) fn mapped() -> Vec<*mut ThreadBlock> {
        let mapped = MAPPED.lock().expect("no panic");
        let blocks = mapped.iter().map(|start| *start as *mut ThreadBlock);
        // SAFETY: they stay.
        blocks.filter(|block| unsafe { !(**block).is_unmapped() }).collect()
    }

    /// All threads are gone.
    pub(crate) fn forget_threads() {
        ALIVE.iter().for_each(|alive| alive.store(0, Relaxed));
    }

    /// Begins with no mapping.
    pub(crate) fn reset() {
        for start in MAPPED.lock().expect("no panic").drain(..) {
            // SAFETY: made of a box, and nobody has it between two runs.
            drop(unsafe { Box::from_raw(start as *mut ThreadBlock) });
        }
        HAS_BARRIER.store(true, SeqCst);
    }
}

/// The words of the calling thread.
pub(crate) mod tls {
    use std::cell::UnsafeCell;
    use std::ptr::null_mut;

    use crate::thread::ThreadBlock;

    pub(crate) struct Tls {
        pub(crate) block: *mut ThreadBlock,
    }

    std::thread_local! {
        static TLS: UnsafeCell<Tls> = const { UnsafeCell::new(Tls { block: null_mut() }) };
    }

    pub(crate) fn current() -> *mut Tls {
        TLS.with(UnsafeCell::get)
    }
}

/// The thread group.
pub(crate) mod group {
    use interceptor_interleave::sync::atomic::{AtomicU32, AtomicU64};

    pub(crate) struct ThreadGroup {
        pub(crate) tgid: AtomicU32,
        pub(crate) nr_local_thread: AtomicU64,
        pub(crate) monitor: AtomicU64,
    }

    /// There is none.
    pub(crate) fn segment() -> Option<()> {
        None
    }

    pub(crate) static TGSTAT: ThreadGroup = ThreadGroup {
        tgid: AtomicU32::new(1),
        nr_local_thread: AtomicU64::new(0),
        monitor: AtomicU64::new(0),
    };
}

/// Calls that hooks make themselves: they make none.
pub(crate) mod own_calls {
    use super::hook::Frame;

    pub(crate) fn nothing_is_put_off(_frame: *mut Frame) {}

    pub(crate) fn is_put_off(_frame: *const Frame) -> bool {
        false
    }
}

/// Calls that act on others: nobody wants to know.
pub(crate) mod lifecycle {
    pub(crate) fn subscribe_remote() {}
}

/// What libraries import: nothing.
pub(crate) mod patch {
    pub(crate) fn watch_remote() {}
}

/// The face to hooks.
pub(crate) mod hook {
    use core::ffi::{c_int, c_void};
    use core::ptr::null_mut;

    pub(crate) enum Decision {
        Forward,
        ForwardAndExit(u64),
        Answer(i64),
    }

    pub(crate) struct Thread {
        pub(crate) tid: u32,
        pub(crate) tgid: u32,
        pub(crate) number: u64,
    }

    pub(crate) struct Signals;

    impl Signals {
        pub(crate) const DELIVERED: Signals = Signals;
    }

    pub(crate) struct SignalDelivery;

    impl SignalDelivery {
        pub(crate) fn signal(&self) -> c_int {
            0
        }

        pub(crate) fn info(&self) -> *mut c_void {
            null_mut()
        }

        pub(crate) fn context(&self) -> *mut c_void {
            null_mut()
        }
    }

    pub(crate) struct Frame;

    pub(crate) struct RemoteEffect;

    /// A call that goes in.
    #[derive(Default)]
    pub(crate) struct SyscallEntry {
        nr: u64,
        args: [u64; 6],
    }

    impl SyscallEntry {
        pub(crate) fn nr(&self) -> u64 {
            self.nr
        }

        pub(crate) fn set_nr(&mut self, nr: u64) {
            self.nr = nr;
        }

        pub(crate) fn args(&self) -> &[u64; 6] {
            &self.args
        }

        pub(crate) fn args_mut(&mut self) -> &mut [u64; 6] {
            &mut self.args
        }

        pub(crate) fn frame(&mut self) -> *mut Frame {
            null_mut()
        }

        pub(crate) fn record(&self) -> usize {
            0
        }

        pub(crate) fn errno(&self) -> *mut c_int {
            null_mut()
        }

        pub(crate) fn return_address(&self) -> u64 {
            0
        }

        pub(crate) fn stack_pointer(&self) -> u64 {
            0
        }
    }

    /// A call that comes out.
    pub(crate) struct SyscallExit<'a>(pub(crate) &'a [u64; 6], pub(crate) u64);

    impl SyscallExit<'_> {
        pub(crate) fn nr(&self) -> u64 {
            0
        }

        pub(crate) fn args(&self) -> &[u64; 6] {
            self.0
        }

        pub(crate) fn result(&self) -> i64 {
            0
        }

        pub(crate) fn word(&self) -> u64 {
            self.1
        }

        pub(crate) fn return_address(&self) -> u64 {
            0
        }

        pub(crate) fn stack_pointer(&self) -> u64 {
            0
        }
    }
}

/// Which calls are wanted: here all have one number, which is beyond the table.
pub(crate) mod interest {
    pub(crate) const NUMBERS: usize = 1;
    pub(crate) const HOOK: u8 = 1;

    pub(crate) fn add(_nr: usize, _who: u8) {}
    pub(crate) fn remove(_nr: usize, _who: u8) {}
    pub(crate) fn add_all(_who: u8) {}
    pub(crate) fn add_others(_who: u8) {}
    pub(crate) fn remove_others(_who: u8) {}
}

pub(crate) mod signal {
    use super::hook::Signals;

    pub(crate) fn watch_more(_signals: Signals) {}
}

pub(crate) mod startup {
    pub(crate) fn has_begun() -> bool {
        true
    }
}

pub(crate) mod diagnostics {
    pub(crate) fn say(message: core::fmt::Arguments<'_>) {
        panic!("{message}");
    }

    pub(crate) struct Lossy<'a>(pub(crate) &'a [u8]);

    impl core::fmt::Display for Lossy<'_> {
        fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            write!(f, "{}", String::from_utf8_lossy(self.0))
        }
    }
}
