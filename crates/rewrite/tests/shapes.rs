//! One test for each shape of code around a site: what becomes of it, and why.
//!
//! Code is given as bytes, with the assembly beside it. Functions have symbols
//! or unwind entries; an address is that of the first byte.

use interceptor_rewrite::{
    CodeMap, Data, Ladder, Patch, Reason, Rung, SiteKind, Text, Verdict, Width, eh_frame_address,
    plan, relocate,
};

const BASE: u64 = 0x40_0000;

/// A text in the making.
#[derive(Default)]
struct Program {
    text: Vec<u8>,
    symbols: Vec<u8>,
    /// Starts and ends of functions with unwind entries.
    frames: Vec<(u64, u64)>,
    /// The first unwind instructions of all functions.
    instructions: [u8; 3],
    /// An address, and the bytes there.
    data: Option<(u64, Vec<u8>)>,
    /// The dynamic linker has yet to write to them.
    is_unwritten: bool,
}

struct OneRange<'d>(u64, &'d [u8], bool);

impl Data for OneRange<'_> {
    fn bytes_from(&self, address: u64) -> Option<&[u8]> {
        let at = usize::try_from(address.checked_sub(self.0)?).ok()?;
        let bytes = self.1.get(at..).filter(|bytes| !bytes.is_empty())?;
        Some(if self.2 { &[] } else { bytes })
    }
}

impl Program {
    fn here(&self) -> u64 {
        BASE + self.text.len() as u64
    }

    /// Adds bytes that belong to no function.
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.text.extend_from_slice(bytes);
        self
    }

    /// Adds a function with an unwind entry.
    fn function(mut self, code: &[&[u8]]) -> Self {
        let start = self.here();
        self.text.extend(code.concat());
        self.frames.push((start, self.here()));
        self
    }

    /// Adds a symbol of a function here, which is `size` bytes long.
    fn symbol(self, size: u64) -> Self {
        self.symbol_of_kind(2, size)
    }

    fn symbol_of_kind(mut self, kind: u8, size: u64) -> Self {
        let mut entry = [0; 24];
        entry[4] = 0x10 | kind;
        entry[6] = 1;
        entry[8..16].copy_from_slice(&self.here().to_le_bytes());
        entry[16..].copy_from_slice(&size.to_le_bytes());
        self.symbols.extend(entry);
        self
    }

    fn plan_with(&self, ladder: Ladder) -> Vec<(u64, SiteKind, Verdict)> {
        let text = Text { base: BASE, bytes: &self.text, width: Width::default() };
        let (header, frames) = self.unwind();
        let address = eh_frame_address(header.0, &header.1).expect("a header");
        assert_eq!(address, frames.0);
        let code = CodeMap::new((header.0, &header.1), (frames.0, &frames.1)).expect("a map");
        let code = code.with_symbols(&self.symbols, 0);
        let data = self.data.as_ref();
        let data = data.map(|(address, bytes)| OneRange(*address, bytes, self.is_unwritten));
        let mut plans = Vec::new();
        plan(&text, &code, data.as_ref().map(|data| data as &dyn Data), ladder, &mut |site| {
            plans.push((site.address - BASE, site.kind, site.verdict));
        });
        plans
    }

    fn verdicts(&self) -> Vec<Verdict> {
        self.plan_with(Ladder::Full).into_iter().map(|(_, _, verdict)| verdict).collect()
    }

    /// The patch of the only site.
    fn patch(&self) -> Patch {
        self.patch_with(Ladder::Full)
    }

    fn patch_with(&self, ladder: Ladder) -> Patch {
        match *self.plan_with(ladder) {
            [(_, _, Verdict::Jump(patch))] => patch,
            ref other => panic!("{other:x?}"),
        }
    }

    /// `.eh_frame_hdr` and `.eh_frame` far behind the text.
    fn unwind(&self) -> ((u64, Vec<u8>), (u64, Vec<u8>)) {
        let frames_at = BASE + 0x10_0000;
        let header_at = frames_at + 0x1_0000;
        // Length, id, version, "zR", alignments 1 and -8, return register 16,
        // length 1, DW_EH_PE_pcrel | DW_EH_PE_sdata4, padding.
        let mut frames = vec![16, 0, 0, 0, 0, 0, 0, 0, 1, b'z', b'R', 0, 1, 0x78, 16, 1, 0x1b];
        frames.extend([0; 3]);
        let mut table = Vec::new();
        let mut sorted = self.frames.clone();
        sorted.sort_unstable();
        for (start, end) in &sorted {
            let at = frames_at + frames.len() as u64;
            table.extend((start.wrapping_sub(header_at) as i32).to_le_bytes());
            table.extend((at.wrapping_sub(header_at) as i32).to_le_bytes());
            let cie = (at + 4 - frames_at) as u32;
            frames.extend(20_u32.to_le_bytes());
            frames.extend(cie.to_le_bytes());
            frames.extend((start.wrapping_sub(at + 8) as i32).to_le_bytes());
            frames.extend(((end - start) as u32).to_le_bytes());
            // No augmentation data.
            frames.push(0);
            frames.extend(self.instructions);
            frames.extend([0; 4]);
        }
        frames.extend([0; 4]);
        let mut header = vec![1, 0x1b, 3, 0x3b];
        header.extend((frames_at.wrapping_sub(header_at + 4) as i32).to_le_bytes());
        header.extend((sorted.len() as u32).to_le_bytes());
        header.extend(table);
        ((header_at, header), (frames_at, frames))
    }
}

