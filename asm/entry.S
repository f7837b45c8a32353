// The entry: what happens on the private stack.
//
// A thunk (thunk.S) arrives here with rsp = the level's `SyscallFrame` and
// leaves through [frame.leave]. The frame's first nine words are the registers
// a C function may change; rbx, rbp and r12-r15 stay where they are, since the
// functions called here preserve them.
//
// Vector registers: `interceptor_route_enter` and `_exit` are compiled so that
// they touch none (`cargo xtask symbols` proves it), and decide most calls. They
// return the address at which the program goes on, or one of two small numbers
// that ask for more registers to be saved before the second stage is called:
// 0, everything a C function can clobber, and 1, the 16 xmm registers that
// Rust code of ours may use.
//
// CFA: the program's rsp. Its return address is the one after the site, found
// through the anchor: the lea at the resume point carries it as a disp32. So a
// debugger, or a C++ exception, walks from a hook into the program.

// DW_CFA_def_cfa_expression: CFA = *(rsp + frame_rsp + \extra)
// DW_CFA_val_expression r16: RA = a + 9 + *(int32 *)(a + 5), a = anchor
// Both are written with a two-byte SLEB128 offset. Of operations, only those that every
// reader knows: Valgrind's has neither dup, nor deref_size, nor shra. So the displacement
// is the upper half of the 8 bytes at a + 1; adding 1 << 63 before the shift and taking
// 1 << 31 off after it extends its sign.
.macro INTERCEPTOR_CFI_FRAME base, extra
    .cfi_escape 0x0f, 4, 0x70 + \base, (({frame_rsp} + \extra) & 0x7f) | 0x80, (({frame_rsp} + \extra) >> 7) & 0x7f, 0x06
    .cfi_escape 0x16, 16, 26
    .rept 2                                                 // breg, deref
    .cfi_escape 0x70 + \base, (({frame_anchor} + \extra) & 0x7f) | 0x80, (({frame_anchor} + \extra) >> 7) & 0x7f, 0x06
    .endr
    .cfi_escape 0x23, 1, 0x06                               // plus_uconst 1, deref
    .cfi_escape 0x31, 0x08, 63, 0x24, 0x22                  // lit1, const1u 63, shl, plus
    .cfi_escape 0x08, 32, 0x25                              // const1u 32, shr
    .cfi_escape 0x22, 0x31, 0x4f, 0x24, 0x1c, 0x23, 9       // plus, lit1, lit31, shl, minus, plus_uconst 9
.endm

// The two bodies differ only in what they call.
.macro INTERCEPTOR_BODY name, route, hook
    .balign 64
    .hidden \name
    .globl  \name
    .type   \name, @function
\name:
    .cfi_startproc simple
    .cfi_signal_frame
    INTERCEPTOR_CFI_FRAME 7, 0
    mov     qword ptr [rsp + {frame_rax}], rax
    mov     qword ptr [rsp + {frame_rdi}], rdi
    mov     qword ptr [rsp + {frame_rsi}], rsi
    mov     qword ptr [rsp + {frame_rdx}], rdx
    mov     qword ptr [rsp + {frame_r10}], r10
    mov     qword ptr [rsp + {frame_r8}], r8
    mov     qword ptr [rsp + {frame_r9}], r9
    pushfq
    pop     rcx
    mov     qword ptr [rsp + {frame_rflags}], rcx
    test    ecx, 0x40400                // AC: we access unaligned data; DF
    jnz     9f
8:  mov     rdi, rsp
    call    \route
    cmp     rax, 1
    ja      interceptor_finish
    jmp     interceptor_stage_\hook
9:  cld
    pushfq
    and     dword ptr [rsp], 0xfffbffff
    popfq
    jmp     8b
    .cfi_endproc
    .size   \name, . - \name

    .balign 16
    .type   interceptor_stage_\hook, @function
interceptor_stage_\hook:
    .cfi_startproc simple
    .cfi_signal_frame
    INTERCEPTOR_CFI_FRAME 7, 0
    lea     r11, [rip + \hook]         // leaves the flags of the comparison
    je      interceptor_save_sse
    jmp     qword ptr [rip + interceptor_save_all]
    .cfi_endproc
    .size   interceptor_stage_\hook, . - interceptor_stage_\hook
.endm

