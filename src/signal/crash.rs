//! The report of a signal that ends the process, one after another a line each:
//! what and where, from whom, registers, callers.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::context::{SigInfo, UContext};
use crate::backtrace::{self, Place, Registers};
use crate::diagnostics::{Lossy, say};
use crate::sys::{self, Maps};

/// Of several threads that end the process at once, one reports.
static IS_REPORTED: AtomicBool = AtomicBool::new(false);

const SI_USER: i32 = 0;
const SI_QUEUE: i32 = -1;
const SI_TKILL: i32 = -6;

/// Registers, four in a line.
const NAMES: [[[u8; 3]; 4]; 4] = [
    [*b"rax", *b"rbx", *b"rcx", *b"rdx"],
    [*b"rsi", *b"rdi", *b"rbp", *b"rsp"],
    [*b"r8 ", *b"r9 ", *b"r10", *b"r11"],
    [*b"r12", *b"r13", *b"r14", *b"r15"],
];

/// Writes it to standard error.
pub(super) fn report(info: &SigInfo, context: &UContext) {
    if IS_REPORTED.swap(true, Relaxed) {
        return;
    }
    let number = info.signal;
    let name = interceptor_calls::signal_name(number as u64).unwrap_or("RT");
    let (pid, tid, code) = (sys::getpid(), sys::gettid(), info.code);
    match code {
        SI_USER | SI_QUEUE | SI_TKILL => say(format_args!(
            "crash: SIG{name} ({number}), code {code}, from process {} of user {}, ends \
             process {pid}, thread {tid}",
            info.address as u32,
            (info.address >> 32) as u32,
        )),
        _ => say(format_args!(
            "crash: SIG{name} ({number}), code {code}, address {:#x}, ends process {pid}, \
             thread {tid}",
            info.address,
        )),
    }
    let UContext { rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, .. } = *context;
    let UContext { r8, r9, r10, r11, r12, r13, r14, r15, rip, eflags, .. } = *context;
    let named = [rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15];
    NAMES.iter().zip(named.as_chunks().0).for_each(tell_registers);
    say(format_args!("crash: rip {rip:016x} flags {eflags:x}"));
    if sys::is_confined() {
        return;
    }
    let Ok(maps) = Maps::read() else {
        say(format_args!("crash: no backtrace, /proc/self/maps cannot be read"));
        return;
    };
    let registers = Registers([
        rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15, rip,
    ]);
    let mut number = 0;
    backtrace::walk(&maps, registers, |place| {
        tell(number, place);
        number += 1;
    });
    maps.release();
}

#[inline(never)]
fn tell_registers((names, row): (&[[u8; 3]; 4], &[u64; 4])) {
    let ([a, b, c, d], [first, second, third, fourth]) = (names, row);
    say(format_args!(
        "crash: {} {first:016x} {} {second:016x} {} {third:016x} {} {fourth:016x}",
        Lossy(a),
        Lossy(b),
        Lossy(c),
        Lossy(d),
    ));
}

fn tell(number: usize, place: &Place<'_>) {
    let address = place.address;
    match (&place.object, &place.symbol) {
        (Some((object, offset)), Some((symbol, distance))) => say(format_args!(
            "crash: #{number} {address:016x} {}+{distance:#x} ({}+{offset:#x})",
            Lossy(symbol),
            Lossy(object),
        )),
        (Some((object, offset)), None) => {
            say(format_args!("crash: #{number} {address:016x} ({}+{offset:#x})", Lossy(object)));
        }
        (None, _) => say(format_args!("crash: #{number} {address:016x} in no object")),
    }
}
