//! The whole system's names and numbers, and structures seen seldom.

use crate::format::Scene;
use crate::format::text::Item;
use crate::line::Line;
use crate::memory::Record;
use crate::names::{memory, system};

impl Scene<'_> {
    /// `{sysname="Linux", nodename="host", ...}`.
    pub(super) fn system_names(&self, line: &mut Line<'_>, address: u64) {
        const NAME: usize = 65;
        let Some(record) = self.record::<{ 2 * NAME }>(line, address) else {
            return;
        };
        for (name, at) in [("{sysname=\"", 0), ("\", nodename=\"", NAME)] {
            let field = record.bytes(at, NAME);
            let value = field.split(|&byte| byte == 0).next().unwrap_or(&[]);
            line.text(name).escaped(value, None);
        }
        line.text("\", ...}");
    }

    pub(super) fn system_information(&self, line: &mut Line<'_>, address: u64) {
        let Some(record) = self.record::<112>(line, address) else {
            return;
        };
        line.text("{uptime=").dec(record.i64(0));
        for (name, at) in [(", loads=[", 8), (", ", 16), (", ", 24), ("], totalram=", 32)] {
            line.text(name).udec(record.u64(at));
        }
        for (name, at) in [
            (", freeram=", 40),
            (", sharedram=", 48),
            (", bufferram=", 56),
            (", totalswap=", 64),
            (", freeswap=", 72),
        ] {
            line.text(name).udec(record.u64(at));
        }
        line.text(", procs=").udec(record.u16(80).into());
        line.text(", totalhigh=").udec(record.u64(88));
        line.text(", freehigh=").udec(record.u64(96));
        line.text(", mem_unit=").udec(record.u32(104).into()).text("}");
    }

    /// Operations on semaphores, `[{sem_num=0, sem_op=-1, sem_flg=SEM_UNDO}]`.
    pub(super) fn semaphore_operations(&self, line: &mut Line<'_>, address: u64, count: u64) {
        self.array(line, address, count, 6, |line, item| {
            let Some(record) = Record::<6>::read(self.memory, item) else {
                return Item::Unreadable;
            };
            line.begin_item(item != address);
            line.text("{sem_num=").udec(record.u16(0).into());
            line.text(", sem_op=").dec(i64::from(record.u16(2) as i16));
            line.text(", sem_flg=").flags(memory::SEM_OPERATION, record.u16(4).into()).text("}");
            Item::Shown
        });
    }

    /// A System V message: its type, and data of so many bytes.
    pub(super) fn message_buffer(&self, line: &mut Line<'_>, address: u64, size: u64) {
        if let Some(record) = self.record::<8>(line, address) {
            line.text("{mtype=").dec(record.i64(0)).text(", mtext=");
            self.data(line, address.wrapping_add(8), size);
            line.text("}");
        }
    }

    /// Attributes of a message queue.
    pub(super) fn queue_attributes(&self, line: &mut Line<'_>, address: u64) {
        let Some(record) = self.record::<32>(line, address) else {
            return;
        };
        line.text("{mq_flags=").hex(record.u64(0));
        for (name, at) in [(", mq_maxmsg=", 8), (", mq_msgsize=", 16), (", mq_curmsgs=", 24)] {
            line.text(name).dec(record.i64(at));
        }
        line.text("}");
    }

    /// What kind of event is counted.
    pub(super) fn event_attributes(&self, line: &mut Line<'_>, address: u64) {
        if let Some(record) = self.record::<24>(line, address) {
            line.text("{type=").choice(system::PERF_TYPE, record.u32(0).into());
            line.text(", size=").udec(record.u32(4).into());
            line.text(", config=").hex(record.u64(8));
            line.text(", sample_period=").udec(record.u64(16)).text(", ...}");
        }
    }

    /// Parameters of a ring, as the kernel completed them.
    pub(super) fn ring_parameters(&self, line: &mut Line<'_>, address: u64) {
        if let Some(record) = self.record::<24>(line, address) {
            line.text("{flags=").flags(system::URING_SETUP, record.u32(8).into());
            line.text(", sq_thread_cpu=").udec(record.u32(12).into());
            line.text(", sq_thread_idle=").udec(record.u32(16).into());
            line.text(", sq_entries=").udec(record.u32(0).into());
            line.text(", cq_entries=").udec(record.u32(4).into());
            line.text(", features=").flags(system::URING_FEATURES, record.u32(20).into());
            line.text(", ...}");
        }
    }

    pub(super) fn ruleset(&self, line: &mut Line<'_>, address: u64, size: u64) {
        let record = match address {
            0 => None,
            _ => Record::<24>::read_part(self.memory, address, size),
        };
        let Some(record) = record else {
            line.address(address);
            return;
        };
        line.text("{handled_access_fs=").flags(system::LANDLOCK_FS, record.u64(0));
        for (name, at) in [(", handled_access_net=", 8), (", scoped=", 16)] {
            if size > at as u64 {
                line.text(name).hex(record.u64(at));
            }
        }
        line.text("}");
    }

    pub(super) fn cache_range(&self, line: &mut Line<'_>, address: u64) {
        if let Some(record) = self.record::<16>(line, address) {
            line.text("{off=").udec(record.u64(0));
            line.text(", len=").udec(record.u64(8)).text("}");
        }
    }

    pub(super) fn cache_statistics(&self, line: &mut Line<'_>, address: u64) {
        let Some(record) = self.record::<40>(line, address) else {
            return;
        };
        for (name, at) in [
            ("{nr_cache=", 0),
            (", nr_dirty=", 8),
            (", nr_writeback=", 16),
            (", nr_evicted=", 24),
            (", nr_recently_evicted=", 32),
        ] {
            line.text(name).udec(record.u64(at));
        }
        line.text("}");
    }

    /// Which mount `statmount` or `listmount` asks for.
    pub(super) fn mount_request(&self, line: &mut Line<'_>, address: u64) {
        if let Some(record) = self.record::<24>(line, address) {
            line.text("{size=").udec(record.u32(0).into());
            line.text(", mnt_id=").hex(record.u64(8));
            line.text(", param=").hex(record.u64(16)).text("}");
        }
    }

    /// Pages that are in memory, `[1, 0]`.
    pub(super) fn residency(&self, line: &mut Line<'_>, address: u64, length: u64) {
        self.array(line, address, length.div_ceil(4096), 1, |line, item| {
            let Some(record) = Record::<1>::read(self.memory, item) else {
                return Item::Unreadable;
            };
            line.begin_item(item != address);
            line.udec(u64::from(record.u8(0) & 1));
            Item::Shown
        });
    }

    /// A memory policy with its flags.
    pub(super) fn memory_policy(&self, line: &mut Line<'_>, value: u64) {
        let value = value & 0xffff_ffff;
        line.mixed(memory::NUMA_MODE, 0x1fff, memory::NUMA_MODE_FLAGS, value);
    }
}
