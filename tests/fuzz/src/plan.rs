//! Text, and what is known of it.

use interceptor_rewrite::{CodeMap, Text, Width, eh_frame_address, find_go_table, is_go_note};

use crate::Input;
use any_plan::OneRange;

#[path = "../../../crates/rewrite/tests/support/any_plan.rs"]
mod any_plan;

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
    any_plan::check(&text, &code, &OneRange(DATA, data));
}
