//! Which registers are saved around a hook, chosen once from the CPU.
//!
//! A hook in C may clobber every vector and mask register the CPU has (glibc's
//! string routines do), so all of those are saved, by plain moves. XSAVE would
//! save more than a C function can harm and costs several times as much; it is
//! an option.

use core::arch::x86_64::{__cpuid, __cpuid_count, CpuidResult};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use interceptor_rewrite::Width;

use crate::sys::page_up;

/// What a hook may touch beyond the general registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vectors {
    /// Nothing. The build check `cargo xtask symbols` proves it of Rust code in
    /// the same library; of C code compiled with `-mgeneral-regs-only` its
    /// author promises it.
    None,
    /// The 16 xmm registers: code compiled for baseline x86-64 that calls
    /// nothing outside the library.
    Sse,
    /// Whatever the CPU has: code that calls into libc or was compiled for AVX.
    All,
}

unsafe extern "C" {
    fn interceptor_save_sse_control();
    fn interceptor_save_avx();
    fn interceptor_save_avx512();
    fn interceptor_save_xsave();
}

/// Address of the routine that saves what [`Vectors::All`] names.
#[unsafe(no_mangle)]
static interceptor_save_all: AtomicU64 = AtomicU64::new(0);
/// Bytes that XSAVE writes with every state the kernel enabled, and 64 to align; 0
/// until somebody needs to know.
#[unsafe(no_mangle)]
static interceptor_xsave_size: AtomicU64 = AtomicU64::new(0);
/// Not 0 if the CPU knows XSAVE and the kernel uses it; else there is FXSAVE.
#[unsafe(no_mangle)]
static interceptor_has_xsave: AtomicU64 = AtomicU64::new(0);
/// Whether there is AVX2, and the kernel lets it be used; and BMI1 and BMI2, as in all CPUs
/// with AVX2 that anybody knows of.
static HAS_AVX2: AtomicBool = AtomicBool::new(false);
/// Configuration and data of AMX tiles, which are part of a thread's state once it has used
/// them.
const TILES: [u32; 2] = [17, 18];
const ALL_TILES: u64 = 1 << TILES[0] | 1 << TILES[1];
/// Whether there are any.
static HAS_TILES: AtomicBool = AtomicBool::new(false);
/// Where each ends in an XSAVE area, 0 until somebody needs to know.
static TILE_ENDS: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];
/// Bytes that FXSAVE writes.
const LEGACY_SIZE: u64 = 512;
/// Bytes of the frames of all signals; a whole number of pages.
static ALL_FRAMES: AtomicU64 = AtomicU64::new(0);

const XCR0_AVX: u64 = 0b110;
const XCR0_AVX512: u64 = 0b1110_0110;
/// Of leaf 1, ecx.
const OSXSAVE: u32 = 1 << 27;
/// Of leaf 7, ebx: AVX2, BMI1, BMI2.
const AVX2: u32 = 1 << 5 | 1 << 3 | 1 << 8;
/// Of leaf 7, ebx. `kmovq` needs it, beyond the state that XCR0 tells of.
const AVX512BW: u32 = 1 << 30;

/// Chooses the routine. `use_xsave` asks for XSAVE where the CPU has it.
pub(crate) fn choose(use_xsave: bool) {
    let has_osxsave = leaf_1().ecx & OSXSAVE != 0;
    let xcr0 = if has_osxsave { read_xcr0() } else { 0 };
    let features = leaf_7().ebx;
    let has_avx = xcr0 & XCR0_AVX == XCR0_AVX;
    HAS_AVX2.store(has_avx && features & AVX2 == AVX2, Relaxed);
    HAS_TILES.store(xcr0 & ALL_TILES != 0, Relaxed);
    interceptor_has_xsave.store(u64::from(has_osxsave), Relaxed);
    let routine: unsafe extern "C" fn() = if use_xsave && has_osxsave {
        interceptor_measure_xsave();
        interceptor_save_xsave
    } else if xcr0 & XCR0_AVX512 == XCR0_AVX512 && features & AVX512BW != 0 {
        interceptor_save_avx512
    } else if has_avx {
        interceptor_save_avx
    } else {
        interceptor_save_sse_control
    };
    interceptor_save_all.store(routine as usize as u64, Relaxed);
    measure_frames(xcr0);
}

