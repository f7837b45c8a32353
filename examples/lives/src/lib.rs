//! Says on standard error what becomes of threads and processes.
#![no_std]

use core::fmt::Write as _;

use interceptor::{Decision, Hook, Line, Subscription, SyscallEntry, Thread};

struct Lives;

fn say(text: &str) {
    let mut line = Line::<64>::new();
    let _ = line.write_str(text);
    line.send(2);
}

impl Hook for Lives {
    const LIFECYCLE: bool = true;

    fn subscription(&self) -> Subscription {
        Subscription::None
    }

    fn enter(&self, _call: &mut SyscallEntry) -> Decision {
        Decision::Forward
    }

    fn child_born(&self, _child_tid: u32) {
        say("has a child\n");
    }

    fn process_start(&self, thread: &Thread, parent_tgid: u32) {
        let is_new = thread.number > 1 && thread.tid == thread.tgid && thread.tid != parent_tgid;
        say(if is_new { "process starts\n" } else { "process is confused\n" });
    }

    fn process_exec(&self, _thread: &Thread) {
        say("process executes\n");
    }

    fn process_exit(&self, _thread: &Thread, status: i32) {
        say(if status == 0 { "process ends\n" } else { "process fails\n" });
    }

    fn thread_start(&self, thread: &Thread, parent_tgid: u32) {
        let is_new = thread.number > 1 && thread.tid != thread.tgid && thread.tgid == parent_tgid;
        say(if is_new { "thread starts\n" } else { "thread is confused\n" });
    }

    fn thread_exit(&self, _thread: &Thread) {
        say("thread ends\n");
    }
}

interceptor::preload!(Lives = Lives);