fn rung(patch: Patch) -> Option<Rung> {
    patch.rung()
}

/// `window` as offsets in the text.
fn window(patch: Patch) -> (u64, u64) {
    (patch.window().start - BASE, patch.window().end - BASE)
}

const SYSCALL: &[u8] = &[0x0f, 0x05];
const RET: &[u8] = &[0xc3];
/// mov $39, %eax
const NUMBER: &[u8] = &[0xb8, 39, 0, 0, 0];
/// cmp $-4096, %rax
const CHECK: &[u8] = &[0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff];
/// nopw 0(%rax, %rax)
const NOP9: &[u8] = &[0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0];
/// xor %eax, %eax
const ZERO: &[u8] = &[0x31, 0xc0];
/// call *%rax
const CALL: &[u8] = &[0xff, 0xd0];

#[test]
fn padding_behind_a_function_is_a_hole() {
    // mov; syscall; ret; nopw | ret
    let program = Program::default().function(&[NUMBER, SYSCALL, RET]).bytes(NOP9).function(&[RET]);
    let patch = program.patch();
    assert_eq!(rung(patch), Some(Rung::Hole));
    assert_eq!(patch.hole(), Some(BASE + 8..BASE + 13));
    assert_eq!(window(patch), (5, 7));
}

#[test]
fn what_is_to_be_written_over_is_neither_padding_nor_moved() {
    // nopw %cs:512(%rax,%rax), and the return or jump before it, which is written over, too.
    const SLED: &[u8] = &[0x2e, 0x66, 0x0f, 0x1f, 0x84, 0, 0, 2, 0, 0];
    for pops in [&[0x5b, 0x5d][..], &[0x5b]] {
        // mov; syscall; pop; ret; nopw
        let program = Program::default().function(&[NUMBER, SYSCALL, pops, RET, SLED]);
        let patch = program.patch();
        assert_eq!((rung(patch), window(patch)), (Some(Rung::Before), (0, 7)));
    }
}

#[test]
fn padding_that_is_run_into_is_no_hole() {
    // mov; syscall; nopw | ret
    let program = Program::default().function(&[NUMBER, SYSCALL]).bytes(NOP9).function(&[RET]);
    assert_ne!(rung(program.patch()), Some(Rung::Hole));
}

#[test]
fn padding_that_a_branch_leads_into_is_no_hole() {
    // je +9 to the second nop; mov; syscall; ret; nop; nopw | ret
    let jump: &[u8] = &[0x74, 9];
    let program = Program::default().function(&[jump, NUMBER, SYSCALL, RET, &[0x90], NOP9, RET]);
    for verdict in program.verdicts() {
        if let Verdict::Jump(patch) = verdict {
            assert_eq!(patch.hole(), None);
        }
    }
}

#[test]
fn two_sites_never_share_a_hole() {
    // mov; syscall; mov; syscall; ret; nop of nine bytes: room for one
    let code = [NUMBER, SYSCALL, NUMBER, SYSCALL, RET];
    let program = Program::default().function(&code).bytes(NOP9).function(&[RET]);
    let rungs: Vec<_> = program
        .verdicts()
        .into_iter()
        .map(|verdict| match verdict {
            Verdict::Jump(patch) => patch.rung(),
            _ => None,
        })
        .collect();
    assert_eq!(rungs.iter().filter(|rung| **rung == Some(Rung::Hole)).count(), 1);
    assert!(rungs.iter().all(Option::is_some), "{rungs:?}");
}