// Saving routines. In: rsp = frame, r11 = function to call with it.
// Out: continue at interceptor_finish with rax = the function's result.
.macro INTERCEPTOR_SAVE_BEGIN name
    .balign 16
    .hidden \name
    .globl  \name
    .type   \name, @function
\name:
    .cfi_startproc simple
    .cfi_signal_frame
    INTERCEPTOR_CFI_FRAME 7, 0
    mov     rdi, rsp
    mov     qword ptr [rsp + {frame_rbx}], rbx
    mov     rbx, rsp
    .cfi_remember_state
    INTERCEPTOR_CFI_FRAME 3, 0
    .cfi_escape 0x10, 3, 3, 0x73, ({frame_rbx} & 0x7f) | 0x80, ({frame_rbx} >> 7) & 0x7f   // rbx at rbx + frame_rbx
.endm

.macro INTERCEPTOR_SAVE_END name
    mov     rsp, rbx
    .cfi_restore_state
    mov     rbx, qword ptr [rsp + {frame_rbx}]
    jmp     interceptor_finish
    .cfi_endproc
    .size   \name, . - \name
.endm

// MXCSR goes around whatever a C hook may call, for its exception flags. The
// x87 control word is preserved by C functions themselves.
.macro INTERCEPTOR_CONTROL_SAVE
    stmxcsr dword ptr [rbx + {frame_mxcsr}]
.endm

.macro INTERCEPTOR_CONTROL_RESTORE
    ldmxcsr dword ptr [rbx + {frame_mxcsr}] // cheaper than asking whether it changed
.endm

.macro INTERCEPTOR_ZMM_SAVE k, z0, z1, z2, z3
    .irp n, \z0, \z1, \z2, \z3
    vmovaps zmmword ptr [rsp + 64 * \n], zmm\n
    .endr
    kmovq   qword ptr [rsp + 2048 + 8 * \k], k\k
.endm

.macro INTERCEPTOR_ZMM_RESTORE k, z0, z1, z2, z3
    .irp n, \z0, \z1, \z2, \z3
    vmovaps zmm\n, zmmword ptr [rsp + 64 * \n]
    .endr
    kmovq   k\k, qword ptr [rsp + 2048 + 8 * \k]
.endm

    .hidden interceptor_route_enter, interceptor_route_exit
    .hidden interceptor_hook_enter, interceptor_hook_exit, interceptor_thread_begin
    .hidden interceptor_save_all, interceptor_xsave_size, interceptor_has_xsave
    .hidden interceptor_measure_xsave
    .hidden interceptor_enter_thunk, interceptor_exit_thunk, interceptor_leave_context

    .pushsection .text.interceptor_entry, "ax"

INTERCEPTOR_BODY interceptor_enter_body, interceptor_route_enter, interceptor_hook_enter
INTERCEPTOR_BODY interceptor_exit_body, interceptor_route_exit, interceptor_hook_exit

// In: rsp = frame, rax = where the program goes on.
    .balign 64
    .hidden interceptor_finish
    .globl  interceptor_finish
    .type   interceptor_finish, @function
interceptor_finish:
    .cfi_startproc simple
    .cfi_signal_frame
    INTERCEPTOR_CFI_FRAME 7, 0
    mov     qword ptr [rsp + {frame_target}], rax
    // From here on everything can be done again: a signal that arrives after
    // the check sends us back to it.
    .hidden interceptor_check, interceptor_check_end
    .globl  interceptor_check, interceptor_check_end
interceptor_check:
    mov     rcx, qword ptr [rsp + {frame_block}]
    cmp     dword ptr [rcx + {block_aside}], 0
    jne     interceptor_leave_by_sigreturn
interceptor_restore:
    mov     eax, dword ptr [rsp + {frame_rflags}]
    mov     rdi, qword ptr [rsp + {frame_rdi}]
    mov     rsi, qword ptr [rsp + {frame_rsi}]
    mov     rdx, qword ptr [rsp + {frame_rdx}]
    mov     r10, qword ptr [rsp + {frame_r10}]
    mov     r8, qword ptr [rsp + {frame_r8}]
    mov     r9, qword ptr [rsp + {frame_r9}]
    // popfq costs as much as all the rest: only for flags beyond the six
    // arithmetic ones, bit 1 and IF. Never for TF, which nothing here changes: the
    // kernel takes what a debugger's step pops for the program's own, for good.
    test    eax, 0xfffff428
    jnz     8f
    mov     ecx, eax
    shl     eax, 8                  // ah = SF ZF AF PF CF
    shl     ecx, 20                 // bit 31 = OF
    and     ecx, 0x80000000
    add     ecx, 0x80000000         // overflows just when OF was set
    sahf
    mov     rax, qword ptr [rsp + {frame_rax}]
    jmp     qword ptr [rsp + {frame_leave}]
