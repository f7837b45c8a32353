//! set_robust_list and get_robust_list: the calling thread's death word lies on
//! the program's list, or on one of ours that the program does not see.

use syscalls::Errno;

use super::Step;
use crate::frame::SyscallFrame;
use crate::group::HEAD_LEN;
use crate::patch;
use crate::sys;
use crate::thread::ThreadBlock;

/// get_robust_list on its way in.
pub(super) fn get(block: &mut ThreadBlock, args: &[u64; 6]) -> Step {
    let [tid, head, len, ..] = *args;
    let is_own = tid as u32 == 0 || tid as u32 == block.tid;
    if !is_own || !block.membership().is_on_own_list() {
        return Step::Forward;
    }
    // As the kernel: first the length.
    for (address, word) in [(len, HEAD_LEN), (head, 0)] {
        if sys::write_guest(address, &[word]) < 8 {
            return Step::Answer(-i64::from(Errno::EFAULT.into_raw()));
        }
    }
    Step::Answer(0)
}

/// set_robust_list on its way in. Its thread may be killed before it comes out.
pub(super) fn set(block: &mut ThreadBlock) -> Step {
    block.membership().list_changes();
    Step::ForwardAndExit
}

/// set_robust_list came out.
pub(super) fn was_set(block: &mut ThreadBlock, frame: &SyscallFrame, args: &[u64; 6], result: i64) {
    if result == 0 {
        let is_libc = patch::is_in_libc(frame.address_after_site());
        block.membership().list_registered(args[0], is_libc);
    } else {
        block.membership().list_stays();
    }
}