#[test]
fn the_check_for_errors_moves_with_its_site() {
    // mov; syscall; cmp $-4096, %rax; ja +2; xor; ret: glibc 2.28 and later
    let code = [NUMBER, SYSCALL, CHECK, &[0x77, 2], ZERO, RET];
    let patch = Program::default().function(&code).patch();
    assert_eq!(rung(patch), Some(Rung::After));
    assert_eq!(window(patch), (5, 13));
    assert_eq!(patch.head().count(), 0);
    assert_eq!((patch.tail().start, patch.tail().end), (BASE + 7, BASE + 13));
}

#[test]
fn a_conditional_jump_moves_with_its_site() {
    // mov; syscall; test %eax, %eax; js -11; ret: the site ends a loop
    let code = [NUMBER, SYSCALL, &[0x85, 0xc0], &[0x78, 0xf5], RET];
    let patch = Program::default().function(&code).patch();
    assert_eq!((rung(patch), window(patch)), (Some(Rung::After), (5, 11)));
    let mut copy = [0; 32];
    let tail = [0x85, 0xc0, 0x78, 0xf5];
    let len = relocate(&tail, BASE + 7, BASE + 0x1000, &mut copy).expect("movable");
    // test; js rel32 to the same place
    assert_eq!(copy[..4], [0x85, 0xc0, 0x0f, 0x88]);
    let distance = i32::from_le_bytes(copy[4..8].try_into().expect("four bytes"));
    let target = (BASE + 0x1000 + len as u64).wrapping_add_signed(i64::from(distance));
    assert_eq!(target, BASE);
}

#[test]
fn nothing_moves_behind_a_jump_that_becomes_longer() {
    // mov; syscall; js -9; mov (%rdi), %eax; call *%rax; ret
    let code = [NUMBER, SYSCALL, &[0x78, 0xf7], &[0x8b, 0x07], CALL, RET];
    let patch = Program::default().function(&code).patch();
    assert_eq!(rung(patch), Some(Rung::Before));
    // mov %rdi, %rsi; js +6; mov (%rdi), %eax; syscall; call *%rax
    let code = [&[0x48, 0x89, 0xfe], &[0x78, 6][..], &[0x8b, 0x07], SYSCALL, CALL, RET];
    assert_eq!(Program::default().function(&code).verdicts(), [Verdict::Trap]);
    // mov %rdi, %rsi; js +4; syscall; call *%rax: it is the last
    let code = [&[0x48, 0x89, 0xfe], &[0x78, 4][..], SYSCALL, CALL, RET];
    let patch = Program::default().function(&code).patch();
    assert_eq!((rung(patch), window(patch)), (Some(Rung::Before), (0, 7)));
}

#[test]
fn the_number_moves_where_nothing_behind_may() {
    // mov; syscall; call *%rax; ret: a call would push another address
    let patch = Program::default().function(&[NUMBER, SYSCALL, CALL, RET]).patch();
    assert_eq!((rung(patch), window(patch)), (Some(Rung::Before), (0, 7)));
}

#[test]
fn short_moves_before_a_site_move_together() {
    // mov %rdi, %rsi; mov $9, %al; syscall; call *%rax
    let code = [&[0x48, 0x89, 0xfe][..], &[0xb0, 9], SYSCALL, CALL, RET];
    let patch = Program::default().function(&code).patch();
    assert_eq!((rung(patch), window(patch)), (Some(Rung::Before), (0, 7)));
}

#[test]
fn a_site_that_is_jumped_to_keeps_what_is_before_it() {
    // jmp to the syscall; mov; syscall; call *%rax; ret
    let code = [&[0xeb, 5][..], NUMBER, SYSCALL, CALL, RET];
    let program = Program::default().function(&code);
    assert_eq!(program.verdicts(), [Verdict::Trap]);
}

#[test]
fn a_site_that_a_loop_leads_to_keeps_what_is_before_it() {
    // mov; syscall; call *%rax; loop to the syscall; ret
    let code = [NUMBER, SYSCALL, CALL, &[0xe2, 0xfa], RET];
    assert_eq!(Program::default().function(&code).verdicts(), [Verdict::Trap]);
}

