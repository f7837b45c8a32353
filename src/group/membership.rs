//! What a thread knows of its own place in the group.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use interceptor_abi::segment::Life;

use super::effects::{self, Concerned};
use super::reserve::{By, Init, Newborn, reserve};
use super::robust::{self, Head, Trust};
use super::slots::{self, Born, Member, Slot};
use super::{TGSTAT, segment};
use crate::hook::RemoteEffect;
use crate::{sys, tls};

/// libc registers a list for each thread as soon as it runs, as glibc does.
static LIBC_REGISTERS: AtomicBool = AtomicBool::new(false);

/// In `Membership::child_init`: somebody else has made it.
const UNKNOWN: u32 = u32::MAX;

/// One thread's membership. Zeroes are one who is not counted.
#[repr(C)]
pub(crate) struct Membership {
    member: Member,
    /// How the program's list may be accessed.
    trust: Trust,
    /// What the slot was before exec.
    before_exec: Option<Life>,
    /// The list that the program has registered, 0 without one.
    program_list: u64,
    /// Where the death word lies on that, or on `own_list`; 0 for nowhere.
    node: u64,
    own_list: Head,
    /// The namespace of the children that the thread makes, 0 for its own: unshare(2) and
    /// setns(2) change that of one thread (`create_new_namespaces`), and a vfork child has
    /// its own.
    child_namespace: u32,
    /// The number of the one with whose end that one ends: the first that the thread has
    /// made there. 0 before that.
    child_init: u32,
}

/// What a parent keeps of a child until the call has come out.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Expected {
    /// Its place; number 0 without one.
    member: Member,
    is_process: bool,
    /// Its ids are the same for its parent.
    is_visible: bool,
    /// Its parent's PID namespace.
    outside: u32,
}

impl Expected {
    /// The child's thread number; 0 when it is not counted.
    pub(crate) fn number(&self) -> u64 {
        self.member.number
    }

    /// One word that says where the child's place is.
    pub(crate) fn token(&self) -> u64 {
        self.member.token()
    }

    fn slot(&self) -> Option<Slot> {
        if self.number() == 0 { None } else { self.member.slot(segment()?) }
    }

    /// The call has come out, and this is the parent of thread `tid`.
    pub(crate) fn born(&self, tid: u32) {
        let Some(segment) = segment() else {
            return;
        };
        if self.number() == 0 {
            segment.header.population.lost_threads.fetch_add(1, Relaxed);
        } else if let Some(slot) = self.slot() {
            if !self.is_visible {
                slot.born_outside(tid, self.outside);
                return;
            }
            if self.is_process {
                slot.set_tgid(tid);
            }
            if slot.born(tid) == Born::Now && !self.is_process {
                count_local(slot, 1);
            }
        }
    }

    /// The call has failed.
    fn cancel(&self) {
        if let Some(slot) = self.slot() {
            slot.cancel();
        }
    }
}

/// Counts a thread of the process. A vfork child may make some of its own, whose ends its parent
/// would not see.
fn count_local(thread: Slot, change: i64) {
    if thread.tgid() == TGSTAT.tgid.load(Relaxed) {
        TGSTAT.count_local(change);
    }
}

impl Membership {
    /// The thread's number, from 1; 0 when it is not counted.
    pub(crate) fn number(&self) -> u64 {
        self.member.number
    }

    fn slot(&self) -> Option<Slot> {
        if self.member.number == 0 { None } else { self.member.slot(segment()?) }
    }

    /// Its PID namespace.
    pub(crate) fn namespace(&self) -> u32 {
        self.slot().map_or(0, |slot| slot.namespace())
    }

    /// Reserves a place for a child.
    pub(crate) fn expect(&mut self, is_process: bool, new_namespace: bool) -> Expected {
        let mut expected =
            Expected { member: Member::NONE, is_process, is_visible: true, outside: 0 };
        let (Some(segment), Some(own)) = (segment(), self.slot()) else {
            return expected;
        };
        let (namespace, init) = match (is_process, new_namespace, self.child_namespace) {
            (true, true, _) => (slots::new_namespace(segment), Init::Itself),
            (false, _, _) | (_, _, 0) => (own.namespace(), own.init()),
            (_, _, chosen) => (chosen, self.init_of_children()),
        };
        expected.outside = own.namespace();
        expected.is_visible = namespace == expected.outside;
        let newborn = Newborn {
            by: By::Parent(self.member),
            tgid: if is_process { 0 } else { own.tgid() },
            namespace,
            is_first: is_process,
            init,
        };
        expected.member = reserve(segment, &newborn).unwrap_or(Member::NONE);
        if matches!(init, Init::Itself) && !new_namespace {
            let number = expected.number() as u32;
            self.child_init = if number == 0 { UNKNOWN } else { number };
        }
        expected
    }

