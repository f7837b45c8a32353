//! The decoder against a full disassembler.
//!
//! The two must agree on every instruction that the disassembler knows. Of
//! reserved encodings this decoder accepts those whose length the tables tell:
//! they fault, as they did before.

extern crate std;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::string::String;
use std::vec::Vec;
use std::{fs, println};

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind};
use object::{Object, ObjectSection, SectionKind};

use super::{Decoded, Flow, Reference, Step, begins_padding, decode, length, padding_len};
use crate::bytes::i32_at;

/// Where random instructions lie.
const ADDRESS: u64 = 0x5555_5555_4000;

#[test]
fn random_bytes_decode_as_a_disassembler_does() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let rounds = if is_everything_asked() { 40_000_000 } else { 1_000_000 };
    let mut differences = Differences::default();
    for round in 0..rounds {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&random.next().to_le_bytes());
        }
        // Most opcodes are far from the front of random bytes.
        match round % 8 {
            0 => bytes[0] = 0x0f,
            1 => bytes[..2].copy_from_slice(&[0x66, 0x0f]),
            2 => bytes[0] = 0x48,
            3 => bytes[0] = 0xc4,
            4 => bytes[0] = 0x62,
            _ => {}
        }
        differences.compare(&bytes, ADDRESS);
    }
    differences.fail_if_any();
}

#[test]
fn every_opcode_decodes_as_a_disassembler_does() {
    let prefixes: &[&[u8]] = &[
        &[],
        &[0x66],
        &[0xf2],
        &[0xf3],
        &[0x48],
        &[0x66, 0x48],
        &[0x41],
        &[0x67],
        &[0xf0],
        &[0x3e],
        &[0x64],
        &[0x66, 0xf3],
        &[0xf3, 0x48],
        &[0x48, 0x66],
    ];
    let maps: &[&[u8]] = &[&[], &[0x0f], &[0x0f, 0x38], &[0x0f, 0x3a]];
    let mut differences = Differences::default();
    for (prefix, map) in
        prefixes.iter().flat_map(|prefix| maps.iter().map(move |map| (prefix, map)))
    {
        for (opcode, model) in (0..=255).flat_map(|o| (0..=255).map(move |m| (o, m))) {
            let mut bytes = [0x11; 32];
            let start = [*prefix, *map, &[opcode, model, 0x25]].concat();
            bytes[..start.len()].copy_from_slice(&start);
            differences.compare(&bytes, ADDRESS);
        }
    }
    differences.fail_if_any();
}

#[test]
fn installed_programs_decode_as_a_disassembler_does() {
    let everything = is_everything_asked();
    let mut room = if everything { usize::MAX } else { 24 << 20 };
    let mut differences = Differences::default();
    for path in programs() {
        // A sample takes a little of many.
        let most = if everything { usize::MAX } else { room.min(1 << 18) };
        for (address, text) in texts(&path) {
            let text = &text[..text.len().min(most)];
            room = room.saturating_sub(text.len());
            differences.sweep(text, address);
        }
        if room == 0 {
            break;
        }
    }
    println!("{} instructions", differences.compared);
    differences.fail_if_any();
}

#[test]
fn a_run_of_prefixes_is_none() {
    for byte in 0..=u8::MAX {
        if super::PREFIX[usize::from(byte)] {
            for len in [15, 16, 31, 32, 64] {
                assert!(decode(&std::vec![byte; len], ADDRESS).is_none(), "{byte:x}");
            }
        }
    }
}

#[test]
fn a_truncated_instruction_is_none() {
    let mut random = Random(7);
    for _ in 0..100_000 {
        let mut bytes = [0; 16];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&random.next().to_le_bytes());
        }
        let Some(whole) = decode(&bytes, ADDRESS) else {
            continue;
        };
        for len in 0..bytes.len() {
            let cut = decode(&bytes[..len], ADDRESS).map(|cut| cut.len);
            assert_eq!(cut, (len >= usize::from(whole.len)).then_some(whole.len), "{bytes:x?}");
        }
    }
}

/// `INTERCEPTOR_EVERYTHING=1` compares all programs, not a sample.
fn is_everything_asked() -> bool {
    std::env::var_os("INTERCEPTOR_EVERYTHING").is_some()
}

fn programs() -> Vec<PathBuf> {
    let directories = ["/usr/lib/x86_64-linux-gnu", "/usr/bin", "/usr/local/bin"];
    let entries = directories.into_iter().filter_map(|path| fs::read_dir(path).ok()).flatten();
    let mut paths: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file() && !path.is_symlink())
        .collect();
    paths.sort();
    paths
}