8:  mov     rax, qword ptr [rsp + {frame_rax}]
    push    qword ptr [rsp + {frame_rflags}]
    popfq
    jmp     qword ptr [rsp + {frame_leave}]
interceptor_check_end:
    .cfi_endproc
    .size   interceptor_finish, . - interceptor_finish

// Signals wait (src/signal/defer.rs): back to the program by rt_sigreturn.
// In: rsp = frame, complete; rbx, rbp, r12-r15 and all vector state are the
// program's.
    .balign 16
    .type   interceptor_leave_by_sigreturn, @function
interceptor_leave_by_sigreturn:
    .cfi_startproc simple
    .cfi_signal_frame
    INTERCEPTOR_CFI_FRAME 7, 0
    mov     rdi, rsp
    sub     rsp, 64
    mov     qword ptr [rsp], rbx
    mov     qword ptr [rsp + 8], rbp
    mov     qword ptr [rsp + 16], r12
    mov     qword ptr [rsp + 24], r13
    mov     qword ptr [rsp + 32], r14
    mov     qword ptr [rsp + 40], r15
    mov     rbx, rdi
    .cfi_remember_state
    INTERCEPTOR_CFI_FRAME 3, 0
    mov     r13, rsp
    cmp     qword ptr [rip + interceptor_xsave_size], 0
    jne     4f
    call    interceptor_measure_xsave
4:  sub     rsp, qword ptr [rip + interceptor_xsave_size]
    and     rsp, -64
    mov     r12, rsp
    xor     eax, eax
    .irp n, 0,1,2,3,4,5,6,7
    mov     qword ptr [r12 + 512 + 8 * \n], rax
    .endr
    mov     eax, -1
    mov     edx, -1
    cmp     qword ptr [rip + interceptor_has_xsave], 0
    je      5f
    xsave64 [r12]
    jmp     6f
5:  fxsave64 [r12]
6:
    mov     rdi, rbx
    mov     rsi, r13
    mov     rdx, r12
    call    interceptor_leave_context
    test    rax, rax
    jz      9f
    mov     rsp, rax                // Aside::context
    mov     eax, 15                 // rt_sigreturn
    mov     dword ptr [rsp - {context_behind_waits}], 0
    .hidden interceptor_sigreturn
    .globl  interceptor_sigreturn
interceptor_sigreturn:
    syscall
    ud2
9:  mov     eax, -1
    mov     edx, -1
    cmp     qword ptr [rip + interceptor_has_xsave], 0
    je      7f
    xrstor64 [r12]
    jmp     8f
7:  fxrstor64 [r12]
8:
    mov     rsp, rbx
    .cfi_restore_state
    mov     rbx, qword ptr [r13]
    mov     r12, qword ptr [r13 + 16]
    mov     r13, qword ptr [r13 + 24]
    jmp     interceptor_restore
    .cfi_endproc
    .size   interceptor_leave_by_sigreturn, . - interceptor_leave_by_sigreturn

INTERCEPTOR_SAVE_BEGIN interceptor_save_none
    call    r11
INTERCEPTOR_SAVE_END interceptor_save_none

INTERCEPTOR_SAVE_BEGIN interceptor_save_sse
    sub     rsp, 256
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    movaps  xmmword ptr [rsp + 16 * \n], xmm\n
    .endr
    call    r11
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    movaps  xmm\n, xmmword ptr [rsp + 16 * \n]
    .endr
INTERCEPTOR_SAVE_END interceptor_save_sse

INTERCEPTOR_SAVE_BEGIN interceptor_save_sse_control
    INTERCEPTOR_CONTROL_SAVE
    sub     rsp, 256
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    movaps  xmmword ptr [rsp + 16 * \n], xmm\n
    .endr
    call    r11
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    movaps  xmm\n, xmmword ptr [rsp + 16 * \n]
    .endr
    INTERCEPTOR_CONTROL_RESTORE
