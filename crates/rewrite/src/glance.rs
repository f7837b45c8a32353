//! A look at the bytes before a candidate, which tells most bytes that lie
//! inside an instruction without decoding the function from its start.

use crate::decode::{MAX_LEN, length};

/// Bytes before a candidate that are looked at.
const BEFORE: u64 = 96;

/// Whether the bytes at `address` lie inside an instruction however those
/// before are decoded. `bytes` lie at `start`.
///
/// Of as many adjacent bytes as the longest instruction has, one is the start of
/// an instruction. So one of the chains that start at each is the right one,
/// unless there is data in between; and chains soon join.
pub(crate) fn is_inside(bytes: &[u8], start: u64, address: u64) -> bool {
    let Some(from) = address.checked_sub(BEFORE).filter(|from| *from >= start) else {
        return false;
    };
    let mut seen = 0_u128;
    let mut is_passed = false;
    for first in from..from + MAX_LEN as u64 {
        let mut at = first;
        while at < address {
            let bit = 1 << (at - from);
            if seen & bit != 0 {
                break;
            }
            seen |= bit;
            let rest = bytes.get((at - start) as usize..).unwrap_or(&[]);
            match length(rest) {
                Some(len) => at += len as u64,
                None => break,
            }
        }
        if at == address {
            return false;
        }
        is_passed |= at > address;
    }
    is_passed
}

#[cfg(test)]
mod tests {
    extern crate std;

    use object::{Object, ObjectSymbol, SymbolKind};

    use super::is_inside;
    use crate::decode::decode;

    /// Every instruction of a function is one to the glance, too.
    #[test]
    fn no_instruction_is_taken_for_the_inside_of_another() {
        let libc = std::fs::read("/lib/x86_64-linux-gnu/libc.so.6").expect("a C library");
        let file = object::File::parse(&*libc).expect("an ELF file");
        let mut seen = 0;
        for symbol in file.dynamic_symbols().filter(|symbol| symbol.kind() == SymbolKind::Text) {
            let (start, end) = (symbol.address(), symbol.address() + symbol.size());
            // Text lies in the file as in memory.
            let Some(bytes) = libc.get(start as usize..).filter(|_| start > 0) else { continue };
            let mut at = start;
            while at < end {
                assert!(!is_inside(bytes, start, at), "{at:#x}");
                let Some(decoded) = decode(&bytes[(at - start) as usize..], at) else { break };
                at += u64::from(decoded.len);
                seen += 1;
            }
        }
        assert!(seen > 50_000, "{seen}");
    }
}