fn texts(path: &PathBuf) -> Vec<(u64, Vec<u8>)> {
    let Ok(bytes) = fs::read(path) else {
        return Vec::new();
    };
    if !bytes.starts_with(b"\x7fELF") {
        return Vec::new();
    }
    let Ok(file) = object::File::parse(&*bytes) else {
        return Vec::new();
    };
    if file.architecture() != object::Architecture::X86_64 {
        return Vec::new();
    }
    file.sections()
        .filter(|section| section.kind() == SectionKind::Text)
        .filter_map(|section| Some((section.address(), section.data().ok()?.to_vec())))
        .collect()
}

#[derive(Default)]
struct Differences {
    compared: u64,
    found: u64,
    shown: String,
}

impl Differences {
    /// Compares instruction after instruction.
    fn sweep(&mut self, text: &[u8], address: u64) {
        let mut at = 0;
        while at < text.len() {
            at += self.compare(&text[at..], address + at as u64);
        }
    }

    /// Compares the instruction at the start of `bytes`. Returns its length.
    fn compare(&mut self, bytes: &[u8], address: u64) -> usize {
        let bytes = &bytes[..bytes.len().min(32)];
        let ours = decode(bytes, address);
        let theirs = disassemble(bytes, address, DecoderOptions::MPX);
        self.compared += 1;
        assert_eq!(length(bytes), ours.map(|ours| usize::from(ours.len)), "{bytes:02x?}");
        compare_padding(bytes, ours.as_ref());
        if let Some(bytes) = bytes.first_chunk() {
            compare_step(Step::at(bytes), bytes, address);
        }
        let is_same = match (&ours, theirs.code()) {
            (_, Code::INVALID) => true,
            (None, _) => is_refused(&theirs, bytes),
            (Some(ours), _) => is_same(ours, &theirs, bytes),
        };
        if !is_same {
            self.found += 1;
            if self.found <= 10 {
                let code = theirs.code();
                let len = theirs.len();
                let _ = writeln!(self.shown, "{bytes:02x?}: {ours:?}, expected {code:?} of {len}");
            }
        }
        theirs.len().max(1)
    }

    fn fail_if_any(&self) {
        assert_eq!(self.found, 0, "of {} differ\n{}", self.compared, self.shown);
    }
}

/// A step is what the complete decoder says, unless it stops; what it does not
/// tell does not matter.
fn compare_step(step: Step, bytes: &[u8; 32], address: u64) {
    if !step.is_understood() {
        return;
    }
    let decoded = decode(bytes, address).unwrap_or_else(|| panic!("{bytes:02x?}"));
    assert_eq!(step.len(), usize::from(decoded.len), "{bytes:02x?}");
    assert_eq!(step.ends(), !decoded.flow.goes_on(), "{bytes:02x?}");
    assert_eq!(step.is_nop(), matches!(decoded.flow, Flow::Nop | Flow::Reserved), "{bytes:02x?}");
    let end = address + u64::from(decoded.len);
    let target = step.distance(bytes).map(|distance| end.wrapping_add_signed(distance));
    assert_eq!(target, decoded.flow.target(), "{bytes:02x?}");
    let field = |at: u8| i32_at(bytes, usize::from(at)).map(i64::from);
    let table = match decoded.reference {
        Reference::Table(at) => field(at),
        _ => None,
    };
    assert_eq!(step.table(bytes), table, "{bytes:02x?}");
    let taken = match decoded.reference {
        Reference::Relative(at) if decoded.takes_address => field(at),
        _ => None,
    };
    assert_eq!(step.address(bytes), taken, "{bytes:02x?}");
    let number = match decoded.reference {
        Reference::Immediate(at) => field(at),
        _ => None,
    };
    assert!(number.is_none() || step.number(bytes) == number, "{bytes:02x?}");
    let names_address = target.is_some() || table.or(taken).is_some();
    assert_eq!(step.names(Step::ADDRESSES), names_address, "{bytes:02x?}");
    assert!(step.names(Step::NAMES) || number.is_none(), "{bytes:02x?}");
}

/// What is passed as padding is padding, and what is not even looked at is none.
fn compare_padding(bytes: &[u8], decoded: Option<&Decoded>) {
    let is_padding = decoded.is_some_and(|decoded| decoded.flow.is_padding());
    assert!(begins_padding(bytes) || !is_padding, "{bytes:02x?}");
    if let Some(len) = bytes.first_chunk().map(padding_len).filter(|len| *len > 0) {
        assert!(is_padding && decoded.is_some_and(|it| usize::from(it.len) == len), "{bytes:02x?}");
    }
}