#[test]
fn a_tail_that_others_share_is_not_moved() {
    // je to the cmp; mov; syscall; cmp; ja; ret: the cmp is entered
    let code = [&[0x74, 7][..], NUMBER, SYSCALL, CHECK, &[0x77, 0], RET];
    let patch = Program::default().function(&code).patch();
    assert_eq!((rung(patch), window(patch)), (Some(Rung::Before), (2, 9)));
}

#[test]
fn a_jump_of_another_function_is_seen() {
    // mov; syscall; cmp; call *%rax; ret | jmp rel32 to the cmp
    let first = [NUMBER, SYSCALL, CHECK, CALL, RET].concat();
    let distance = (7 - (first.len() as i32 + 5)).to_le_bytes();
    let jump = [&[0xe9][..], &distance].concat();
    let program = Program::default().function(&[&first]).function(&[&jump]);
    let patch = program.patch();
    assert_eq!((rung(patch), window(patch)), (Some(Rung::Before), (0, 7)));
}

#[test]
fn bytes_that_only_look_like_a_jump_of_another_function_are_not() {
    // The same, as the operand of movabs.
    let first = [NUMBER, SYSCALL, CHECK, CALL, RET].concat();
    let distance = (7 - (first.len() as i32 + 7)).to_le_bytes();
    let number = [&[0x48, 0xb8, 0xe9][..], &distance, &[0, 0, 0], RET].concat();
    let program = Program::default().function(&[&first]).function(&[&number]);
    assert_eq!(rung(program.patch()), Some(Rung::After));
}

#[test]
fn a_symbol_inside_a_window_forbids_it() {
    // mov; syscall; cmp, with a symbol; call *%rax; ret
    let mut program = Program::default()
        .function(&[NUMBER, SYSCALL])
        .symbol(0)
        .bytes(&[CHECK, CALL, RET].concat());
    program.frames[0].1 = program.here();
    let patch = program.patch();
    assert_eq!((rung(patch), window(patch)), (Some(Rung::Before), (0, 7)));
}

#[test]
fn an_entry_of_a_jump_table_inside_a_window_forbids_it() {
    let table = BASE + 0x1000;
    // lea table(%rip), %rdx; movslq (%rdx, %rdi, 4), %rax; add %rdx, %rax;
    // jmp *%rax; mov; syscall; cmp; call *%rax; ret
    let lea = (table - (BASE + 7)) as u32;
    let switch = [
        &[0x48, 0x8d, 0x15][..],
        &lea.to_le_bytes(),
        &[0x48, 0x63, 0x04, 0xba, 0x48, 0x01, 0xd0, 0xff, 0xe0],
    ]
    .concat();
    let start = switch.len() as u64;
    let entry = |at: u64| ((BASE + at).wrapping_sub(table) as i32).to_le_bytes();
    let code = [&switch, NUMBER, SYSCALL, CHECK, CALL, RET];
    let mut program = Program::default().function(&code);
    // case 0 sets the number, case 1 comes with one
    program.data = Some((table, [entry(start), entry(start + 5), [0xff; 4]].concat()));
    let patch = program.patch();
    assert_eq!((rung(patch), window(patch)), (Some(Rung::After), (start + 5, start + 13)));
    // case 2 is the check
    program.data =
        Some((table, [entry(start), entry(start + 5), entry(start + 7), [0xff; 4]].concat()));
    assert_eq!(program.verdicts(), [Verdict::Trap]);
    // Without the table nothing proves the site.
    program.data = None;
    assert_eq!(program.verdicts(), [Verdict::Missed(Reason::Unproven)]);
}

#[test]
fn a_jump_table_whose_jump_looks_like_a_return_is_read() {
    let table = BASE + 0x1000;
    // je over; lea table(%rip), %rdx; push (%rdx, %rdi, 8); ret; over: mov; syscall; cmp;
    // call *%rax; ret
    let lea = (table - (BASE + 9)) as u32;
    let switch = [&[0x74, 11, 0x48, 0x8d, 0x15][..], &lea.to_le_bytes(), &[0xff, 0x34, 0xfa, 0xc3]];
    let switch = switch.concat();
    let start = switch.len() as u64;
    let mut program = Program::default().function(&[&switch, NUMBER, SYSCALL, CHECK, CALL, RET]);
    let entries = |cases: [u64; 2]| cases.map(|at| (BASE + start + at).to_le_bytes()).concat();
    program.data = Some((table, entries([0, 7])));
    assert_eq!(rung(program.patch()), Some(Rung::Before));
    program.data = Some((table, entries([5, 7])));
    assert_eq!(program.verdicts(), [Verdict::Trap]);
}

