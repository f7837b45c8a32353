//! Calls on sockets.

use super::calls;

/// Hands the declarations to a macro.
#[doc(hidden)]
#[macro_export]
macro_rules! calls_on_networks {
    ($($then:tt)*) => { $($then)*! {
        40 sendfile(outfd: Fd, infd: Fd, offset: PositionIn, count: SizeAfterOffset) -> Size in desc|network;
        41 socket(domain: SocketDomain, kind: SocketType, protocol: SocketProtocol) -> Fd in network;
        42 connect(fd: Fd, address: SockaddrIn, length: Uint) -> Int in network;
        43 accept(fd: Fd, address: SockaddrOut, length: SockaddrLength) -> Fd in network;
        44 sendto(fd: Fd, buffer: DataIn, length: Size, flags: MessageFlags, address: SockaddrIn, address_length: Uint) -> Size in network;
        45 recvfrom(fd: Fd, buffer: DataOut, length: Size, flags: MessageFlags, address: SockaddrOut, address_length: SockaddrLength) -> Size in network;
        46 sendmsg(fd: Fd, message: MsghdrIn, flags: MessageFlags) -> Size in network;
        47 recvmsg(fd: Fd, message: MsghdrOut, flags: MessageFlags) -> Size in network;
        48 shutdown(fd: Fd, how: ShutdownHow) -> Int in network;
        49 bind(fd: Fd, address: SockaddrIn, length: Uint) -> Int in network;
        50 listen(fd: Fd, backlog: Int) -> Int in network;
        51 getsockname(fd: Fd, address: SockaddrOut, length: SockaddrLength) -> Int in network;
        52 getpeername(fd: Fd, address: SockaddrOut, length: SockaddrLength) -> Int in network;
        53 socketpair(domain: SocketDomain, kind: SocketType, protocol: SocketProtocol, fds: FdPairOut) -> Int in network;
        54 setsockopt(fd: Fd, level: SocketLevel, option: SocketOption, value: SocketOptionIn, length: Uint) -> Int in network;
        55 getsockopt(fd: Fd, level: SocketLevel, option: SocketOption, value: SocketOptionOut, length: SockaddrLength) -> Int in network;
        181 getpmsg(a: Hex, b: Hex, c: Hex, d: Hex, e: Hex) -> Int in network;
        182 putpmsg(a: Hex, b: Hex, c: Hex, d: Hex, e: Hex) -> Int in network;
        288 accept4(fd: Fd, address: SockaddrOut, length: SockaddrLength, flags: SocketFlags) -> Fd in network;
        299 recvmmsg(fd: Fd, messages: MmsghdrOut, count: Uint, flags: MessageFlags, timeout: TimespecIn) -> Int in network;
        307 sendmmsg(fd: Fd, messages: MmsghdrIn, count: Uint, flags: MessageFlags) -> Int in network;
    } };
}

calls_on_networks!(calls);