INTERCEPTOR_SAVE_END interceptor_save_sse_control

INTERCEPTOR_SAVE_BEGIN interceptor_save_avx
    INTERCEPTOR_CONTROL_SAVE
    sub     rsp, 512
    and     rsp, -64
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    vmovaps ymmword ptr [rsp + 32 * \n], ymm\n
    .endr
    vzeroupper
    call    r11
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    vmovaps ymm\n, ymmword ptr [rsp + 32 * \n]
    .endr
    INTERCEPTOR_CONTROL_RESTORE
INTERCEPTOR_SAVE_END interceptor_save_avx

INTERCEPTOR_SAVE_BEGIN interceptor_save_avx512
    INTERCEPTOR_CONTROL_SAVE
    sub     rsp, 2048 + 64
    and     rsp, -64
    // Mask registers between: they use other ports.
    INTERCEPTOR_ZMM_SAVE 0,  0,  1,  2,  3
    INTERCEPTOR_ZMM_SAVE 1,  4,  5,  6,  7
    INTERCEPTOR_ZMM_SAVE 2,  8,  9,  10, 11
    INTERCEPTOR_ZMM_SAVE 3,  12, 13, 14, 15
    INTERCEPTOR_ZMM_SAVE 4,  16, 17, 18, 19
    INTERCEPTOR_ZMM_SAVE 5,  20, 21, 22, 23
    INTERCEPTOR_ZMM_SAVE 6,  24, 25, 26, 27
    INTERCEPTOR_ZMM_SAVE 7,  28, 29, 30, 31
    vzeroupper
    call    r11
    INTERCEPTOR_ZMM_RESTORE 0,  0,  1,  2,  3
    INTERCEPTOR_ZMM_RESTORE 1,  4,  5,  6,  7
    INTERCEPTOR_ZMM_RESTORE 2,  8,  9,  10, 11
    INTERCEPTOR_ZMM_RESTORE 3,  12, 13, 14, 15
    INTERCEPTOR_ZMM_RESTORE 4,  16, 17, 18, 19
    INTERCEPTOR_ZMM_RESTORE 5,  20, 21, 22, 23
    INTERCEPTOR_ZMM_RESTORE 6,  24, 25, 26, 27
    INTERCEPTOR_ZMM_RESTORE 7,  28, 29, 30, 31
    INTERCEPTOR_CONTROL_RESTORE
INTERCEPTOR_SAVE_END interceptor_save_avx512

// Everything the kernel context-switches, at the price of several hundred
// cycles. The area is zeroed where XRSTOR demands it: bytes 8 to 63 of the
// header, which XSAVE leaves alone.
INTERCEPTOR_SAVE_BEGIN interceptor_save_xsave
    sub     rsp, qword ptr [rip + interceptor_xsave_size]
    and     rsp, -64
    xor     eax, eax
    .irp n, 0,1,2,3,4,5,6,7
    mov     qword ptr [rsp + 512 + 8 * \n], rax
    .endr
    mov     eax, -1
    mov     edx, -1
    xsave64 [rsp]
    call    r11
    mov     qword ptr [rbx + {frame_scratch}], rax
    mov     eax, -1
    mov     edx, -1
    xrstor64 [rsp]
    mov     rax, qword ptr [rbx + {frame_scratch}]
INTERCEPTOR_SAVE_END interceptor_save_xsave

// Calls that need something first: a block, in a new thread, or signals blocked,
// in a handler on the alternate stack (src/signal/alternate.rs). The program's own
// stack, below the red zone, carries the function that sees to that: there is no
// other. Afterwards the thunk is tried again, or the call goes on without us.
//
// In: r11 = anchor, all else the program's (on exit: rax = result).

.macro INTERCEPTOR_COLD_BEGIN name
    .balign 16
    .hidden \name
    .globl  \name
    .type   \name, @function
\name:
    .cfi_startproc simple
    .cfi_signal_frame
    .cfi_def_cfa rsp, 0
    .cfi_undefined rip
    lea     rsp, [rsp - 128]
    pushfq
    cld
    push    rax
    push    rdi
    push    rsi
    push    rdx
    push    r10
    push    r8
    push    r9
    push    r11
    push    rbx
    mov     rbx, rsp