#[test]
fn a_jump_table_that_is_yet_to_be_written_may_lead_anywhere() {
    let table = BASE + 0x1000;
    // je over; lea table(%rip), %rdx; jmp *(%rdx, %rdi, 8); over: mov; syscall; cmp; call *%rax;
    // ret
    let lea = (table - (BASE + 9)) as u32;
    let start = &[&[0x74, 10, 0x48, 0x8d, 0x15][..], &lea.to_le_bytes(), &[0xff, 0x24, 0xfa]];
    let code = [&start.concat(), NUMBER, SYSCALL, CHECK, CALL, RET];
    let mut program = Program::default().function(&code);
    program.data = Some((table, vec![0; 16]));
    assert_eq!(rung(program.patch()), Some(Rung::After));
    program.is_unwritten = true;
    assert_eq!(program.verdicts(), [Verdict::Trap]);
}

#[test]
fn a_switch_of_another_part_that_leads_into_a_window_forbids_it() {
    let table = BASE + 0x1000;
    // js to the part; mov; syscall; cmp; ret
    let likely = [&[0x0f, 0x88, 14, 0, 0, 0], NUMBER, SYSCALL, CHECK, RET].concat();
    let part = BASE + likely.len() as u64;
    // lea table(%rip), %rdx; movslq (%rdx, %rdi, 4), %rax; add %rdx, %rax; jmp *%rax
    let lea = (table - (part + 7)) as u32;
    let switch = [
        &[0x48, 0x8d, 0x15][..],
        &lea.to_le_bytes(),
        &[0x48, 0x63, 0x04, 0xba, 0x48, 0x01, 0xd0, 0xff, 0xe0],
    ]
    .concat();
    let entry = |at: u64| ((BASE + at).wrapping_sub(table) as i32).to_le_bytes();
    let mut program = Program::default().function(&[&likely]).function(&[&switch]);
    // To the number, and to the call.
    program.data = Some((table, [entry(6), entry(11), [0xff; 4]].concat()));
    assert_eq!((rung(program.patch()), window(program.patch())), (Some(Rung::After), (11, 19)));
    // To the check.
    program.data = Some((table, [entry(6), entry(13), [0xff; 4]].concat()));
    assert_eq!((rung(program.patch()), window(program.patch())), (Some(Rung::Before), (6, 13)));
}

#[test]
fn a_part_that_another_function_may_switch_into_is_not_moved() {
    let mut program = Program::default().function(&[NUMBER, SYSCALL, CHECK, RET]);
    assert_eq!(rung(program.patch()), Some(Rung::After));
    // DW_CFA_def_cfa_offset 48: the frame was made elsewhere
    program.instructions = [0x0e, 48, 0];
    assert_eq!(program.verdicts(), [Verdict::Trap]);
    // DW_CFA_undefined of the return address: the start of a thread
    program.instructions = [0x07, 16, 0];
    assert_eq!(rung(program.patch()), Some(Rung::After));
}

