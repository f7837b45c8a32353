//! Every plan for installed programs, verified by other means: a disassembler,
//! relocations, all symbols, and every table that any code of the file names.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind};
use interceptor_rewrite::{
    Ladder, Patch, Rung, SITE_LEN, SitePlan, Text, Verdict, Width, relocate,
};
use object::{Object, ObjectSymbol, SymbolKind};

mod support;
use support::Image;

#[test]
fn plans_for_installed_programs_are_sound() {
    let everything = support::is_everything_asked();
    let paths = if everything {
        support::installed()
    } else {
        let sample = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2", "/bin/sh"];
        sample.iter().filter_map(|path| std::fs::canonicalize(path).ok()).collect()
    };
    let (mut faults, mut jumps) = (Vec::new(), 0);
    for path in &paths {
        jumps += verify(path, &mut faults);
    }
    println!("{jumps} jumps in {} files", paths.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Verifies all plans for a file; returns the number of jumps.
fn verify(path: &Path, faults: &mut Vec<String>) -> usize {
    let Ok(bytes) = std::fs::read(path) else {
        return 0;
    };
    let Some(image) = Image::parse(&bytes) else {
        return 0;
    };
    let mut jumps = 0;
    for text in image.texts() {
        let mut knowledge = None;
        for ladder in [Ladder::Full, Ladder::Only(Rung::After), Ladder::Only(Rung::Before)] {
            let plans = image.plan(&text, ladder);
            let patches: Vec<_> = plans
                .iter()
                .filter_map(|plan| match plan.verdict {
                    Verdict::Jump(patch) => Some(patch),
                    _ => None,
                })
                .collect();
            let is_sorted = plans.windows(2).all(|pair| pair[0].address < pair[1].address);
            let mut report = |what: String| faults.push(format!("{}: {what}", path.display()));
            if !is_sorted {
                report("plans are not in order".to_owned());
            }
            let range = text.base..text.base + text.bytes.len() as u64;
            let kept = |plan: &SitePlan| SitePlan::unpack(plan.pack(text.base)?, &range);
            if let Some(lost) = plans.iter().find(|plan| kept(plan) != Some(**plan)) {
                report(format!("{lost:x?} is not the same when it was kept"));
            }
            if patches.is_empty() {
                continue;
            }
            jumps += patches.len();
            let knowledge = knowledge.get_or_insert_with(|| Knowledge::of(&image, &text));
            knowledge.check(&patches, &mut report);
            check_writes(&text, &patches, &mut report);
            check_relocation(&text, &patches, &mut report);
        }
    }
    jumps
}

/// What is known of a text.
struct Knowledge<'t> {
    text: Text<'t>,
    /// Functions by their unwind entries, sorted.
    functions: Vec<Range<u64>>,
    /// Where anything may lead to, sorted.
    targets: Vec<u64>,
    /// Where an indirect jump of any function may lead to, sorted.
    table_targets: Vec<u64>,
}

impl<'t> Knowledge<'t> {
    fn of(image: &Image<'_>, text: &Text<'t>) -> Self {
        let range = text.base..text.base + text.bytes.len() as u64;
        let mut functions = unwind_ranges(image);
        functions.sort_by_key(|function| (function.start, function.end));
        add_named(image, &mut functions);
        functions.retain(|function| range.contains(&function.start) && function.end <= range.end);
        // The entry of a signal restorer starts one byte early.
        for function in &mut functions {
            let at = function.start.wrapping_add(1) - text.base;
            let code = text.bytes.get(at as usize..).unwrap_or(&[]);
            if code.starts_with(b"\x48\xc7\xc0\x0f\0\0\0\x0f\x05") {
                function.start += 1;
            }
        }
        functions.sort_by_key(|function| (function.start, function.end));
        let mut knowledge =
            Self { text: *text, functions, targets: Vec::new(), table_targets: Vec::new() };
        let mut taken = BTreeSet::new();
        knowledge.sweep(&mut taken);
        let mut taken = taken.into_iter().peekable();
        while let Some(address) = taken.next() {
            // One table ends where the next starts.
            let end = taken.peek().copied().unwrap_or(u64::MAX);
            knowledge.read_tables(image, address..end, &range);
        }
        knowledge.add_pointers(image, &range);
        knowledge.targets.sort_unstable();
        knowledge.targets.dedup();
        knowledge.table_targets.sort_unstable();
        knowledge.table_targets.dedup();
        knowledge
    }

    /// Disassembles functions and the gaps between them.
    fn sweep(&mut self, taken: &mut BTreeSet<u64>) {
        let mut stretches = Vec::new();
        let mut at = self.text.base;
        for function in &self.functions {
            if at < function.start {
                stretches.push(at..function.start);
            }
            stretches.push(function.clone());
            at = at.max(function.end);
        }
        stretches.push(at..self.text.base + self.text.bytes.len() as u64);
        for stretch in stretches {
            for instruction in disassemble(&self.text, &stretch) {
                let is_branch = instruction.near_branch_target() != 0;
                if is_branch || instruction.mnemonic() == Mnemonic::Xbegin {
                    self.targets.push(instruction.near_branch_target());
                }
                if instruction.mnemonic() == Mnemonic::Lea && instruction.is_ip_rel_memory_operand()
                {
                    let address = instruction.ip_rel_memory_address();
                    taken.insert(address);
                    self.targets.push(address);
                }
                let has_memory = instruction.op_kinds().any(|kind| kind == OpKind::Memory);
                if has_memory
                    && instruction.memory_base() == iced_x86::Register::None
                    && instruction.memory_index_scale() == 8
                {
                    taken.insert(instruction.memory_displacement64());
                }
            }
        }
    }

    fn read_tables(&mut self, image: &Image<'_>, table: Range<u64>, range: &Range<u64>) {
        let address = table.start;
        let Some(bytes) = image.from(address).filter(|_| !range.contains(&address)) else {
            return;
        };
        let len = usize::try_from(table.end - address).unwrap_or(usize::MAX).min(bytes.len());
        let bytes = &bytes[..len];
        for entry in bytes.as_chunks::<4>().0.iter().take(2000) {
            let target = address.wrapping_add_signed(i64::from(i32::from_le_bytes(*entry)));
            if !range.contains(&target) {
                break;
            }
            self.table_targets.push(target);
        }
        for entry in bytes.as_chunks::<8>().0.iter().take(2000) {
            let target = u64::from_le_bytes(*entry);
            if !range.contains(&target) {
                break;
            }
            self.table_targets.push(target);
        }
    }

    /// Symbols, the entry, and whatever is relocated to point into the text.
    fn add_pointers(&mut self, image: &Image<'_>, range: &Range<u64>) {
        let file = &image.file;
        let symbols = file.symbols().chain(file.dynamic_symbols());
        let symbols = symbols.filter(|symbol| {
            symbol.is_definition()
                && matches!(
                    symbol.kind(),
                    SymbolKind::Text | SymbolKind::Unknown | SymbolKind::Label
                )
        });
        self.targets.extend(symbols.map(|symbol| symbol.address()));
        self.targets.push(file.entry());
        let relocations = file.dynamic_relocations().into_iter().flatten();
        let pointers = relocations.map(|(_, relocation)| relocation.addend() as u64);
        self.targets.extend(pointers.filter(|pointer| range.contains(pointer)));
    }

    fn check(&self, patches: &[Patch], report: &mut dyn FnMut(String)) {
        let mut taken: Vec<Range<u64>> = Vec::new();
        for patch in patches {
            let site = patch.site();
            let mut report = |what: &str| report(format!("{site:#x} {what}: {patch:x?}"));
            taken.push(patch.window());
            taken.extend(patch.hole());
            if self.bytes(&(site..site + SITE_LEN)) != Some(&[0x0f, 0x05]) {
                report("is no syscall");
            }
            let Some(function) = self.function_of(site) else {
                // Code without unwind data is checked by the tests of symbols.
                continue;
            };
            let starts: BTreeSet<_> =
                disassemble(&self.text, function).map(|instruction| instruction.ip()).collect();
            if !starts.contains(&site) {
                report("is inside an instruction");
            }
            let window = patch.window();
            if !starts.contains(&window.start) {
                report("starts its window inside an instruction");
            }
            let is_end = window.end == function.end || starts.contains(&window.end);
            if !is_end && !self.is_padding(&(function.end..window.end)) {
                report("ends its window inside an instruction");
            }
            if let Some(target) = self.entered(&(window.start + 1..window.end)) {
                report(&format!("has a window that is entered at {target:#x}"));
            }
            if let Some(hole) = patch.hole() {
                self.check_hole(&hole, function, &mut report);
            }
        }
        taken.sort_by_key(|range| range.start);
        for pair in taken.windows(2) {
            if pair[0].end > pair[1].start {
                report(format!("{:x?} and {:x?} overlap", pair[0], pair[1]));
            }
        }
    }

    fn check_hole(&self, hole: &Range<u64>, function: &Range<u64>, report: &mut dyn FnMut(&str)) {
        if let Some(target) = self.entered(hole) {
            report(&format!("has a hole that is entered at {target:#x}"));
        }
        if self
            .functions
            .iter()
            .any(|other| other != function && other.start < hole.end && hole.start < other.end)
        {
            report("has a hole in another function");
        }
        // The instructions before it, back to one that is no padding.
        let before = self.functions.partition_point(|other| other.start < hole.start);
        let Some(before) = before.checked_sub(1).and_then(|index| self.functions.get(index)) else {
            return report("has a hole in front of all functions");
        };
        let mut last = None;
        for instruction in disassemble(&self.text, &(before.start..hole.end + 15)) {
            if instruction.ip() >= hole.end {
                break;
            }
            let is_in_hole = instruction.next_ip() > hole.start;
            if is_in_hole && !is_padding(&instruction) {
                report("has a hole that is no padding");
            }
            if !is_padding(&instruction) {
                last = Some(instruction);
            }
        }
        let is_end = last.is_some_and(|last| {
            let is_last = last.next_ip() == before.end && last.flow_control() == FlowControl::Call;
            let is_last_indirect =
                last.next_ip() == before.end && last.flow_control() == FlowControl::IndirectCall;
            is_last || is_last_indirect || is_end(&last)
        });
        if !is_end {
            report("has a hole that is run into");
        }
    }

    fn is_padding(&self, range: &Range<u64>) -> bool {
        disassemble(&self.text, range).all(|instruction| is_padding(&instruction))
    }

    fn entered(&self, range: &Range<u64>) -> Option<u64> {
        [&self.targets, &self.table_targets].into_iter().find_map(|targets| {
            let first = targets.partition_point(|target| *target < range.start);
            targets.get(first).copied().filter(|target| range.contains(target))
        })
    }

    fn function_of(&self, address: u64) -> Option<&Range<u64>> {
        let next = self.functions.partition_point(|function| function.start <= address);
        let function = self.functions.get(next.checked_sub(1)?)?;
        function.contains(&address).then_some(function)
    }

    fn bytes(&self, range: &Range<u64>) -> Option<&'t [u8]> {
        slice(&self.text, range)
    }
}