    /// The child that was expected is not born.
    pub(crate) fn cancel(&mut self, child: &Expected) {
        if child.number() != 0 && self.child_init == child.number() as u32 {
            self.child_init = 0;
        }
        child.cancel();
    }

    /// With whose end the namespace ends that children will be in.
    fn init_of_children(&self) -> Init {
        match self.child_init {
            0 => Init::Itself,
            UNKNOWN => Init::Unknown,
            number => Init::Number(number),
        }
    }

    /// The children of this thread will be in another PID namespace. `is_new` says that
    /// the first one makes it.
    pub(crate) fn children_leave_namespace(&mut self, is_new: bool) {
        if let Some(segment) = segment() {
            self.child_init = if is_new { 0 } else { UNKNOWN };
            self.child_namespace = slots::new_namespace(segment);
        }
    }

    /// The calling thread is the first of an image: of a process that nobody
    /// has counted yet, or of one that has executed a program; by the thread with the
    /// number, or the low half of it, `executed_by`, if that is not 0.
    pub(crate) fn begin_image(&mut self, tgid: u32, executed_by: u32) {
        let Some(segment) = segment() else {
            return;
        };
        if let Some(member) = slots::adopt_exec(segment, tgid, executed_by) {
            self.member = member;
            // The others of the process are gone.
            slots::sync(segment, self.namespace());
        } else {
            self.reserve_and_begin(tgid, tgid, 0, true);
        }
        self.watch();
    }

    /// The calling thread of a process is there, and nobody has expected it.
    pub(crate) fn begin_unexpected(&mut self, tgid: u32, tid: u32, namespace: u32) {
        if self.reserve_and_begin(tgid, tid, namespace, false) == Born::Now {
            TGSTAT.count_local(1);
            self.watch();
        }
    }

    fn reserve_and_begin(&mut self, tgid: u32, tid: u32, namespace: u32, is_first: bool) -> Born {
        let Some(segment) = segment() else {
            return Born::TooLate;
        };
        let init = Init::Unknown;
        let newborn = Newborn { by: By::Itself(tid), tgid, namespace, is_first, init };
        match reserve(segment, &newborn) {
            Some(member) => self.begin(member, tid),
            None => {
                segment.header.population.lost_threads.fetch_add(1, Relaxed);
                Born::TooLate
            }
        }
    }

    /// The calling thread is a child process that its parent has expected.
    pub(crate) fn begin_expected(&mut self, child: &Expected, tid: u32) {
        self.forget();
        if let Some(slot) = child.slot() {
            slot.set_tgid(tid);
            self.begin(child.member, tid);
            self.watch_alone();
        }
    }

    /// The calling thread is a forked child with its parent's membership. Takes
    /// the parent's death word off the child's copy of the parent's list: libc
    /// may go on with it.
    pub(crate) fn leave_to_parent(&mut self) {
        if self.node != 0 && self.program_list != 0 {
            robust::unsplice(self.program_list, self.node, self.trust);
        }
        self.forget();
    }

    /// The calling thread is one that its parent has told `token`.
    pub(crate) fn begin_told(&mut self, token: u64, tid: u32) {
        let Some(member) = segment().and_then(|segment| Member::of_token(token, segment)) else {
            return;
        };
        if self.begin(member, tid) == Born::Now
            && let Some(slot) = self.slot()
        {
            count_local(slot, 1);
        }
        if !LIBC_REGISTERS.load(Relaxed) {
            self.watch_alone();
        }
    }

    fn begin(&mut self, member: Member, tid: u32) -> Born {
        self.member = member;
        let born = self.slot().map_or(Born::TooLate, |slot| slot.born(tid));
        if born == Born::TooLate {
            // Nobody thought that it would still come.
            self.member = Member::NONE;
        }
        born
    }

    /// Nothing of what was is true any more.
    fn forget(&mut self) {
        self.member = Member::NONE;
        self.program_list = 0;
        self.node = 0;
        (self.child_namespace, self.child_init) = (0, 0);
    }

