//! What numbers are called, and how a call is written as a line.

use core::ffi::{CStr, c_char, c_int, c_long};
use core::ptr::null;

use interceptor_calls as calls;
use syscalls::Errno;

use super::chain::CCall;
use super::errno::returned;
use crate::hook::Guest;
use crate::line::Line;

fn pointer(name: Option<&'static CStr>) -> *const c_char {
    name.map_or(null(), CStr::as_ptr)
}

/// The name of a call; null when no call has the number.
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_syscall_name(nr: c_long) -> *const c_char {
    pointer(calls::lookup(nr as u64).map(calls::Call::c_name))
}

/// The number of a call; -1 when none has the name.
///
/// # Safety
///
/// `name` is a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn interceptor_syscall_number(name: *const c_char) -> c_long {
    // SAFETY: the caller's.
    let name = unsafe { CStr::from_ptr(name) }.to_str();
    let call = name.ok().and_then(calls::by_name);
    call.map_or(-1, |call| c_long::from(call.nr))
}

/// Whether a call is in a list, as `interceptor trace -e` reads it: 1 or 0; -1 when the
/// list makes no sense.
///
/// # Safety
///
/// `list` is a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn interceptor_syscall_is_in(nr: c_long, list: *const c_char) -> c_int {
    // SAFETY: the caller's.
    let list = unsafe { CStr::from_ptr(list) }.to_str().map_err(|_| Errno::EINVAL);
    let set = list.and_then(|list| calls::parse_filter(list).map_err(|_| Errno::EINVAL));
    returned(set.map(|set| usize::from(set.contains(nr as u64)))) as c_int
}

/// The name of an error, such as `ENOENT`; null when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_errno_name(error: c_int) -> *const c_char {
    pointer(error_of(error).map(|(name, _)| name))
}

/// What an error means, as strerror(3) says it in English; null when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_errno_description(error: c_int) -> *const c_char {
    pointer(error_of(error).map(|(_, description)| description))
}

fn error_of(error: c_int) -> Option<(&'static CStr, &'static CStr)> {
    calls::c_error(u64::try_from(error).ok()?)
}

/// The number of an error by its name; -1 when none has it.
///
/// # Safety
///
/// `name` is a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn interceptor_errno_number(name: *const c_char) -> c_int {
    // SAFETY: the caller's.
    let name = unsafe { CStr::from_ptr(name) }.to_str();
    let number = name.ok().and_then(calls::error_number);
    number.map_or(-1, |number| number as c_int)
}

/// The name of a signal, such as `SIGINT`; null when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn interceptor_signal_name(signal: c_int) -> *const c_char {
    pointer(u64::try_from(signal).ok().and_then(calls::c_signal_name))
}

/// Writes a call that came out as a line, cut to fit, with a NUL and without a newline.
/// Returns its length.
///
/// # Safety
///
/// `call` is one, `line` memory for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn interceptor_format_call(
    call: *const CCall,
    line: *mut c_char,
    size: usize,
) -> usize {
    const LONGEST: usize = 1024;
    let Some(room) = size.checked_sub(1) else {
        return 0;
    };
    // SAFETY: the caller's.
    let call = unsafe { &*call };
    let args = call.args.map(|arg| arg as u64);
    let outcome = calls::Outcome::Returned(call.result);
    let options = calls::Options { line_limit: room.min(LONGEST), ..Default::default() };
    let mut text = Line::<LONGEST>::new();
    let _ = calls::format_call(&mut text, call.nr as u64, &args, outcome, &Guest, &options);
    let len = text.bytes().len().min(room);
    // SAFETY: the caller's.
    unsafe {
        line.cast::<u8>().copy_from_nonoverlapping(text.bytes().as_ptr(), len);
        line.add(len).write(0);
    }
    len
}
