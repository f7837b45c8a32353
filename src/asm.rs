//! The assembly files, and the constants they take from Rust.

use core::arch::global_asm;
use core::mem::size_of;

use crate::{frame, signal, thread, tls};

global_asm!(
    include_str!("../asm/tls.S"),
    tls_size = const size_of::<tls::Tls>(),
    tls_identity = const tls::IDENTITY,
);

global_asm!(
    include_str!("../asm/stub.S"),
    gate_back = const frame::GATE_BACK,
);
global_asm!(include_str!("../asm/symfile.S"));
global_asm!(include_str!("../asm/weak.S"));
global_asm!(include_str!("../asm/sentinel.S"));
global_asm!(include_str!("../asm/own_stack.S"));

#[cfg(feature = "own_calls")]
global_asm!(include_str!("../asm/wait_call.S"), wait_off = const crate::signal::WAIT_OFF);

global_asm!(
    include_str!("../asm/signal.S"),
    tls_ready = const tls::READY,
    tls_block = const tls::BLOCK,
    tls_parked = const tls::PARKED,
    tls_delivered = const tls::DELIVERED,
    frame_info = const signal::INFO_IN_FRAME,
    mask_at = const signal::MASK_AT,
    old_mask_at = const signal::OLD_MASK_AT,
    registers_at = const signal::REGISTERS_AT,
    called_bit = const signal::HANDLER_IS_CALLED,
);

global_asm!(
    include_str!("../asm/thunk.S"),
    tls_ready = const tls::READY,
    tls_base = const tls::BASE,
    tls_block = const tls::BLOCK,
    tls_lost = const tls::LOST,
    tls_parked = const tls::PARKED,
    tls_expected = const tls::EXPECTED,
    tls_flags = const tls::FLAGS,
    frame_anchor = const frame::ANCHOR,
    frame_rsp = const frame::RSP,
    frame_rflags = const frame::RFLAGS,
    frame_target = const frame::TARGET,
    frame_leave = const frame::LEAVE,
    frame_level = const frame::LEVEL,
    frame_block = const frame::BLOCK,
    levels = const tls::LEVELS,
    resume_ahead = const frame::RESUME_AHEAD,
    anchor_ahead = const frame::ANCHOR_AHEAD,
);

global_asm!(
    include_str!("../asm/entry.S"),
    frame_rax = const frame::RAX,
    frame_rdi = const frame::ARGS,
    frame_rsi = const frame::ARGS + 8,
    frame_rdx = const frame::ARGS + 16,
    frame_r10 = const frame::ARGS + 24,
    frame_r8 = const frame::ARGS + 32,
    frame_r9 = const frame::ARGS + 40,
    frame_rsp = const frame::RSP,
    frame_rflags = const frame::RFLAGS,
    frame_anchor = const frame::ANCHOR,
    frame_target = const frame::TARGET,
    frame_rbx = const frame::RBX,
    frame_mxcsr = const frame::MXCSR,
    frame_scratch = const frame::SCRATCH,
    frame_leave = const frame::LEAVE,
    frame_block = const frame::BLOCK,
    block_aside = const thread::ASIDE_WAITS,
    context_behind_waits = const signal::CONTEXT_BEHIND_WAITS,
    block_alternate = const thread::ALTERNATE,
    tls_block = const tls::BLOCK,
    tls_parked = const tls::PARKED,
    shared_bit = const tls::SHARED_MARK.trailing_zeros(),
    goes_in = const thread::sharers::GOES_IN as i64,
    puts_away = const signal::PUTS_AWAY,
    resume_ahead = const frame::RESUME_AHEAD,
    anchor_ahead = const frame::ANCHOR_AHEAD,
);

global_asm!(include_str!("../asm/mem.S"));

#[cfg(feature = "freestanding")]
global_asm!(include_str!("../asm/personality.S"));