/// Finds out how large the frame of a signal can be.
fn measure_frames(xcr0: u64) {
    /// Those up to the keys of pages, whose area is the largest without tiles.
    const SMALL: u64 = 0x3ff;
    const SMALL_AREA: u64 = 2696;
    /// The red zone, what is lost by aligning, context and siginfo, the mark at the end of
    /// the area.
    const BESIDE: u64 = 704;
    /// All but SIGKILL and SIGSTOP, and as much again as one for a handler of ours.
    const SIGNALS: u64 = 62 + 1;
    let is_small = xcr0 & !SMALL == 0;
    let area = if is_small { SMALL_AREA } else { u64::from(__cpuid_count(0xd, 0).ebx) };
    ALL_FRAMES.store(page_up(SIGNALS * (area + BESIDE)), Relaxed);
}

/// Bytes that the frames of all signals need, one on another.
pub(crate) fn all_frames() -> u64 {
    ALL_FRAMES.load(Relaxed)
}

/// How text may be searched at start-up, when nobody's vector state is live.
pub(crate) fn search_width() -> Width {
    if HAS_AVX2.load(Relaxed) {
        // SAFETY: CPU and kernel were asked.
        unsafe { Width::of_avx2() }
    } else {
        Width::default()
    }
}

/// Finds out how much XSAVE writes. Called by the entry when it is about to, with
/// the program's vector state live.
#[unsafe(no_mangle)]
extern "C" fn interceptor_measure_xsave() {
    let has_xsave = interceptor_has_xsave.load(Relaxed) != 0;
    let size = if has_xsave { u64::from(__cpuid_count(0xd, 0).ebx) } else { LEGACY_SIZE };
    interceptor_xsave_size.store(size + 64, Relaxed);
}

unsafe extern "C" {
    /// Address of glibc's `__x86_get_cpuid_feature_leaf`, null without one
    /// (`asm/weak.S`).
    fn interceptor_libc_cpuid() -> Option<unsafe extern "C" fn(u32) -> *const CpuidResult>;
}

fn leaf_1() -> CpuidResult {
    libc_leaf(0).unwrap_or_else(|| __cpuid(1))
}

fn leaf_7() -> CpuidResult {
    libc_leaf(1).unwrap_or_else(|| __cpuid_count(7, 0))
}

/// What glibc's dynamic linker has found, by its own numbers of leaves. On a
/// virtual machine each `cpuid` leaves to the host, for up to ten microseconds.
fn libc_leaf(index: u32) -> Option<CpuidResult> {
    // SAFETY: the weak symbol, if there is one, is glibc's function, which returns
    // the address of a constant that begins with four registers: what `cpuid` gave
    // for an index that exists since glibc 2.33, when the function came.
    unsafe { interceptor_libc_cpuid()?(index).as_ref().copied() }
}

/// What the kernel keeps for each thread in a signal frame beyond FXSAVE: the features, and
/// the size of the area; without tiles. Without XSAVE `None`.
pub(crate) fn kept_state() -> Option<(u64, u32)> {
    /// The legacy region and the header.
    const SMALLEST: u32 = 576;
    if interceptor_has_xsave.load(Relaxed) == 0 {
        return None;
    }
    let features = read_xcr0() & !ALL_TILES;
    let ends = (2..64).filter(|feature| features & 1 << feature != 0).map(end_of);
    Some((features, ends.max().unwrap_or(0).max(SMALLEST)))
}

/// The same with the tiles that the calling thread has now. The kernel takes back what it
/// would keep: one who says that there are tiles in a thread that has never used any gets
/// nothing of AVX either.
pub(crate) fn with_tiles((features, size): (u64, u32)) -> (u64, u32) {
    let tiles = if HAS_TILES.load(Relaxed) { read_xinuse() & ALL_TILES } else { 0 };
    if tiles & !features == 0 {
        return (features, size);
    }
    let ends = TILES.iter().zip(&TILE_ENDS).filter(|(feature, _)| tiles & 1 << **feature != 0);
    let ends = ends.map(|(feature, end)| {
        if end.load(Relaxed) == 0 {
            end.store(end_of(*feature), Relaxed);
        }
        end.load(Relaxed)
    });
    (features | tiles, ends.fold(size, u32::max))
}

/// Where a feature's state ends in an XSAVE area.
fn end_of(feature: u32) -> u32 {
    let place = __cpuid_count(0xd, feature);
    place.ebx + place.eax
}

fn read_xcr0() -> u64 {
    xgetbv::<0>()
}

/// The features whose state is not that at the beginning. All processors with tiles have it.
fn read_xinuse() -> u64 {
    xgetbv::<1>()
}

fn xgetbv<const REGISTER: u32>() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: the caller checked OSXSAVE, so xgetbv exists and is enabled.
    unsafe {
        core::arch::asm!("xgetbv", in("ecx") REGISTER, out("eax") low, out("edx") high,
            options(nostack, nomem, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}
