//! Nobody reaches the network: only sockets within the machine may be connected, and sent
//! to, by address.
#![no_std]

use interceptor::{Decision, Errno, GuestPtr, Hook, Subscription, SyscallEntry, Sysno, calls};

const AF_UNIX: u16 = 1;
const AF_NETLINK: u16 = 16;

struct Firewall;

/// Whether an address leads out of the machine. One that cannot be read leads nowhere: the
/// kernel says so.
fn leads_out(address: GuestPtr<u8>) -> bool {
    let family = address.cast::<u16>().read();
    !address.is_null() && !matches!(family, Ok(AF_UNIX | AF_NETLINK) | Err(_))
}

impl Hook for Firewall {
    fn subscription(&self) -> Subscription {
        Subscription::Calls(&[Sysno::connect, Sysno::sendto])
    }

    fn enter(&self, call: &mut SyscallEntry) -> Decision {
        let address = if let Some(connect) = call.view::<calls::connect>() {
            connect.address
        } else if let Some(send) = call.view::<calls::sendto>() {
            send.address
        } else {
            return Decision::Forward;
        };
        // The kernel reads the address again, and another thread may have changed it by
        // then: this keeps programs out, not attackers.
        if leads_out(address) { Decision::fail(Errno::EACCES) } else { Decision::Forward }
    }
}

interceptor::preload!(Firewall = Firewall);
