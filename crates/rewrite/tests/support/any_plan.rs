//! What must hold of any plan, whatever it was made of. The tests here ask it, and
//! `tests/fuzz` does.

use interceptor_rewrite::{
    CodeMap, Data, Ladder, SitePlan, Text, Verdict, candidates, plan, relocate,
};

/// One range of data at its address.
pub struct OneRange<'d>(pub u64, pub &'d [u8]);

impl Data for OneRange<'_> {
    fn bytes_from(&self, address: u64) -> Option<&[u8]> {
        self.1.get(usize::try_from(address.checked_sub(self.0)?).ok()?..)
    }
}

/// Plans, and checks that plans are in order, one for each candidate, and that what they
/// write and move lies in the text; and that they are the same when they were kept. Returns how many there are.
pub fn check(text: &Text<'_>, code: &CodeMap<'_>, data: &OneRange<'_>) -> usize {
    let in_text = |address: u64| usize::try_from(address.wrapping_sub(text.base));
    let mut planned = 0;
    let mut last = None;
    plan(text, code, Some(data), Ladder::Full, &mut |site| {
        assert!(last < Some(site.address), "plans are in order");
        last = Some(site.address);
        planned += 1;
        if let Some(end) = text.base.checked_add(text.bytes.len() as u64) {
            let word = site.pack(text.base).expect("a text that a plan is kept of");
            let kept = SitePlan::unpack(word, &(text.base..end));
            assert_eq!(kept, Some(site), "it is what was kept");
        }
        let Verdict::Jump(patch) = site.verdict else {
            return;
        };
        let range = patch.touches();
        let bounds = [in_text(range.start), in_text(range.end)];
        let is_inside = bounds.iter().all(|at| at.is_ok_and(|at| at <= text.bytes.len()));
        assert!(is_inside && range.start < range.end, "{patch:x?} leaves the text");
        for part in [patch.head(), patch.tail()] {
            let [from, to] = [part.start, part.end].map(|at| in_text(at).expect("in the text"));
            let to_stub = part.start.wrapping_add(4096);
            let _ = relocate(&text.bytes[from..to], part.start, to_stub, &mut [0; 256]);
        }
        let writes = patch.writes(patch.site().wrapping_add(1 << 20)).expect("in reach");
        assert!(writes.count() >= 1);
    });
    let all = candidates(text.bytes, text.width).count();
    assert_eq!(planned, all, "each candidate has one plan");
    planned
}