.endm

// With rbx = rsp.
.macro INTERCEPTOR_COLD_CALL function
    sub     rsp, 256
    and     rsp, -16
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    movaps  xmmword ptr [rsp + 16 * \n], xmm\n
    .endr
    call    \function
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    movaps  xmm\n, xmmword ptr [rsp + 16 * \n]
    .endr
    mov     rsp, rbx
.endm

// As at the end of interceptor_finish. rcx is free afterwards.
.macro INTERCEPTOR_COLD_RESTORE
    pop     rbx
    pop     r11
    pop     r9
    pop     r8
    pop     r10
    pop     rdx
    pop     rsi
    pop     rdi
    mov     eax, dword ptr [rsp + 8]
    test    eax, 0xfffff428
    jnz     8f
    mov     ecx, eax
    shl     eax, 8
    shl     ecx, 20
    and     ecx, 0x80000000
    add     ecx, 0x80000000
    sahf
    pop     rax
    lea     rsp, [rsp + 8]
    jmp     7f
8:  pop     rax
    popfq
7:  lea     rsp, [rsp + 128]
.endm

// Signals that report faults are let in again, on the stack of ours: what comes there is
// put aside, with all that comes on top of it.
//
// In:  rsp = frame, [frame + {frame_scratch}] = the signals. Changes rcx and r11 only.
.macro INTERCEPTOR_LET_IN
    .irp register, rax, rdi, rsi, rdx, r10
    push    \register
    .endr
    lea     rsi, [rsp + 40 + {frame_scratch}]
    mov     edi, 1                  // SIG_UNBLOCK
    mov     edx, 0                  // and no change of flags
    mov     r10d, 8
    mov     eax, 14                 // rt_sigprocmask
    syscall
    .irp register, r10, rdx, rsi, rdi, rax
    pop     \register
    .endr
.endm

// With rax = 0: without us. With rax > 1: on the level whose frame it is, where there
// is a body.
// \ahead is how far the anchor lies ahead of what the thunk finds in rcx.
.macro INTERCEPTOR_COLD_END name, thunk, past, ahead, body
    test    rax, rax
    jz      9f
    .ifnb \body
    cmp     rax, 1
    ja      5f
    .endif
    INTERCEPTOR_COLD_RESTORE
    lea     rcx, [r11 - \ahead]
    jmp     qword ptr [rip + \thunk]
9:  INTERCEPTOR_COLD_RESTORE
    lea     r11, [r11 + \past]
    jmp     r11
    .ifnb \body
5:  mov     qword ptr [rbx + 8], rax    // in place of r11
    test    al, {puts_away}
    jnz     4f
    INTERCEPTOR_COLD_RESTORE
    mov     rsp, r11
    jmp     \body
4:  call    interceptor_put_away
    INTERCEPTOR_COLD_RESTORE
    mov     rsp, r11
    INTERCEPTOR_LET_IN
    jmp     \body
    .endif
    .cfi_endproc
    .size   \name, . - \name
.endm

.macro INTERCEPTOR_COLD name, thunk, past, ahead, nr
    INTERCEPTOR_COLD_BEGIN \name
    mov     rdi, \nr
    lea     rsi, [rbx + 80 + 128]   // the program's rsp
    mov     rdx, qword ptr [rbx + 8]    // the anchor
    mov     rcx, qword ptr [rbx + 64]   // on exit the result
    INTERCEPTOR_COLD_CALL interceptor_thread_begin
    INTERCEPTOR_COLD_END \name, \thunk, \past, \ahead
.endm

INTERCEPTOR_COLD interceptor_enter_cold, interceptor_enter_thunk, 0, 0, rax
INTERCEPTOR_COLD interceptor_exit_cold, interceptor_exit_thunk, {resume_ahead}, {anchor_ahead}, -1

