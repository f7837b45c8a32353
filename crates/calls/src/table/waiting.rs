//! Calls that wait, tell the time or set timers.

use super::calls;

/// Hands the declarations to a macro.
#[doc(hidden)]
#[macro_export]
macro_rules! calls_that_wait {
    ($($then:tt)*) => { $($then)*! {
        7 poll(fds: PollFds, count: Uint, timeout: Int) -> Ready in desc;
        23 select(count: Int, read: FdSetIn, write: FdSetIn, except: FdSetIn, timeout: TimevalIn) -> Ready in desc;
        35 nanosleep(duration: TimespecIn, remaining: RemainingOut) -> Int;
        36 getitimer(which: ItimerWhich, value: ItimervalOut) -> Int;
        37 alarm(seconds: Uint) -> Int;
        38 setitimer(which: ItimerWhich, new: ItimervalIn, old: ItimervalOut) -> Int;
        96 gettimeofday(time: TimevalOut, zone: TimezoneOut) -> Int in clock;
        159 adjtimex(parameters: TimexOut) -> ClockState in clock;
        164 settimeofday(time: TimevalIn, zone: TimezoneIn) -> Int in clock;
        201 time(time: TimeOut) -> Long in clock;
        202 futex(word: Pointer, operation: FutexOperation, value: FutexValue, timeout: FutexTimeout, second: Pointer, last: FutexLast) -> Int;
        208 io_getevents(context: Pointer, min: Long, max: Long, events: IoEventsOut, timeout: TimespecIn) -> Int;
        209 io_submit(context: Pointer, count: Long, blocks: Pointer) -> Int;
        210 io_cancel(context: Pointer, block: Pointer, result: Pointer) -> Int;
        213 epoll_create(size: Int) -> Fd in desc;
        214 epoll_ctl_old(a: Hex, b: Hex, c: Hex, d: Hex) -> Int;
        215 epoll_wait_old(a: Hex, b: Hex, c: Hex, d: Hex) -> Int;
        222 timer_create(clock: Clock, event: SigeventIn, timer: TimerOut) -> Int;
        223 timer_settime(timer: Int, flags: TimerSetFlags, new: ItimerspecIn, old: ItimerspecOut) -> Int;
        224 timer_gettime(timer: Int, value: ItimerspecOut) -> Int;
        225 timer_getoverrun(timer: Int) -> Int;
        226 timer_delete(timer: Int) -> Int;
        227 clock_settime(clock: Clock, time: TimespecIn) -> Int in clock;
        228 clock_gettime(clock: Clock, time: TimespecOut) -> Int in clock;
        229 clock_getres(clock: Clock, resolution: TimespecOut) -> Int in clock;
        230 clock_nanosleep(clock: Clock, flags: TimerSetFlags, request: TimespecIn, remaining: RemainingOut) -> Int;
        232 epoll_wait(epfd: Fd, events: EpollEventsOut, max: Int, timeout: Int) -> Int in desc;
        233 epoll_ctl(epfd: Fd, operation: EpollOperation, fd: Fd, event: EpollEventIn) -> Int in desc;
        240 mq_open(name: Text, flags: OpenFlags, mode: CreateMode, attributes: MqAttrCreate) -> Fd in desc;
        241 mq_unlink(name: Text) -> Int;
        242 mq_timedsend(queue: Fd, message: DataIn, length: Size, priority: Uint, timeout: TimespecIn) -> Int in desc;
        243 mq_timedreceive(queue: Fd, message: DataOut, length: Size, priority: UintOut, timeout: TimespecIn) -> Size in desc;
        244 mq_notify(queue: Fd, event: SigeventIn) -> Int in desc;
        245 mq_getsetattr(queue: Fd, new: MqAttrIn, old: MqAttrOut) -> Int in desc;
        270 pselect6(count: Int, read: FdSetIn, write: FdSetIn, except: FdSetIn, timeout: TimespecIn, mask: SigsetWithSizeIn) -> Ready in desc;
        271 ppoll(fds: PollFds, count: Uint, timeout: TimespecIn, mask: SigsetIn, size: Size) -> Ready in desc;
        281 epoll_pwait(epfd: Fd, events: EpollEventsOut, max: Int, timeout: Int, mask: SigsetIn, size: Size) -> Int in desc;
        291 epoll_create1(flags: EpollFlags) -> Fd in desc;
        305 clock_adjtime(clock: Clock, parameters: TimexOut) -> ClockState in clock;
        333 io_pgetevents(context: Pointer, min: Long, max: Long, events: IoEventsOut, timeout: TimespecIn, mask: Pointer) -> Int;
        441 epoll_pwait2(epfd: Fd, events: EpollEventsOut, max: Int, timeout: TimespecIn, mask: SigsetIn, size: Size) -> Int in desc;
        449 futex_waitv(waiters: FutexWaitersIn, count: Uint, flags: Hex, timeout: TimespecIn, clock: Clock) -> Int;
        454 futex_wake(word: Pointer, mask: Hex, count: Int, flags: Futex2Flags) -> Int;
        455 futex_wait(word: Pointer, value: Hex, mask: Hex, flags: Futex2Flags, timeout: TimespecIn, clock: Clock) -> Int;
        456 futex_requeue(waiters: Pointer, flags: Hex, wake: Int, requeue: Int) -> Int;
    } };
}

calls_that_wait!(calls);