fn slice<'t>(text: &Text<'t>, range: &Range<u64>) -> Option<&'t [u8]> {
    let from = range.start.checked_sub(text.base)? as usize;
    let to = range.end.checked_sub(text.base)? as usize;
    text.bytes.get(from..to)
}

fn disassemble<'t>(text: &Text<'t>, range: &Range<u64>) -> impl Iterator<Item = Instruction> + 't {
    let bytes = slice(text, range).unwrap_or(&[]);
    let mut decoder = Decoder::with_ip(64, bytes, range.start, DecoderOptions::NONE);
    std::iter::from_fn(move || decoder.can_decode().then(|| decoder.decode()))
}

fn is_padding(instruction: &Instruction) -> bool {
    matches!(instruction.mnemonic(), Mnemonic::Nop | Mnemonic::Int3)
}

fn is_end(instruction: &Instruction) -> bool {
    matches!(
        instruction.flow_control(),
        FlowControl::UnconditionalBranch
            | FlowControl::IndirectBranch
            | FlowControl::Return
            | FlowControl::Exception
    ) || instruction.mnemonic() == Mnemonic::Hlt
}

/// Start and end of every FDE, in the order of `.eh_frame`, without a look at
/// its index.
fn unwind_ranges(image: &Image<'_>) -> Vec<Range<u64>> {
    let Some((address, bytes)) = image.section(".eh_frame") else {
        return Vec::new();
    };
    let word = |at: usize| Some(i32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(len) = word(at).filter(|len| *len > 0) {
        let body = at + 4;
        let Some(id) = word(body) else { break };
        if id != 0 {
            // Linkers of x86-64 write no other encoding than pcrel | sdata4.
            let start = word(body + 4).zip(word(body + 8)).map(|(start, len)| {
                let start = (address + body as u64 + 4).wrapping_add_signed(i64::from(start));
                start..start + u64::from(len as u32)
            });
            ranges.extend(start.filter(|range| !range.is_empty()));
        }
        at = body + len as usize;
    }
    ranges
}

/// Adds functions of symbols where there is no unwind entry: Go's, musl's.
fn add_named(image: &Image<'_>, functions: &mut Vec<Range<u64>>) {
    let symbols = image.file.symbols().chain(image.file.dynamic_symbols());
    let named = symbols
        .filter(|symbol| symbol.is_definition() && symbol.kind() == SymbolKind::Text)
        .map(|symbol| symbol.address()..symbol.address() + symbol.size());
    let mut added: Vec<_> = named
        .filter(|range| {
            let next = functions.partition_point(|function| function.end <= range.start);
            let is_covered = functions.get(next).is_some_and(|function| function.start < range.end);
            !range.is_empty() && !is_covered
        })
        .collect();
    added.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    let mut end = 0;
    added.retain(|range| {
        let is_apart = range.start >= end;
        end = end.max(range.end);
        is_apart
    });
    functions.extend(added);
}

/// Writes all patches to a copy, and follows the jumps.
fn check_writes(text: &Text<'_>, patches: &[Patch], report: &mut dyn FnMut(String)) {
    let mut copy = text.bytes.to_vec();
    let stub_of = |patch: &Patch| text.base + (1 << 30) + 64 * (patch.site() - text.base) / 64;
    let offset = |address: u64| (address - text.base) as usize;
    for patch in patches {
        let Ok(writes) = patch.writes(stub_of(patch)) else {
            report(format!("{patch:x?} cannot be written"));
            continue;
        };
        for write in writes {
            let at = offset(write.address);
            copy[at..at + write.bytes().len()].copy_from_slice(write.bytes());
        }
    }
    for patch in patches {
        let mut here = patch.window().start;
        for _ in 0..2 {
            let rest = &copy[offset(here)..];
            let jump = Decoder::with_ip(64, rest, here, DecoderOptions::NONE).decode();
            if jump.mnemonic() == Mnemonic::Jmp && here != stub_of(patch) {
                here = jump.near_branch_target();
            }
            if here == stub_of(patch) {
                break;
            }
        }
        if here != stub_of(patch) {
            report(format!("{patch:x?} does not lead to its stub"));
        }
    }
    for patch in patches {
        for range in [Some(patch.window()), patch.hole()].into_iter().flatten() {
            let range = offset(range.start)..offset(range.end);
            copy[range.clone()].copy_from_slice(&text.bytes[range]);
        }
    }
    if copy != text.bytes {
        report("bytes outside of windows and holes are written".to_owned());
    }
}

/// The moved instructions do the same elsewhere.
fn check_relocation(text: &Text<'_>, patches: &[Patch], report: &mut dyn FnMut(String)) {
    for patch in patches {
        for range in [patch.head(), patch.tail()] {
            let Some(original) = slice(text, &range) else {
                report(format!("{patch:x?} leads out of the text"));
                continue;
            };
            let to = range.start + (1 << 28);
            let mut copy = [0; 256];
            let Ok(len) = relocate(original, range.start, to, &mut copy) else {
                report(format!("{patch:x?} cannot be moved"));
                continue;
            };
            let moved = Text { base: to, bytes: &copy[..len], width: Width::default() };
            let before: Vec<_> = disassemble(text, &range).collect();
            let after: Vec<_> = disassemble(&moved, &(to..to + len as u64)).collect();
            let is_same = before.len() == after.len()
                && before.iter().zip(&after).all(|(one, other)| does_the_same(one, other));
            if !is_same {
                report(format!("{patch:x?} is moved wrongly: {before:?} to {after:?}"));
            }
        }
    }
}

fn does_the_same(one: &Instruction, other: &Instruction) -> bool {
    let is_branch = one.near_branch_target() != 0;
    if is_branch {
        return one.mnemonic() == other.mnemonic()
            && one.near_branch_target() == other.near_branch_target();
    }
    let is_movable = !matches!(one.flow_control(), FlowControl::Call | FlowControl::IndirectCall);
    let operands = |instruction: &Instruction| {
        let registers = (0..instruction.op_count())
            .filter(|index| instruction.op_kind(*index) == OpKind::Register)
            .map(|index| instruction.op_register(index));
        let immediates = (0..instruction.op_count())
            .filter(|index| instruction.op_kind(*index) != OpKind::Memory)
            .filter_map(|index| instruction.try_immediate(index).ok());
        let memory = (
            instruction.memory_base(),
            instruction.memory_index(),
            instruction.memory_index_scale(),
            instruction.memory_displacement64(),
            instruction.memory_segment(),
        );
        (registers.collect::<Vec<_>>(), immediates.collect::<Vec<_>>(), memory)
    };
    is_movable
        && one.code() != Code::INVALID
        && one.code() == other.code()
        && one.len() == other.len()
        && operands(one) == operands(other)
}