    /// Puts the death word on a list: the one that the kernel knows, or ours.
    fn watch(&mut self) {
        match robust::registered_list() {
            0 => self.watch_alone(),
            list => {
                LIBC_REGISTERS.store(true, Relaxed);
                // libc's is in its descriptor of the thread, where the thread pointer
                // leads to: a forked child need not ask the kernel for what it holds.
                let is_libcs = list.wrapping_sub(tls::thread_pointer()) < sys::PAGE;
                self.put_on(list, if is_libcs { Trust::Libc } else { Trust::None });
            }
        }
    }

    /// Puts the death word of a thread that registers no list on one of ours.
    pub(crate) fn watch_unwatched(&mut self) {
        if self.number() != 0 && self.node == 0 {
            self.watch_alone();
        }
    }

    /// Puts the death word on a list of our own; the kernel knows none yet.
    fn watch_alone(&mut self) {
        self.program_list = 0;
        let slot = self.slot();
        self.node = slot.and_then(|slot| robust::own_list(&mut self.own_list, slot)).unwrap_or(0);
    }

    /// The program is about to register another list for the calling thread.
    pub(crate) fn list_changes(&self) {
        if let Some(slot) = self.slot() {
            slot.watch(false);
        }
    }

    /// It could not.
    pub(crate) fn list_stays(&self) {
        if let Some(slot) = self.slot().filter(|_| self.node != 0) {
            slot.watch(true);
        }
    }

    /// The program has registered a list for the calling thread; 0 for none.
    pub(crate) fn list_registered(&mut self, head: u64, is_libc: bool) {
        robust::clear(&mut self.own_list);
        match (head, is_libc) {
            (0, _) => self.watch_alone(),
            (_, true) => self.put_on(head, Trust::Libc),
            (_, false) => self.put_on(head, Trust::None),
        }
    }

    fn put_on(&mut self, head: u64, trust: Trust) {
        self.program_list = head;
        self.trust = trust;
        let node = self.slot().and_then(|slot| robust::splice(head, slot, trust));
        self.node = node.unwrap_or(0);
    }

    /// The list that the program believes to be registered, if it is not the
    /// one that the kernel knows.
    pub(crate) fn is_on_own_list(&self) -> bool {
        self.node != 0 && self.program_list == 0
    }

    /// The calling thread is about to end.
    pub(crate) fn end(&mut self) {
        if let Some(slot) = self.slot() {
            count_local(slot, -1);
            if self.node != 0 {
                // From here on the kernel marks nothing, should it be killed before it is counted.
                slot.watch(false);
                if self.program_list == 0 {
                    robust::clear(&mut self.own_list);
                } else {
                    robust::unsplice(self.program_list, self.node, self.trust);
                }
            }
            slot.bury();
        }
        self.forget();
    }

    /// Whether there may be an effect on the calling thread.
    pub(crate) fn has_mail(&self) -> bool {
        self.slot().is_some_and(|slot| slot.mail().load(Relaxed) != 0)
    }

    /// The next effect on the calling thread, or on its process.
    pub(crate) fn take_effect(&self) -> Option<RemoteEffect> {
        let slot = self.slot()?;
        slot.mail().store(0, Relaxed);
        effects::take(segment()?, slot, false)
    }

    /// The next effect on the process, for its monitor: the calling thread.
    pub(crate) fn take_monitors_effect(&self) -> Option<RemoteEffect> {
        let slot = self.slot()?;
        slot.monitor_flag().store(1, Relaxed);
        effects::take(segment()?, slot, true)
    }

    /// Tells another member what the calling thread did to it.
    pub(crate) fn send(&self, concerned: Concerned, effect: &RemoteEffect) {
        if let Some((segment, own)) = segment().zip(self.slot()) {
            effects::send(segment, own, concerned, effect);
        }
    }

    /// The calling thread is about to execute a program.
    pub(crate) fn enter_exec(&mut self) {
        // One that has failed may not have come out yet, when a handler of a signal tries again.
        if let Some(was) = self.slot().and_then(|slot| slot.enter_exec()) {
            self.before_exec = Some(was);
        }
    }

    /// It could not.
    pub(crate) fn leave_exec(&mut self) {
        if let (Some(slot), Some(was)) = (self.slot(), self.before_exec.take()) {
            slot.leave_exec(was);
        }
    }
}
