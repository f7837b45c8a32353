//! Addresses and options of sockets.

use crate::format::Scene;
use crate::format::time::Unit;
use crate::line::Line;
use crate::memory::{Record, read_u32};
use crate::names::network;

const SOL_IP: u32 = 0;
const SOL_SOCKET: u32 = 1;
const SOL_TCP: u32 = 6;
const SOL_UDP: u32 = 17;
const SOL_IPV6: u32 = 41;
const SOL_NETLINK: u32 = 270;

/// `sockaddr_un` is the longest that is looked into.
const ADDRESS: usize = 110;

impl Scene<'_> {
    /// An address of so many bytes.
    pub(super) fn socket_address(&self, line: &mut Line<'_>, address: u64, size: u64) {
        let record = match (address, size) {
            (0, _) | (_, 0..2) => None,
            _ => Record::<ADDRESS>::read_part(self.memory, address, size),
        };
        let Some(record) = record else {
            line.address(address);
            return;
        };
        let size = size.min(ADDRESS as u64) as usize;
        line.text("{sa_family=").choice(network::DOMAIN, record.u16(0).into());
        match (record.u16(0), size) {
            (1, 3..) => self.unix_address(line, record.bytes(2, size - 2)),
            (2, 16..) => {
                line.text(", sin_port=htons(").udec(record.be16(2).into());
                line.text("), sin_addr=inet_addr(\"");
                ipv4(line, record.bytes(4, 4));
                line.text("\")");
            }
            (10, 24..) => {
                line.text(", sin6_port=htons(").udec(record.be16(2).into());
                let flow = u64::from(record.u32(4).swap_bytes());
                line.text("), sin6_flowinfo=htonl(").udec(flow);
                line.text("), inet_pton(AF_INET6, \"");
                ipv6(line, &record);
                line.text("\", &sin6_addr)");
                if size >= 28 {
                    line.text(", sin6_scope_id=").udec(record.u32(24).into());
                }
            }
            (16, 12..) => {
                line.text(", nl_pid=").dec(record.i32(4).into());
                line.text(", nl_groups=");
                match record.u32(8) {
                    0 => line.text("00000000"),
                    groups => line.hex_padded(groups.into(), 6),
                };
            }
            (_, 3..) => {
                line.text(", sa_data=\"");
                line.escaped(record.bytes(2, size - 2), None).text("\"");
            }
            _ => {}
        }
        line.text("}");
    }

    /// A path, or after `@` a name that is in no file system.
    fn unix_address(&self, line: &mut Line<'_>, path: &[u8]) {
        let (mark, shown) = match path.split_first() {
            Some((0, name)) => ("@", name),
            _ => ("", path.split(|&byte| byte == 0).next().unwrap_or(&[])),
        };
        line.text(", sun_path=").text(mark).text("\"");
        line.escaped(shown, None).text("\"");
    }

    /// An address that the call filled; its size is where the next argument points.
    pub(super) fn received_address(&self, line: &mut Line<'_>, index: usize) {
        let address = self.arg(index);
        match read_u32(self.memory, self.next(index)) {
            Some(size) if address != 0 => self.socket_address(line, address, size.into()),
            _ => {
                line.address(address);
            }
        }
    }

    /// The protocols of a domain.
    pub(super) fn protocol(&self, line: &mut Line<'_>, value: u64) {
        match self.arg(0) as u32 {
            2 | 10 => line.choice(network::INET_PROTOCOL, value),
            16 => line.choice(network::NETLINK_PROTOCOL, value),
            _ => line.udec(value),
        };
    }

    /// The name of an option, given its level in the argument before.
    pub(super) fn option_name(&self, line: &mut Line<'_>, value: u64) {
        let names = match self.arg(1) as u32 {
            SOL_SOCKET => network::SOCKET_OPTION,
            SOL_IP => network::IP_OPTION,
            SOL_IPV6 => network::IPV6_OPTION,
            SOL_TCP => network::TCP_OPTION,
            SOL_UDP => network::UDP_OPTION,
            SOL_NETLINK => network::NETLINK_OPTION,
            _ => {
                line.hex(value);
                return;
            }
        };
        line.choice(names, value);
    }

    /// An option's value, of so many bytes.
    pub(super) fn option_value(&self, line: &mut Line<'_>, address: u64, size: u64) {
        match (self.arg(1) as u32, self.arg(2) as u32, size) {
            // SO_LINGER
            (SOL_SOCKET, 13, 8..) => {
                if let Some(record) = self.record::<8>(line, address) {
                    line.text("{l_onoff=").dec(record.i32(0).into());
                    line.text(", l_linger=").dec(record.i32(4).into()).text("}");
                }
            }
            // SO_PEERCRED
            (SOL_SOCKET, 17, 12..) => self.credentials(line, address),
            // SO_RCVTIMEO, SO_SNDTIMEO
            (SOL_SOCKET, 20 | 21 | 66 | 67, 16..) => self.time(line, address, Unit::Microseconds),
            // SO_BINDTODEVICE; TCP_CONGESTION, TCP_ULP
            (SOL_SOCKET, 25, _) | (SOL_TCP, 13 | 31, _) => self.name_of(line, address, size),
            (_, _, 4) => self.numbers_at::<4>(line, address),
            _ => self.data(line, address, size),
        }
    }

    /// A name that ends in a zero byte or with its buffer.
    pub(super) fn name_of(&self, line: &mut Line<'_>, address: u64, size: u64) {
        const LONGEST: usize = 16;
        let size = size.min(LONGEST as u64);
        let Some(record) = Record::<LONGEST>::read_part(self.memory, address, size) else {
            line.address(address);
            return;
        };
        let bytes = record.bytes(0, size as usize);
        let name = bytes.split(|&byte| byte == 0).next().unwrap_or(&[]);
        line.text("\"").escaped(name, None).text("\"");
    }
}

fn ipv4(line: &mut Line<'_>, bytes: &[u8]) {
    for (index, &byte) in bytes.iter().enumerate() {
        line.text(if index == 0 { "" } else { "." }).udec(byte.into());
    }
}

/// The address in a `sockaddr_in6`, as RFC 5952 writes it.
fn ipv6(line: &mut Line<'_>, record: &Record<ADDRESS>) {
    const GROUPS: usize = 8;
    let group = |index: usize| u64::from(record.be16(8 + 2 * index));
    if (0..5).all(|index| group(index) == 0) && group(5) == 0xffff {
        line.text("::ffff:");
        ipv4(line, record.bytes(20, 4));
        return;
    }
    // The first of the longest runs of at least two zero groups is left out.
    let run = |start: usize| (start..GROUPS).take_while(|&index| group(index) == 0).count();
    let (mut gap, mut longest) = (GROUPS, 1);
    for start in 0..GROUPS {
        if run(start) > longest {
            (gap, longest) = (start, run(start));
        }
    }
    let mut index = 0;
    while index < GROUPS {
        if index == gap {
            line.text("::");
            index += longest;
            continue;
        }
        if index != 0 && index != gap.saturating_add(longest) {
            line.text(":");
        }
        line.hex_digits(group(index), 1);
        index += 1;
    }
}
