//! Text, and what is known of it.

use interceptor_rewrite::{
    CodeMap, Data, Ladder, Text, Verdict, Width, candidates, eh_frame_address, find_go_table,
    is_go_note, plan, relocate,
};

use crate::Input;

struct OneRange<'d>(u64, &'d [u8]);

impl Data for OneRange<'_> {
    fn bytes_from(&self, address: u64) -> Option<&[u8]> {
        self.1.get(usize::try_from(address.checked_sub(self.0)?).ok()?..)
    }
}

/// Where the parts of an object are.
const TEXT: u64 = 0x1_0000;
const HEADER: u64 = 0x40_0000;
const FRAMES: u64 = 0x50_0000;
const DATA: u64 = 0x60_0000;

/// Plans, and checks what must hold of any plan.
pub(crate) fn run(input: &[u8]) {
    let mut input = Input(input);
    let [header, frames, symbols, data] = [(); 4].map(|()| input.piece());
    let bytes = input.0;
    let text = Text { base: TEXT, bytes, width: Width::default() };
    let _ = eh_frame_address(HEADER, header);
    let _ = is_go_note(data);
    let code = CodeMap::new((HEADER, header), (FRAMES, frames)).unwrap_or_default();
    let code = code.with_symbols(symbols, 0);
    let code = match find_go_table(data).and_then(|at| data.get(at..)) {
        Some(table) => code.with_go(table),
        None => code,
    };
    let mut planned = 0;
    let mut last = None;
    plan(&text, &code, Some(&OneRange(DATA, data)), Ladder::Full, &mut |site| {
        assert!(last < Some(site.address), "plans are in order");
        last = Some(site.address);
        planned += 1;
        let Verdict::Jump(patch) = site.verdict else {
            return;
        };
        let range = patch.touches();
        let end = TEXT + bytes.len() as u64;
        assert!(range.start >= TEXT && range.end <= end, "{patch:x?} leaves the text");
        for part in [patch.head(), patch.tail()] {
            let moved = &bytes[(part.start - TEXT) as usize..(part.end - TEXT) as usize];
            let _ = relocate(moved, part.start, part.start + 4096, &mut [0; 256]);
        }
        let writes = patch.writes(patch.site() + (1 << 20)).expect("in reach");
        assert!(writes.count() >= 1);
    });
    assert_eq!(planned, candidates(bytes, Width::default()).count(), "one plan for each");
}
