//! Calls on the whole system: its names, limits, usage, modules, keys and mounts;
//! and those that no kernel implements any more.

use super::calls;

/// Hands the declarations to a macro.
#[doc(hidden)]
#[macro_export]
macro_rules! calls_on_the_system {
    ($($then:tt)*) => { $($then)*! {
        63 uname(names: UtsnameOut) -> Int;
        97 getrlimit(resource: RlimitResource, limit: RlimitOut) -> Int;
        98 getrusage(who: RusageWho, usage: RusageOut) -> Int;
        99 sysinfo(information: SysinfoOut) -> Int;
        100 times(times: TmsOut) -> Long;
        103 syslog(action: SyslogAction, buffer: Pointer, size: Int) -> Int;
        139 sysfs(option: Int, first: Hex, second: Hex) -> Int;
        153 vhangup() -> Int;
        156 _sysctl(arguments: Pointer) -> Int;
        160 setrlimit(resource: RlimitResource, limit: RlimitIn) -> Int;
        162 sync() -> Int;
        169 reboot(magic1: RebootMagic, magic2: RebootMagic, command: RebootCommand, argument: Text) -> Int;
        170 sethostname(name: DataIn, length: Int) -> Int;
        171 setdomainname(name: DataIn, length: Int) -> Int;
        172 iopl(level: Int) -> Int;
        173 ioperm(from: Hex, count: Hex, on: Int) -> Int;
        174 create_module(name: Text, size: Size) -> Address;
        175 init_module(image: Pointer, length: Size, parameters: Text) -> Int;
        176 delete_module(name: Text, flags: DeleteModuleFlags) -> Int;
        177 get_kernel_syms(table: Pointer) -> Int;
        178 query_module(name: Text, which: Int, buffer: Pointer, size: Size, result: Pointer) -> Int;
        180 nfsservctl(command: Int, argument: Pointer, result: Pointer) -> Int;
        183 afs_syscall(a: Hex, b: Hex, c: Hex, d: Hex, e: Hex) -> Int;
        184 tuxcall(a: Hex, b: Hex, c: Hex) -> Int;
        185 security(a: Hex, b: Hex, c: Hex) -> Int;
        212 lookup_dcookie(cookie: Hex, buffer: DataOut, length: Size) -> Size;
        236 vserver(a: Hex, b: Hex, c: Hex, d: Hex, e: Hex) -> Int;
        246 kexec_load(entry: Pointer, count: Size, segments: Pointer, flags: KexecFlags) -> Int;
        248 add_key(kind: Text, description: Text, payload: DataIn, length: Size, keyring: KeySerial) -> Int;
        249 request_key(kind: Text, description: Text, callout: Text, keyring: KeySerial) -> Int;
        250 keyctl(operation: KeyctlOperation, second: Hex, third: Hex, fourth: Hex, fifth: Hex) -> Int;
        302 prlimit64(pid: Pid, resource: RlimitResource, new: RlimitIn, old: RlimitOut) -> Int;
        318 getrandom(buffer: RandomOut, size: Size, flags: RandomFlags) -> Size;
        457 statmount(request: MountRequestIn, buffer: Pointer, size: Size, flags: Hex) -> Int;
        458 listmount(request: MountRequestIn, ids: Pointer, count: Size, flags: Hex) -> Int;
        470 listns(request: Pointer, ids: Pointer, count: Size, flags: Hex) -> Int;
    } };
}

calls_on_the_system!(calls);
