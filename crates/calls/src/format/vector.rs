//! Vectors of buffers, and the messages made of them.

use crate::format::Scene;
use crate::format::text::Item;
use crate::line::Line;
use crate::memory::Record;
use crate::names::network;

const SOL_SOCKET: u32 = 1;
const SCM_RIGHTS: u32 = 1;
const SCM_CREDENTIALS: u32 = 2;

impl Scene<'_> {
    /// `[{iov_base="hello", iov_len=5}]`, with at most so many bytes in all.
    pub(super) fn vectors(&self, line: &mut Line<'_>, address: u64, count: u64, bytes: u64) {
        let mut left = bytes;
        self.array(line, address, count, 16, |line, item| {
            let Some(record) = Record::<16>::read(self.memory, item) else {
                return Item::Unreadable;
            };
            line.begin_item(item != address);
            let (base, length) = (record.u64(0), record.u64(8));
            line.text("{iov_base=");
            self.data(line, base, length.min(left));
            left -= length.min(left);
            line.text(", iov_len=").udec(length).text("}");
            Item::Shown
        });
    }

    /// Vectors of which only the addresses mean something here.
    pub(super) fn bare_vectors(&self, line: &mut Line<'_>, address: u64, count: u64) {
        self.array(line, address, count, 16, |line, item| {
            let Some(record) = Record::<16>::read(self.memory, item) else {
                return Item::Unreadable;
            };
            line.begin_item(item != address);
            line.text("{iov_base=").address(record.u64(0));
            line.text(", iov_len=").udec(record.u64(8)).text("}");
            Item::Shown
        });
    }

    /// A `struct msghdr` with at most so many bytes of data.
    pub(super) fn message(&self, line: &mut Line<'_>, address: u64, bytes: u64) {
        if let Some(record) = self.record::<56>(line, address) {
            self.message_record(line, &record, bytes);
        }
    }

    /// Messages of `sendmmsg` and `recvmmsg`, `[{msg_hdr={…}, msg_len=5}]`.
    pub(super) fn messages(
        &self,
        line: &mut Line<'_>,
        address: u64,
        count: u64,
        transfer: Transfer,
    ) {
        self.array(line, address, count, 64, |line, item| {
            let (Some(header), Some(length)) = (
                Record::<56>::read(self.memory, item),
                Record::<4>::read(self.memory, item.wrapping_add(56)),
            ) else {
                return Item::Unreadable;
            };
            line.begin_item(item != address);
            line.text("{msg_hdr=");
            let bytes = match transfer {
                Transfer::Done => length.u32(0).into(),
                Transfer::ToCome => u64::MAX,
            };
            self.message_record(line, &header, bytes);
            if let Transfer::Done = transfer {
                line.text(", msg_len=").udec(length.u32(0).into());
            }
            line.text("}");
            Item::Shown
        });
    }

    fn message_record(&self, line: &mut Line<'_>, record: &Record<56>, bytes: u64) {
        line.text("{msg_name=");
        self.socket_address(line, record.u64(0), record.u32(8).into());
        line.text(", msg_namelen=").dec(record.i32(8).into());
        line.text(", msg_iov=");
        self.vectors(line, record.u64(16), record.u64(24), bytes);
        line.text(", msg_iovlen=").udec(record.u64(24));
        let (control, length) = (record.u64(32), record.u64(40));
        if control != 0 {
            line.text(", msg_control=");
            self.control(line, control, length);
        }
        line.text(", msg_controllen=").udec(length);
        line.text(", msg_flags=").flags(network::MESSAGE, record.u32(48).into()).text("}");
    }

    /// Control messages: descriptors and credentials are shown.
    fn control(&self, line: &mut Line<'_>, address: u64, size: u64) {
        const HEADER: u64 = 16;
        const MOST: usize = 16;
        if size < HEADER || Record::<16>::read(self.memory, address).is_none() {
            line.address(address);
            return;
        }
        let mut at = 0;
        line.text("[");
        for index in 0..MOST {
            let Some(left) = size.checked_sub(at).filter(|&left| left >= HEADER) else {
                break;
            };
            let item = address.wrapping_add(at);
            let Some(record) = Record::<16>::read(self.memory, item) else {
                break;
            };
            line.begin_item(index != 0);
            let length = record.u64(0);
            let (level, kind) = (record.u32(8), record.u32(12));
            line.text("{cmsg_len=").udec(length);
            line.text(", cmsg_level=").choice(network::LEVEL, level.into());
            line.text(", cmsg_type=");
            match level {
                SOL_SOCKET => line.choice(network::CONTROL_TYPE, kind.into()),
                _ => line.hex(kind.into()),
            };
            let payload = length.min(left).saturating_sub(HEADER);
            if payload != 0 {
                line.text(", cmsg_data=");
                self.control_data(line, item.wrapping_add(HEADER), payload, (level, kind));
            }
            line.text("}");
            if length < HEADER || line.is_full() {
                break;
            }
            at = at.saturating_add(length.saturating_add(7) & !7);
        }
        line.text("]");
    }

    fn control_data(&self, line: &mut Line<'_>, address: u64, size: u64, kind: (u32, u32)) {
        match kind {
            (SOL_SOCKET, SCM_RIGHTS) => self.numbers(line, address, size / 4),
            (SOL_SOCKET, SCM_CREDENTIALS) if size >= 12 => self.credentials(line, address),
            _ => self.data(line, address, size),
        }
    }

    /// `{pid=1, uid=0, gid=0}`.
    pub(super) fn credentials(&self, line: &mut Line<'_>, address: u64) {
        if let Some(record) = self.record::<12>(line, address) {
            line.text("{pid=").dec(record.i32(0).into());
            line.text(", uid=").udec(record.u32(4).into());
            line.text(", gid=").udec(record.u32(8).into()).text("}");
        }
    }

    /// An array of 32-bit numbers, `[3, 4]`.
    pub(super) fn numbers(&self, line: &mut Line<'_>, address: u64, count: u64) {
        self.array(line, address, count, 4, |line, item| {
            let Some(record) = Record::<4>::read(self.memory, item) else {
                return Item::Unreadable;
            };
            line.begin_item(item != address);
            line.dec(record.i32(0).into());
            Item::Shown
        });
    }
}

/// Whether data has been transferred already, so that its length is known.
#[derive(Clone, Copy)]
pub(super) enum Transfer {
    ToCome,
    Done,
}
