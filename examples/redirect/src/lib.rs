//! What a program looks for below /etc it finds below /tmp/etc, if that is there.
#![no_std]

use core::ffi::CStr;

use interceptor::syscalls::syscall;
use interceptor::{Decision, GuestStr, Hook, Subscription, SyscallEntry, Sysno};

struct Redirect;

const FROM: &[u8] = b"/etc/";
const TO: &[u8] = b"/tmp";
const LONGEST: usize = 4096;

/// The path to look at instead, if something is there.
fn redirected(path: GuestStr, buffer: &mut [u8; LONGEST]) -> Option<&CStr> {
    let (to, rest) = buffer.split_at_mut(TO.len());
    to.copy_from_slice(TO);
    if !path.read(rest).ok()?.starts_with(FROM) {
        return None;
    }
    let path = CStr::from_bytes_until_nul(buffer).ok()?;
    const F_OK: usize = 0;
    // SAFETY: the kernel reads a string.
    unsafe { syscall!(Sysno::access, path.as_ptr(), F_OK) }.ok().map(|_| path)
}

impl Hook for Redirect {
    fn subscription(&self) -> Subscription {
        Subscription::Calls(&[Sysno::openat, Sysno::newfstatat, Sysno::statx])
    }

    fn enter(&self, call: &mut SyscallEntry) -> Decision {
        let Some(sysno) = call.sysno() else {
            return Decision::Forward;
        };
        // All of them have the path as their second argument.
        let [directory, path, third, fourth, fifth, _] = *call.args();
        let mut buffer = [0; LONGEST];
        let Some(path) = redirected(GuestStr::new(path), &mut buffer) else {
            return Decision::Forward;
        };
        // The call is made here, while the buffer is there. SAFETY: the program's, but
        // for the path, which is a string.
        unsafe { syscall!(sysno, directory, path.as_ptr(), third, fourth, fifth) }.into()
    }
}

interceptor::preload!(Redirect = Redirect);
