//! Plans that wait for the search of the text.
//!
//! The search is worth its time only if there are windows to search for, and
//! then once for many. So plans wait here, in address order, with the windows
//! that they could take.

use crate::code_map::CodeMap;
use crate::inbound::{self, Filter};
use crate::list::List;
use crate::patch::Patch;
use crate::plan::{SitePlan, Text, Verdict};
use crate::proof::Witness;
use crate::scan::SiteKind;
use crate::window::{Choices, Entries, Window};

/// Plans that wait at most: all of a C library, so that its text is searched
/// once.
const CAPACITY: usize = 640;

/// A plan, and what may still better it.
#[derive(Clone, Copy)]
struct Waiting {
    /// What holds if no window can be taken.
    plan: SitePlan,
    choices: Choices,
    /// What is known to lead to addresses around the site.
    entries: Entries,
}

/// Plans in address order.
pub(crate) struct Queue {
    waiting: List<Waiting, CAPACITY>,
    /// Whether one has choices.
    has_choices: bool,
    /// Where the last window ends that was taken.
    taken: u64,
}

impl Queue {
    pub(crate) fn new() -> Self {
        let plan = SitePlan { address: 0, kind: SiteKind::Syscall, verdict: Verdict::NotCode };
        let choices = Choices::default();
        let waiting = Waiting { plan, choices, entries: Entries::default() };
        Self { waiting: List::new(waiting), has_choices: false, taken: 0 }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.is_full()
    }

    /// Adds a plan that is complete.
    pub(crate) fn push(&mut self, plan: SitePlan) {
        self.push_with_choices(plan, Choices::default(), Entries::default());
    }

    /// Adds a plan that becomes a window if nothing but `entries` leads there.
    pub(crate) fn push_with_choices(&mut self, plan: SitePlan, choices: Choices, entries: Entries) {
        self.has_choices |= choices.iter().any(|window| window.exists());
        self.waiting.push(Waiting { plan, choices, entries });
    }

    /// Decides what is open and hands everything over.
    pub(crate) fn flush(
        &mut self,
        text: &Text<'_>,
        code: &CodeMap<'_>,
        witness: &mut Witness<'_>,
        sink: &mut dyn FnMut(SitePlan),
    ) {
        if self.has_choices {
            self.search(text, code, witness);
        }
        let waiting = self.waiting.as_slice();
        for (index, this) in waiting.iter().enumerate() {
            let mut plan = this.plan;
            if let Some(window) = this.choose(self.taken, waiting.get(index + 1)) {
                let patch = Patch::window_of(plan.address, window);
                self.taken = patch.window().end;
                plan.verdict = Verdict::Jump(patch);
            }
            sink(plan);
        }
        self.waiting.clear();
        self.has_choices = false;
    }

    /// Notes everything in the text, and every symbol, that leads near a site
    /// with choices.
    fn search(&mut self, text: &Text<'_>, code: &CodeMap<'_>, witness: &mut Witness<'_>) {
        let mut filter = Filter::new();
        for waiting in self.waiting.as_slice().iter().filter(|waiting| waiting.has_choices()) {
            filter.add(waiting.plan.address);
        }
        inbound::search(text, &filter, |source, target| {
            self.note(target, || !witness.is_no_jump(source));
        });
        code.for_each_symbol(|start| {
            if filter.passes(start) {
                self.note(start, || true);
            }
        });
    }

    /// Notes that something leads to an address, if it does where it matters.
    fn note(&mut self, target: u64, mut does: impl FnMut() -> bool) {
        let waiting = self.waiting.as_mut_slice();
        let first = target.saturating_sub(Entries::REACH);
        let next = waiting.partition_point(|waiting| waiting.plan.address < first);
        for waiting in waiting.iter_mut().skip(next) {
            if waiting.plan.address > target + Entries::REACH {
                break;
            }
            let site = waiting.plan.address;
            if waiting.entries.matter(site, target, &waiting.choices) && does() {
                waiting.entries.note(site, target);
            }
        }
    }
}

impl Waiting {
    fn has_choices(&self) -> bool {
        self.choices.iter().any(|window| window.exists())
    }

    /// The best window that leaves one to the next site, if it has any.
    fn choose(&self, taken: u64, next: Option<&Waiting>) -> Option<Window> {
        let spares_next = |window: &Window| {
            let end = window.range(self.plan.address).end;
            next.is_none_or(|next| {
                next.free(end).next().is_some() || next.free(taken).next().is_none()
            })
        };
        self.free(taken).find(spares_next).or_else(|| self.free(taken).next())
    }

    /// The windows that nothing leads into, behind what is taken.
    fn free(&self, taken: u64) -> impl Iterator<Item = Window> {
        let site = self.plan.address;
        self.choices.iter().copied().filter(move |window| {
            window.exists()
                && window.range(site).start >= taken
                && self.entries.spare(site, *window)
        })
    }
}
