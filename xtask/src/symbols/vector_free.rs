//! Proof that a function and everything it calls leave vector state alone.
//!
//! The entry saves no vector register around the functions that decide whether
//! a call needs more; that is sound only if no instruction they can reach
//! touches one. The check follows the control flow of the finished code, since
//! an inliner or a `memcpy` idiom may bring vector instructions in anywhere.

use std::collections::BTreeSet;

use anyhow::Result;
use iced_x86::{
    FlowControl, Formatter as _, Instruction, InstructionInfoFactory, Mnemonic, NasmFormatter,
    OpKind,
};

use super::Library;
use super::code::Code;
use super::symbol_map::SymbolMap;
use super::vector_state;

/// Where the entry calls without saving vector registers.
const ROOTS: &[&str] =
    &["interceptor_route_enter", "interceptor_route_exit", "interceptor_measure_xsave"];

/// Functions whose indirect calls are known to reach vector-free code only.
///
/// A hook in C is called from here only after its author has declared it free
/// of vector code.
const ALLOWED_INDIRECT: &[&str] = &["enter_for_foreign_hook", "enter_with_foreign_hook"];

/// Arguments of the vector-free check.
#[derive(clap::Args, Default)]
pub struct Selection {
    /// Start from this function instead of the entry's
    #[arg(long = "root", value_name = "SYMBOL")]
    roots: Vec<String>,
    /// Accept indirect calls inside this function
    #[arg(long = "allow", value_name = "SYMBOL")]
    allow: Vec<String>,
}

/// Follows every root; names the first offence of each function.
pub fn check(library: &Library, args: &Selection) -> Result<Vec<String>> {
    let given = args.roots.iter().map(String::as_str);
    let roots: Vec<&str> = if args.roots.is_empty() { ROOTS.to_vec() } else { given.collect() };
    let allow = args.allow.iter().map(String::as_str);
    let mut walk = Walk {
        code: Code::of(library)?,
        symbols: SymbolMap::of(library)?,
        allow: ALLOWED_INDIRECT.iter().copied().chain(allow).collect(),
        info: InstructionInfoFactory::new(),
        seen: BTreeSet::new(),
        calls: Vec::new(),
        open: Vec::new(),
        offenders: BTreeSet::new(),
        failures: Vec::new(),
    };
    for root in roots {
        match walk.symbols.find(root).map(|function| function.start) {
            Some(start) => walk.follow(start),
            None => walk.failures.push(format!("there is no function `{root}`")),
        }
    }
    Ok(walk.failures)
}

/// One traversal of everything reachable.
struct Walk<'a> {
    code: Code<'a>,
    symbols: SymbolMap,
    allow: Vec<&'a str>,
    info: InstructionInfoFactory,
    /// Addresses of instructions already visited.
    seen: BTreeSet<u64>,
    /// How functions were reached.
    calls: Vec<Call>,
    /// Addresses still to visit, each with its function's index in `calls`.
    open: Vec<(u64, usize)>,
    /// Functions already reported, by index in `calls`.
    offenders: BTreeSet<usize>,
    failures: Vec<String>,
}

/// A function, reached from another one.
struct Call {
    name: String,
    start: u64,
    end: u64,
    caller: Option<usize>,
}

