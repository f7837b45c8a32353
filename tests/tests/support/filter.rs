//! A seccomp filter that a program finds in place when it starts.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// What happens to a call that the filter means.
#[derive(Clone, Copy)]
pub enum Action {
    /// It fails.
    Errno(libc::c_int),
    /// It ends the process by SIGSYS.
    Kill,
}

/// One call that is refused; all others are allowed.
#[derive(Clone)]
pub struct Filter {
    nr: libc::c_long,
    action: Action,
    /// Only with this bit in this argument.
    bit: Option<(u32, u32)>,
}

impl Filter {
    /// Refuses a call.
    pub fn new(nr: libc::c_long, action: Action) -> Filter {
        Filter { nr, action, bit: None }
    }

    /// Refuses it only if an argument has a bit.
    pub fn if_bit(mut self, argument: u32, bit: u32) -> Filter {
        self.bit = Some((argument, bit));
        self
    }

    /// Has the filter in place when the command's program starts. Its exec must not be
    /// among what is refused.
    pub fn on(&self, command: &mut Command) {
        let program = self.program();
        // SAFETY: two system calls, which is what may be done between fork and
        // exec.
        unsafe { command.pre_exec(move || install(&program)) };
    }

    fn program(&self) -> Vec<libc::sock_filter> {
        /// `struct seccomp_data`, linux/seccomp.h.
        const NR: u32 = 0;
        const ARGUMENTS: u32 = 16;
        let statement = |code: u32, k| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
        let jump = |code: u32, k, jt, jf| libc::sock_filter { code: code as u16, jt, jf, k };
        let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
        let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        let set = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
        let give = libc::BPF_RET | libc::BPF_K;
        let refuse = match self.action {
            Action::Errno(errno) => libc::SECCOMP_RET_ERRNO | errno.cast_unsigned(),
            Action::Kill => libc::SECCOMP_RET_KILL_PROCESS,
        };
        let mut program = vec![statement(load, NR)];
        match self.bit {
            None => program.push(jump(equal, self.nr as u32, 0, 1)),
            Some((argument, bit)) => {
                program.push(jump(equal, self.nr as u32, 0, 3));
                program.push(statement(load, ARGUMENTS + 8 * argument));
                program.push(jump(set, bit, 0, 1));
            }
        }
        program.extend([statement(give, refuse), statement(give, libc::SECCOMP_RET_ALLOW)]);
        program
    }
}

fn install(program: &[libc::sock_filter]) -> io::Result<()> {
    let list = libc::sock_fprog {
        len: program.len() as libc::c_ushort,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel copies the program.
    let result = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const list) != 0
    };
    if result { Err(io::Error::last_os_error()) } else { Ok(()) }
}
