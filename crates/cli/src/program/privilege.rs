//! Whether executing a file changes its privileges, credentials(7).
//!
//! Then the kernel sets AT_SECURE and the dynamic linker ignores preloads. A
//! set-user-ID bit that changes nothing (root runs a program of root) does not.

use std::ffi::CString;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{Gid, Uid};

/// What would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gain {
    /// Set-user-ID to this user.
    User(u32),
    /// Set-group-ID to this group.
    Group(u32),
    /// File capabilities, capabilities(7).
    Capabilities,
}

/// What executing `file` would gain us.
pub fn gained_by(file: &Path) -> Option<Gain> {
    let is_ignored = nix::sys::prctl::get_no_new_privs().unwrap_or(false)
        || statvfs(file).is_ok_and(|fs| fs.flags().contains(FsFlags::ST_NOSUID));
    if is_ignored {
        return None;
    }
    let metadata = fs::metadata(file).ok()?;
    let mode = metadata.mode();
    // Without the group's execute bit it means mandatory locking.
    let set_gid = libc::S_ISGID | libc::S_IXGRP;
    if mode & libc::S_ISUID != 0 && metadata.uid() != Uid::current().as_raw() {
        Some(Gain::User(metadata.uid()))
    } else if mode & set_gid == set_gid && metadata.gid() != Gid::current().as_raw() {
        Some(Gain::Group(metadata.gid()))
    } else if !Uid::current().is_root() && has_capabilities(file) {
        Some(Gain::Capabilities)
    } else {
        None
    }
}

fn has_capabilities(file: &Path) -> bool {
    let Ok(path) = CString::new(file.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: both strings are NUL-terminated; with size 0 nothing is written.
    let size = unsafe {
        libc::getxattr(path.as_ptr(), c"security.capability".as_ptr(), std::ptr::null_mut(), 0)
    };
    size > 0
}

impl fmt::Display for Gain {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Gain::User(id) => write!(f, "changes to user {} when started", user_name(*id)),
            Gain::Group(id) => write!(f, "changes to group {id} when started"),
            Gain::Capabilities => write!(f, "gains capabilities when started"),
        }
    }
}

fn user_name(id: u32) -> String {
    match nix::unistd::User::from_uid(Uid::from_raw(id)) {
        Ok(Some(user)) => user.name,
        _ => id.to_string(),
    }
}