impl Walk<'_> {
    fn follow(&mut self, root: u64) {
        let call = self.enter(root, None);
        self.open.push((root, call));
        while let Some((address, call)) = self.open.pop() {
            self.follow_straight(address, call);
        }
    }

    /// Visits instructions from `address` until control cannot fall through.
    fn follow_straight(&mut self, address: u64, call: usize) {
        let mut before: Vec<Instruction> = Vec::new();
        let instructions: Vec<Instruction> = self.code.from(address).take(MAX_STRAIGHT).collect();
        for instruction in instructions {
            if !self.seen.insert(instruction.ip()) {
                return;
            }
            if vector_state::is_touched_by(&instruction, &mut self.info) {
                self.report(call, &instruction, "touches vector state");
            }
            match instruction.flow_control() {
                FlowControl::Next => {}
                FlowControl::ConditionalBranch | FlowControl::XbeginXabortXend => {
                    self.reach(instruction.near_branch_target(), call);
                }
                FlowControl::UnconditionalBranch => {
                    return self.reach(instruction.near_branch_target(), call);
                }
                FlowControl::Call if instruction.mnemonic() == Mnemonic::Call => {
                    self.reach(instruction.near_branch_target(), call);
                }
                // `syscall`, which leaves vector state to the kernel's ABI.
                FlowControl::Call => {}
                FlowControl::IndirectCall => self.refuse_indirect(call, &instruction),
                FlowControl::IndirectBranch => {
                    if is_jump_table(&before, &instruction) {
                        self.reach_whole_function(call);
                    } else {
                        self.refuse_indirect(call, &instruction);
                    }
                    return;
                }
                FlowControl::Return | FlowControl::Interrupt | FlowControl::Exception => return,
            }
            before.push(instruction);
        }
        self.failures
            .push(format!("{}: the code from {address:#x} on cannot be decoded", self.path(call)));
    }

    /// Notes that control can reach `target`, maybe in another function.
    fn reach(&mut self, target: u64, from: usize) {
        let inside = &self.calls[from];
        let call = if (inside.start..inside.end).contains(&target) {
            from
        } else {
            self.enter(target, Some(from))
        };
        self.open.push((target, call));
    }

    fn enter(&mut self, target: u64, caller: Option<usize>) -> usize {
        let call = match self.symbols.containing(target) {
            Some(function) => Call {
                name: function.source_name(),
                start: function.start,
                end: function.start + function.size,
                caller,
            },
            None => Call { name: format!("{target:#x}"), start: target, end: target, caller },
        };
        self.calls.push(call);
        self.calls.len() - 1
    }

    /// A jump table leads anywhere in its function, and nowhere else.
    fn reach_whole_function(&mut self, call: usize) {
        let (start, end) = (self.calls[call].start, self.calls[call].end);
        let addresses = self.code.from(start).map(|instruction| instruction.ip());
        let inside: Vec<u64> = addresses.take_while(|address| *address < end).collect();
        self.open.extend(inside.into_iter().map(|address| (address, call)));
    }

    fn refuse_indirect(&mut self, call: usize, instruction: &Instruction) {
        let function = self.symbols.containing(self.calls[call].start);
        let is_allowed =
            function.is_some_and(|function| self.allow.iter().any(|name| function.is_named(name)));
        if !is_allowed {
            self.report(call, instruction, "leads to code that cannot be followed");
        }
    }

    fn report(&mut self, call: usize, instruction: &Instruction, what: &str) {
        if self.offenders.insert(call) {
            let mut text = String::new();
            NasmFormatter::new().format(instruction, &mut text);
            self.failures.push(format!(
                "{}: `{text}` at {:#x} {what}",
                self.path(call),
                instruction.ip()
            ));
        }
    }

    /// Names of the functions from the root to this one.
    fn path(&self, call: usize) -> String {
        let mut names = vec![self.calls[call].name.as_str()];
        let mut caller = self.calls[call].caller;
        while let Some(index) = caller {
            names.push(&self.calls[index].name);
            caller = self.calls[index].caller;
        }
        names.reverse();
        names.dedup();
        names.join(" -> ")
    }
}

/// Longest run of instructions without a jump or return that is believed.
const MAX_STRAIGHT: usize = 100_000;

/// Whether an indirect jump ends the sequence that LLVM makes of a `switch`:
/// a table entry is loaded with its sign, the table's address added.
fn is_jump_table(before: &[Instruction], jump: &Instruction) -> bool {
    if jump.op0_kind() != OpKind::Register {
        return false;
    }
    let target = jump.op0_register();
    let mut recent = before.iter().rev().take(8);
    let is_sum = recent.any(|instruction| {
        instruction.mnemonic() == Mnemonic::Add && instruction.op0_register() == target
    });
    is_sum && recent.any(|instruction| instruction.mnemonic() == Mnemonic::Movsxd)
}