// Signals from elsewhere are blocked; all, if the call is made on the alternate stack, which is
// going to be put away: but for SIGTRAP where TF is set, which would end a program that
// steps through itself. The same instructions with it and without, for a debugger that steps.
//
// In: rbx = the registers that were pushed. Out: rsi = the signals, r8 = whether they are all.
.macro INTERCEPTOR_WHICH_ARE_BLOCKED
    lea     rsi, [rip + interceptor_asynchronous]
    xor     r8d, r8d
    cmp     byte ptr [rip + interceptor_is_unreliable], r8b
    jne     1f
    mov     rax, qword ptr [rip + interceptor_tls@GOTTPOFF]
    mov     rcx, qword ptr fs:[rax + {tls_block}]
    jrcxz   1f
    bt      qword ptr fs:[rax + {tls_parked}], {shared_bit}
    jc      1f                      // it may be nobody's
    lea     rdx, [rbx + 80 + 128]
    sub     rdx, qword ptr [rcx + {block_alternate}]
    cmp     rdx, qword ptr [rcx + {block_alternate} + 16]
    jae     1f
    inc     r8d
    lea     rsi, [rip + interceptor_all]
    lea     rcx, [rip + interceptor_all_but_steps]
    test    dword ptr [rbx + 72], 0x100
    cmovnz  rsi, rcx
1:
.endm

.macro INTERCEPTOR_CAREFUL name, thunk, past, ahead, body, is_out
    INTERCEPTOR_COLD_BEGIN \name
    push    0                       // for the mask that there was
    INTERCEPTOR_WHICH_ARE_BLOCKED
    mov     rdx, rsp
    xor     edi, edi                // SIG_BLOCK
    mov     r10d, 8
    mov     eax, 14                 // rt_sigprocmask
    syscall
    pop     rdi
    lea     rsi, [rbx + 80 + 128]   // the program's rsp
    mov     rdx, qword ptr [rbx + 8]    // the anchor
    .if \is_out
    mov     rcx, qword ptr [rbx + 64]   // the result
    .else
    mov     rcx, {goes_in}
    .endif
    INTERCEPTOR_COLD_CALL interceptor_enter_carefully
    INTERCEPTOR_COLD_END \name, \thunk, \past, \ahead, \body
.endm

    .hidden interceptor_asynchronous, interceptor_all, interceptor_all_but_steps
    .hidden interceptor_is_unreliable, interceptor_tls
    .hidden interceptor_careful, interceptor_careful_end
    .globl  interceptor_careful, interceptor_careful_end
interceptor_careful:

// Takes the alternate stack, which rsp is on, away from the kernel (src/signal/put_away.rs).
// It lets go of none that is in use, so rsp is elsewhere meanwhile, with all signals
// blocked.
//
// In:  [rbx + 8] = the frame of the level, and {puts_away}, which is taken off.
    .hidden interceptor_no_stack
    .balign 16
    .type   interceptor_put_away, @function
interceptor_put_away:
    .cfi_startproc simple
    .cfi_signal_frame
    .cfi_def_cfa rsp, 0
    .cfi_undefined rip
    sub     qword ptr [rbx + 8], {puts_away}
    mov     r8, rsp
    mov     rsp, qword ptr [rbx + 8]
    lea     rdi, [rip + interceptor_no_stack]
    xor     esi, esi
    mov     eax, 131                // sigaltstack
    syscall
    mov     rsp, r8
    ret
    .cfi_endproc
    .size   interceptor_put_away, . - interceptor_put_away

INTERCEPTOR_CAREFUL interceptor_enter_careful, interceptor_enter_thunk, 0, 0, interceptor_enter_body, 0
INTERCEPTOR_CAREFUL interceptor_exit_careful, interceptor_exit_thunk, {resume_ahead}, {anchor_ahead}, interceptor_exit_body, 1
interceptor_careful_end:

// Back to where a hook has made a call, on storage that is shared: like a leave thunk,
// but for the release. The level has been released; all signals are blocked, so it is
// not taken before we are off it.
//
// In: rsp = frame, every other register final except rcx and r11.
    .balign 16
    .hidden interceptor_leave_shared
    .globl  interceptor_leave_shared
    .type   interceptor_leave_shared, @function
interceptor_leave_shared:
    .cfi_startproc simple
    .cfi_signal_frame
    INTERCEPTOR_CFI_FRAME 7, 0
    mov     r11, qword ptr [rsp + {frame_rflags}]
    mov     rcx, qword ptr [rsp + {frame_target}]
    mov     rsp, qword ptr [rsp + {frame_rsp}]
    .cfi_def_cfa rsp, 0
    .cfi_undefined rip
    jmp     rcx
    .cfi_endproc
    .size   interceptor_leave_shared, . - interceptor_leave_shared

    .popsection