fn disassemble(bytes: &[u8], address: u64, options: u32) -> Instruction {
    Decoder::with_ip(64, bytes, address, options).decode()
}

/// Valid encodings that are refused on purpose.
fn is_refused(theirs: &Instruction, bytes: &[u8]) -> bool {
    // A branch whose length depends on the manufacturer.
    let is_short = bytes.iter().take(theirs.len()).any(|byte| *byte == 0x66);
    is_short
        && (theirs.is_jcc_short_or_near()
            || theirs.is_jmp_short_or_near()
            || theirs.is_call_near()
            || theirs.is_loop()
            || theirs.is_loopcc()
            || theirs.is_jcx_short()
            || theirs.mnemonic() == Mnemonic::Xbegin)
}

fn is_same(ours: &Decoded, theirs: &Instruction, bytes: &[u8]) -> bool {
    usize::from(ours.len) == theirs.len()
        && is_same_flow(ours.flow, theirs)
        && is_same_reference(ours, theirs, bytes)
}

fn is_same_flow(ours: Flow, theirs: &Instruction) -> bool {
    let to = theirs.near_branch_target();
    match theirs.flow_control() {
        FlowControl::Next => match theirs.mnemonic() {
            Mnemonic::Nop => matches!(ours, Flow::Nop | Flow::Reserved | Flow::Next),
            Mnemonic::Reservednop => matches!(ours, Flow::Nop | Flow::Reserved | Flow::Next),
            Mnemonic::Endbr64 => ours == Flow::Landing,
            Mnemonic::Hlt | Mnemonic::Skinit => ours == Flow::End,
            _ => ours == Flow::Next,
        },
        FlowControl::UnconditionalBranch => ours == Flow::Jump(to),
        FlowControl::IndirectBranch => match ours {
            Flow::PointerJump => theirs.is_ip_rel_memory_operand(),
            _ => ours == Flow::IndirectJump,
        },
        FlowControl::ConditionalBranch => match theirs.is_jcc_short_or_near() {
            true => ours == Flow::Branch(to),
            false => ours == Flow::ShortBranch(to),
        },
        FlowControl::Return
            if matches!(theirs.mnemonic(), Mnemonic::Iret | Mnemonic::Iretd | Mnemonic::Iretq) =>
        {
            ours == Flow::IndirectJump
        }
        FlowControl::Return | FlowControl::Exception => ours == Flow::End,
        FlowControl::Call => match theirs.mnemonic() {
            Mnemonic::Syscall => ours == Flow::Syscall,
            Mnemonic::Sysenter => ours == Flow::OtherSystemCall,
            // vmcall and the like.
            Mnemonic::Call => ours == Flow::Call(to),
            _ => ours == Flow::Next,
        },
        FlowControl::IndirectCall => ours == Flow::IndirectCall,
        FlowControl::Interrupt => match theirs.mnemonic() {
            Mnemonic::Int3 => ours == Flow::Breakpoint,
            Mnemonic::Int if theirs.immediate8() == 0x80 => ours == Flow::OtherSystemCall,
            _ => ours == Flow::Next,
        },
        FlowControl::XbeginXabortXend => match theirs.mnemonic() {
            Mnemonic::Xbegin => ours == Flow::ShortBranch(to),
            _ => ours == Flow::Next,
        },
    }
}

fn ours_immediate(bytes: &[u8], at: usize, end: usize) -> u64 {
    match bytes[at..end].try_into() {
        Ok(four) => i64::from(i32::from_le_bytes(four)) as u64,
        Err(_) => u64::from_le_bytes(bytes[at..end].try_into().expect("four or eight bytes")),
    }
}

fn is_same_reference(ours: &Decoded, theirs: &Instruction, bytes: &[u8]) -> bool {
    let is_relative = theirs.is_ip_rel_memory_operand();
    let has_memory = theirs.op_kinds().any(|kind| kind == OpKind::Memory);
    let is_absolute = has_memory
        && !is_relative
        && theirs.memory_base() == iced_x86::Register::None
        && theirs.mnemonic() != Mnemonic::Mov;
    match ours.reference {
        Reference::Relative(_) => is_relative,
        _ if is_relative => false,
        Reference::Table(_) => has_memory && theirs.memory_base() == iced_x86::Register::None,
        Reference::Immediate(at) => {
            let immediate = match theirs.op1_kind() {
                OpKind::Immediate32 => u64::from(theirs.immediate32()) as i32 as i64 as u64,
                _ => theirs.immediate(1),
            };
            theirs.mnemonic() == Mnemonic::Mov
                && immediate == ours_immediate(bytes, usize::from(at), theirs.len())
        }
        Reference::None => !is_absolute,
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