#[test]
fn adjacent_sites_do_not_overlap() {
    // mov; syscall; mov; syscall; ret
    let code = [NUMBER, SYSCALL, NUMBER, SYSCALL, RET];
    let windows: Vec<_> = Program::default()
        .function(&code)
        .verdicts()
        .into_iter()
        .map(|verdict| match verdict {
            Verdict::Jump(patch) => window(patch),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(windows, [(0, 7), (7, 14)]);
}

#[test]
fn sites_without_room_trap() {
    // syscall; syscall; ...: nothing may be moved, as in a spin loop of libgomp
    let code = [SYSCALL, SYSCALL, SYSCALL, RET];
    let program = Program::default().function(&code);
    assert_eq!(program.verdicts(), [Verdict::Trap; 3]);
}

#[test]
fn a_site_at_the_end_of_a_function_that_does_not_return_has_a_window() {
    // mov $60, %eax; syscall: nothing behind
    let program = Program::default().function(&[NUMBER, SYSCALL]).function(&[RET]);
    let patch = program.patch();
    assert_eq!((rung(patch), window(patch)), (Some(Rung::Before), (0, 7)));
}

#[test]
fn a_site_at_the_start_of_a_function_takes_what_follows() {
    // syscall; mov %rax, %rdi; ret
    let patch = Program::default().function(&[SYSCALL, &[0x48, 0x89, 0xc7], RET]).patch();
    assert_eq!((rung(patch), window(patch)), (Some(Rung::After), (0, 5)));
}

#[test]
fn a_window_ends_in_padding_behind_ret() {
    // syscall; ret; xchg %ax, %ax: a window of five bytes, no hole
    let code = Program::default().function(&[SYSCALL, RET]).bytes(&[0x66, 0x90]);
    let patch = code.function(&[RET]).patch();
    assert_eq!((rung(patch), window(patch)), (Some(Rung::After), (0, 5)));
}

#[test]
fn a_site_across_pages_and_cache_lines_is_planned_like_any() {
    for boundary in [64, 4096] {
        let before = boundary - 1 - NUMBER.len();
        let padding = vec![0x90; before];
        let program = Program::default().function(&[&padding, NUMBER, SYSCALL, CHECK, RET]);
        let patch = program.patch();
        assert_eq!(patch.site(), BASE + boundary as u64 - 1);
        assert!(rung(patch).is_some());
    }
}

#[test]
fn operands_relative_to_the_instruction_refer_to_the_same_place() {
    // syscall; mov 0x100(%rip), %rbx; ret
    let load: &[u8] = &[0x48, 0x8b, 0x1d, 0, 1, 0, 0];
    let patch = Program::default().function(&[SYSCALL, load, RET]).patch();
    assert_eq!(window(patch), (0, 9));
    let mut copy = [0; 16];
    let len = relocate(load, BASE + 2, BASE + 0x202, &mut copy).expect("movable");
    assert_eq!(copy[..len], [0x48, 0x8b, 0x1d, 0, 0xff, 0xff, 0xff]);
    let far = relocate(load, BASE + 2, BASE + (1 << 33), &mut copy);
    assert!(far.is_err());
}

#[test]
fn bytes_inside_an_instruction_are_not_code() {
    // mov $0x050f, %eax; punpcklqdq; ret
    let code = [&[0xb8, 0x0f, 0x05, 0, 0][..], &[0x66, 0x0f, 0x6c, 0xc0], RET];
    assert_eq!(Program::default().function(&code).verdicts(), [Verdict::NotCode]);
}

#[test]
fn vector_instructions_before_a_site_are_read_rightly() {
    for opcode in 0x60..=0x6f {
        // 66 0f xx 05 disp32, whose bytes must not be taken for a syscall;
        // mov; syscall; cmp; ret
        let vector = [0x66, 0x0f, opcode, 0x05, 0x0f, 0x05, 0, 0];
        let code = [&vector[..], NUMBER, SYSCALL, CHECK, RET];
        let verdicts = Program::default().function(&code).verdicts();
        assert_eq!(verdicts[0], Verdict::NotCode, "{opcode:x}");
        assert!(matches!(verdicts[1], Verdict::Jump(_)), "{opcode:x}");
    }
}

#[test]
fn data_behind_a_jump_is_not_believed() {
    // jmp over; data: mov; syscall; cmp; over: ret
    let data = [NUMBER, SYSCALL, CHECK].concat();
    let code = [&[0xeb, data.len() as u8][..], &data, RET];
    let program = Program::default().function(&code);
    assert_eq!(program.verdicts(), [Verdict::Missed(Reason::Unproven)]);
}

#[test]
fn code_behind_a_jump_is_believed_once_something_leads_there() {
    // jmp to the end; back: mov; syscall; cmp; ret; end: jmp back
    let body = [NUMBER, SYSCALL, CHECK, RET].concat();
    let back = (-(body.len() as i8) - 2) as u8;
    let code = [&[0xeb, body.len() as u8][..], &body, &[0xeb, back]];
    assert_eq!(rung(Program::default().function(&code).patch()), Some(Rung::After));
}

#[test]
fn code_without_a_function_is_left_alone() {
    // | mov; syscall; ret, with nothing that names it |
    let program = Program::default().bytes(&[NUMBER, SYSCALL, RET].concat());
    assert_eq!(program.verdicts(), [Verdict::Missed(Reason::NoFunction)]);
    let program = program.function(&[RET]);
    assert_eq!(program.verdicts(), [Verdict::Missed(Reason::Outside)]);
}

#[test]
fn a_symbol_is_enough_to_believe_a_function() {
    let code = [NUMBER, SYSCALL, CHECK, RET].concat();
    let program = Program::default().symbol(code.len() as u64).bytes(&code).function(&[RET]);
    assert_eq!(rung(program.patch()), Some(Rung::After));
}

#[test]
fn a_span_that_does_not_end_at_the_next_function_is_not_believed() {
    // a symbol without size: mov; syscall; cmp; then half an instruction |
    let code = [NUMBER, SYSCALL, CHECK].concat();
    let whole = Program::default().symbol(0).bytes(&code).bytes(RET).function(&[RET]);
    assert_eq!(rung(whole.patch()), Some(Rung::After));
    let half = Program::default().symbol(0).bytes(&code).bytes(&[0x48]).function(&[RET]);
    assert_eq!(half.verdicts(), [Verdict::Missed(Reason::Undecodable)]);
}

#[test]
fn a_span_in_which_a_jump_leads_into_an_instruction_is_not_believed() {
    // a symbol without size: mov; syscall; cmp; jmp over; data: half an instruction; over: mov;
    // syscall; ret |
    let code = [NUMBER, SYSCALL, CHECK, &[0xeb, 1], &[0x48], NUMBER, SYSCALL, RET].concat();
    let program = Program::default().symbol(0).bytes(&code).function(&[RET]);
    assert_eq!(program.verdicts(), [Verdict::Missed(Reason::Undecodable); 2]);
    // je over; lock; over: cmpxchg %ecx, (%rdi); mov; syscall; cmp; ret |
    let unlocked = [&[0x74, 1, 0xf0, 0x0f, 0xb1, 0x0f], NUMBER, SYSCALL, CHECK, RET].concat();
    let program = Program::default().symbol(0).bytes(&unlocked).function(&[RET]);
    assert_eq!(rung(program.patch()), Some(Rung::After));
}

#[test]
fn what_a_function_without_a_name_begins_with_is_no_padding() {
    // a symbol without size: nop; mov; syscall; ret, up to a multiple of 16; without a name:
    // nopw; ret |
    let code = [&[0x90; 8], NUMBER, SYSCALL, RET, NOP9, RET].concat();
    let program = Program::default().symbol(0).bytes(&code).function(&[RET]);
    let only_hole = program.plan_with(Ladder::Only(Rung::Hole));
    assert_eq!(only_hole, [(13, SiteKind::Syscall, Verdict::Trap)]);
    // The same, up to one less.
    let code = [&[0x90; 7], NUMBER, SYSCALL, RET, NOP9, RET].concat();
    let program = Program::default().symbol(0).bytes(&code).function(&[RET]);
    assert_eq!(program.patch().hole(), Some(BASE + 15..BASE + 20));
}

#[test]
fn a_symbol_of_data_in_a_span_keeps_it_as_it_is() {
    // a symbol without size: ret; data: mov; syscall; cmp; ret |
    let data = [NUMBER, SYSCALL, CHECK, RET].concat();
    let program = Program::default().symbol(0).bytes(RET);
    let program = program.symbol_of_kind(1, data.len() as u64).bytes(&data).function(&[RET]);
    assert_eq!(program.verdicts(), [Verdict::NotCode]);
}

#[test]
fn other_system_calls_are_reported() {
    // int $0x80; sysenter; repz syscall; ret
    let code = [&[0xcd, 0x80][..], &[0x0f, 0x34], &[0xf3, 0x0f, 0x05], RET];
    assert_eq!(
        Program::default().function(&code).verdicts(),
        [
            Verdict::Missed(Reason::OtherAbi),
            Verdict::Missed(Reason::OtherAbi),
            Verdict::Missed(Reason::Prefixed),
        ]
    );
}

#[test]
fn a_forced_rung_is_that_rung_or_a_trap() {
    let code = [NUMBER, SYSCALL, CHECK, RET];
    let program = Program::default().function(&code).bytes(NOP9).function(&[RET]);
    for rung in [Rung::Hole, Rung::After, Rung::Before] {
        assert_eq!(program.patch_with(Ladder::Only(rung)).rung(), Some(rung));
    }
    let verdicts: Vec<_> = program.plan_with(Ladder::Trap).iter().map(|plan| plan.2).collect();
    assert_eq!(verdicts, [Verdict::Trap]);
}
