//! Where a function may be entered by addresses that are not in its code: from
//! jump tables and tables of landing pads.

use core::ops::Range;

use crate::code_map::{Extent, Function};
use crate::landing;
use crate::survey::Survey;
use crate::tables::{self, Data};
use crate::unwind::Landing;

/// Nothing is mapped below.
const LOWEST: u64 = 4096;
/// An object's data is this near its text.
const REACH: u64 = 1 << 31;

/// The data of an object, and which of it leads into the text.
#[derive(Clone)]
pub(crate) struct Memory<'d> {
    pub data: Option<&'d dyn Data>,
    /// Addresses of the text.
    pub text: Range<u64>,
}

impl Memory<'_> {
    /// Whether a number may be an address of the object. Most are small.
    #[inline(always)]
    pub(crate) fn may_be_address(&self, number: u64) -> bool {
        number >= LOWEST && number.abs_diff(self.text.start) < REACH
    }

    /// Whether there is data at an address that an instruction names.
    pub(crate) fn is_data(&self, address: u64) -> bool {
        self.may_be_address(address)
            && !self.text.contains(&address)
            && self.data.is_some_and(|data| data.bytes_from(address).is_some())
    }

    /// Whether a jump table may start at an address.
    pub(crate) fn may_be_table(&self, address: u64) -> bool {
        self.data.is_none_or(|data| tables::may_start_at(data, address, &self.text))
    }

    /// Calls `note` with the targets of a function's indirect jumps and with its
    /// landing pads, both and perhaps more. `None` if there may be others.
    ///
    /// An indirect jump takes its target from a table whose address the function
    /// takes, or it leads to the start of another function (a tail call). So
    /// where no address is taken, or one within the function itself (labels as
    /// values), it may lead anywhere. In the latter case so may a jump through a pointer.
    pub(crate) fn for_each_target(
        &self,
        function: &Function,
        survey: &Survey,
        note: &mut dyn FnMut(u64),
    ) -> Option<()> {
        self.for_each_pad(function, note)?;
        let has_labels = survey.has_pointer_jump && survey.takes_own_address;
        let entries = self.for_each_entry(survey, note);
        // What does not look like an indirect jump may be one (`push` and `ret`, retpolines).
        // Then all that is known is where its table leads.
        if survey.has_indirect_jump || has_labels { entries } else { Some(()) }
    }

    /// The part of it that is in tables.
    #[inline(never)]
    pub(crate) fn for_each_entry(&self, survey: &Survey, note: &mut dyn FnMut(u64)) -> Option<()> {
        let (taken, indexed) = (&survey.data, &survey.indexed);
        let is_unknown = taken.as_slice().is_empty() && indexed.as_slice().is_empty();
        if is_unknown || survey.takes_own_address || taken.overflowed() || indexed.overflowed() {
            return None;
        }
        let data = self.data?;
        if taken.as_slice().iter().chain(indexed.as_slice()).any(|at| tables::is_unknown(data, *at))
        {
            return None;
        }
        for table in taken.as_slice() {
            tables::for_each_entry(data, *table, &self.text, note)?;
        }
        for table in indexed.as_slice() {
            tables::for_each_indexed(data, *table, &self.text, note)?;
        }
        Some(())
    }

    fn for_each_pad(&self, function: &Function, note: &mut dyn FnMut(u64)) -> Option<()> {
        match function.extent {
            Extent::Frame(_, Landing::None) | Extent::Symbol | Extent::Span => Some(()),
            Extent::Frame(_, Landing::Unknown) => None,
            Extent::Frame(_, Landing::Table(address)) => {
                let bytes = self.data?.bytes_from(address)?;
                landing::for_each_pad(bytes, address, &function.range, note)
            }
        }
    }
}
