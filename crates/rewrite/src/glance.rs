//! A look at the bytes before a candidate, which tells most bytes that lie
//! inside an instruction without decoding the function from its start.

use crate::decode::{MAX_LEN, decode};

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
            match decode(rest, at) {
                Some(decoded) => at += u64::from(decoded.len),
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
