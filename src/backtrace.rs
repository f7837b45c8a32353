//! Who called whom, from unwind tables, without libc: for reports.
//!
//! Everything is read as the program's memory is: what cannot be read ends the
//! backtrace.

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EndianSlice, LittleEndian, Reader as _,
    ReaderOffset, Register, RegisterRule, UnwindContext, UnwindContextStorage, UnwindExpression,
    UnwindSection, UnwindTableRow, X86_64,
};

use crate::patch::{Image, ImageVmas};
use crate::sys::{self, Maps};

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// Frames in a backtrace.
const FRAMES: usize = 64;
/// Registers that unwind tables name, in DWARF's order; the last is rip.
const REGISTERS: usize = 17;
const RSP: usize = 7;
const RIP: usize = 16;

/// The registers of a frame, numbered as in the x86-64 ABI's DWARF mapping.
#[derive(Clone)]
pub(crate) struct Registers(pub [u64; REGISTERS]);

/// Where an address is.
pub(crate) struct Place<'a> {
    pub address: u64,
    /// The object's path, and the address as its file has it.
    pub object: Option<(&'a [u8], u64)>,
    /// The exported function that it is in, and the distance from its start.
    pub symbol: Option<(&'a [u8], u64)>,
}

/// Describes the frame with these registers and those that called it, innermost
/// first.
pub(crate) fn walk(maps: &Maps, mut registers: Registers, mut tell: impl FnMut(&Place<'_>)) {
    // The first address is where the program stands, the others follow calls.
    let mut is_exact = true;
    for _ in 0..FRAMES {
        let (rip, rsp) = (registers.0[RIP], registers.0[RSP]);
        let at = if is_exact { rip } else { rip.wrapping_sub(1) };
        let next = in_image(maps, at, |name, image| {
            let symbol = image.symbol_at(at).map(|(name, start)| (name, rip - start));
            let object = Some((name, rip.wrapping_sub(image.bias())));
            tell(&Place { address: rip, object, symbol });
            step(image, at, &mut registers)
        });
        match next {
            Some(Some(Step { is_signal_frame })) => is_exact = is_signal_frame,
            Some(None) => return,
            None => {
                tell(&Place { address: rip, object: None, symbol: None });
                if !(is_exact && return_from_nowhere(&mut registers)) {
                    return;
                }
                is_exact = false;
            }
        }
        if registers.0[RIP] == 0 || registers.0[RSP] == rsp && registers.0[RIP] == rip {
            return;
        }
    }
}

/// A jump or call to a bad address has just pushed where it came from.
fn return_from_nowhere(registers: &mut Registers) -> bool {
    let rsp = registers.0[RSP];
    read_word(rsp).is_some_and(|address| {
        registers.0[RIP] = address;
        registers.0[RSP] = rsp.wrapping_add(8);
        true
    })
}

/// Calls a function with the image that an address is in, and its name.
fn in_image<T>(maps: &Maps, address: u64, then: impl FnOnce(&[u8], &Image<'_>) -> T) -> Option<T> {
    let mut rest = maps.vmas();
    let mut file = rest.clone();
    let mut inode = 0;
    loop {
        let here = rest.clone();
        let vma = rest.next()?;
        if vma.inode != inode || vma.offset == 0 {
            (file, inode) = (here, vma.inode);
        }
        if !vma.range.contains(&address) {
            continue;
        }
        let first = file.clone().next()?;
        let memory = ImageVmas::new(file.take_while(|vma| vma.inode == inode));
        return Image::at(first.range.start, &memory).map(|image| then(first.name, &image));
    }
}

struct Step {
    is_signal_frame: bool,
}

/// Goes to the caller. Returns nothing at the end of the stack.
fn step(image: &Image<'_>, at: u64, registers: &mut Registers) -> Option<Step> {
    let (header_at, header) = image.eh_frame_hdr()?;
    let frames_at = interceptor_rewrite::eh_frame_address(header_at, header)?;
    let frames = EhFrame::new(image.from(frames_at)?, LittleEndian);
    let bases = BaseAddresses::default().set_eh_frame_hdr(header_at).set_eh_frame(frames_at);
    let header = EhFrameHdr::new(header, LittleEndian).parse(&bases, 8).ok()?;
    let table = header.table()?;
    let fde = table.fde_for_address(&frames, &bases, at, EhFrame::cie_from_offset).ok()?;
    let mut context = UnwindContext::<usize, Fixed>::new_in();
    let row = fde.unwind_info_for_address(&frames, &bases, &mut context, at).ok()?;
    let of = |register: Register| registers.0.get(usize::from(register.0)).copied();
    let cfa = match row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => {
            of(*register)?.wrapping_add_signed(*offset)
        }
        CfaRule::Expression(expression) => evaluate(expression, &frames, registers, None)?,
    };
    let mut caller = registers.clone();
    caller.0[RSP] = cfa;
    for (number, value) in caller.0.iter_mut().enumerate() {
        let rule = row.register(Register(number as u16));
        *value = match rule {
            Some(RegisterRule::Offset(offset)) => read_word(cfa.wrapping_add_signed(offset))?,
            Some(RegisterRule::ValOffset(offset)) => cfa.wrapping_add_signed(offset),
            Some(RegisterRule::Register(register)) => of(register)?,
            Some(RegisterRule::Expression(expression)) => {
                read_word(evaluate(&expression, &frames, registers, Some(cfa))?)?
            }
            Some(RegisterRule::ValExpression(expression)) => {
                evaluate(&expression, &frames, registers, Some(cfa))?
            }
            // The end of the stack is marked so.
            Some(RegisterRule::Undefined) if number == RIP => return None,
            _ => *value,
        };
    }
    *registers = caller;
    Some(Step { is_signal_frame: fde.is_signal_trampoline() })
}

/// The value of an expression over registers; `cfa` is on its stack first. Of
/// DWARF's operations, those that compilers and libraries use in unwind tables: no
/// branches, no calls.
fn evaluate(
    expression: &UnwindExpression<usize>,
    frames: &EhFrame<Bytes<'_>>,
    registers: &Registers,
    cfa: Option<u64>,
) -> Option<u64> {
    let mut code: Bytes<'_> = expression.get(frames).ok()?.0;
    let mut stack: heapless::Vec<u64, 16> = cfa.into_iter().collect();
    while !code.is_empty() {
        let operation = gimli::DwOp(code.read_u8().ok()?);
        let value = match operation {
            gimli::DW_OP_const1u => u64::from(code.read_u8().ok()?),
            gimli::DW_OP_const2u => u64::from(code.read_u16().ok()?),
            gimli::DW_OP_constu => code.read_uleb128().ok()?,
            gimli::DW_OP_consts => code.read_sleb128().ok()? as u64,
            gimli::DW_OP_const1s => i64::from(code.read_i8().ok()?) as u64,
            gimli::DwOp(0x30..=0x4f) => u64::from(operation.0 - gimli::DW_OP_lit0.0),
            gimli::DwOp(0x70..=0x8f) => {
                let number = operation.0 - gimli::DW_OP_breg0.0;
                let register = registers.0.get(usize::from(number))?;
                register.wrapping_add_signed(code.read_sleb128().ok()?)
            }
            gimli::DW_OP_dup => *stack.last()?,
            gimli::DW_OP_deref => read_word(stack.pop()?)?,
            gimli::DW_OP_deref_size => {
                let bits = u32::from(code.read_u8().ok()?) * 8;
                read_word(stack.pop()?)? & u64::MAX.checked_shr(64_u32.checked_sub(bits)?)?
            }
            gimli::DW_OP_plus_uconst => stack.pop()?.wrapping_add(code.read_uleb128().ok()?),
            _ => {
                let (right, left) = (stack.pop()?, stack.pop()?);
                binary(operation, left, right)?
            }
        };
        stack.push(value).ok()?;
    }
    stack.pop()
}

/// The result of an operation on the two topmost values.
fn binary(operation: gimli::DwOp, left: u64, right: u64) -> Option<u64> {
    let is = |holds: bool| u64::from(holds);
    let (signed_left, signed_right) = (left as i64, right as i64);
    Some(match operation {
        gimli::DW_OP_plus => left.wrapping_add(right),
        gimli::DW_OP_minus => left.wrapping_sub(right),
        gimli::DW_OP_and => left & right,
        gimli::DW_OP_or => left | right,
        gimli::DW_OP_shl => left.checked_shl(right as u32)?,
        gimli::DW_OP_shr => left.checked_shr(right as u32)?,
        gimli::DW_OP_shra => signed_left.checked_shr(right as u32)? as u64,
        gimli::DW_OP_ge => is(signed_left >= signed_right),
        gimli::DW_OP_gt => is(signed_left > signed_right),
        gimli::DW_OP_le => is(signed_left <= signed_right),
        gimli::DW_OP_lt => is(signed_left < signed_right),
        gimli::DW_OP_eq => is(left == right),
        gimli::DW_OP_ne => is(left != right),
        _ => return None,
    })
}

fn read_word(address: u64) -> Option<u64> {
    sys::read_guest_words(address).map(|[word]| word)
}

/// Room for unwinding, all of it on the stack.
struct Fixed;

impl<T: ReaderOffset> UnwindContextStorage<T> for Fixed {
    type Rules = [(Register, RegisterRule<T>); 24];
    type Stack = [UnwindTableRow<T, Self>; 3];
}

const _: () = assert!(X86_64::RSP.0 as usize == RSP && X86_64::RA.0 as usize == RIP);
