// Thunks: from a stub onto a private stack, and back.
//
// The code between interceptor_thunks and interceptor_thunks_end is a template.
// Start-up copies it once to executable memory and fills its holes with the
// displacement of this library's TLS block from fs, which is known only at run
// time. With the displacement as an immediate, the last store before the
// return to the program needs no register, and that is why thunks exist: after
// it, nothing of ours is in use, and a signal may arrive at any instruction.
//
// Each thread has LEVELS levels, each with a stack and a frame of its own. A
// level is `ready` (1) or not (0): in use, or the thread has no block yet. A
// signal handler that runs while level 0 is in use gets level 1, and so on.
// When all are in use the call goes to the kernel as if nobody were
// interested, and is counted as lost.
//
// Claiming a level is one store before anything is written to its frame,
// releasing it one store after everything has been read from it, so a handler
// that runs in between, and enters and leaves, disturbs nothing.

// Notes that the disp32 of a TLS field ends \back bytes before this point.
.macro INTERCEPTOR_HOLE back, field
97:
    .pushsection .rodata.interceptor_holes, "a"
    .long   97b - interceptor_thunks - 4 - \back
    .long   \field
    .popsection
.endm

// One level's attempt to enter. r11 = anchor, up to the entry; rcx is free.
// Level 0's frame has its constant fields from the start, the others get them
// here: few threads use them, and each is a page.
.macro INTERCEPTOR_ENTER_LEVEL level, body
    mov     rcx, qword ptr fs:[0]
    INTERCEPTOR_HOLE 0, {tls_ready} + 8 * \level
    jrcxz   96f
    mov     qword ptr fs:[0], 0
    INTERCEPTOR_HOLE 4, {tls_ready} + 8 * \level
    mov     rcx, qword ptr fs:[0]
    INTERCEPTOR_HOLE 0, {tls_base} + 8 * \level
    mov     qword ptr [rcx + {frame_anchor}], r11
    mov     qword ptr [rcx + {frame_rsp}], rsp
    mov     rsp, rcx
    .if \level
    mov     rcx, qword ptr fs:[0]
    INTERCEPTOR_HOLE 0, {tls_block}
    mov     qword ptr [rsp + {frame_block}], rcx
    mov     rcx, qword ptr [rip + interceptor_leave_pointers + 8 * \level]
    mov     qword ptr [rsp + {frame_leave}], rcx
    mov     qword ptr [rsp + {frame_level}], \level
    .endif
    jmp     qword ptr [rip + \body]
98:
    // Becomes a direct jump where the entry is near enough.
    .pushsection .rodata.interceptor_jumps, "a"
    .long   98b - interceptor_thunks - 6
    .long   \body - interceptor_thunks
    .popsection
96:
.endm

// No level is ready: the thread is new to us, or a handler runs on the
// alternate stack, or all are in use: on the way out perhaps by a vfork child that has been
// killed, so that way is the same as a new thread's. r11 = anchor.
//
// On storage that is shared, another thread may clear or mark these words at the same
// time, so what is said of a block is believed only between two looks at what is parked
// (src/thread/sharers.rs).
.macro INTERCEPTOR_ENTER_NONE cold, careful, past
    mov     rcx, qword ptr fs:[0]
    INTERCEPTOR_HOLE 0, {tls_parked}
    jrcxz   86f
85: jmp     qword ptr [rip + \careful]
86: mov     rcx, qword ptr fs:[0]
    INTERCEPTOR_HOLE 0, {tls_block}
    jrcxz   95f
    mov     rcx, qword ptr fs:[0]
    INTERCEPTOR_HOLE 0, {tls_parked}
    jrcxz   87f
    jmp     85b
87:
    .if \past == 0
    mov     dword ptr fs:[0], 1
    INTERCEPTOR_HOLE 4, {tls_lost}
    jmp     r11
    .endif
95: jmp     qword ptr [rip + \cold]
.endm

// Back to the program. In: rsp = frame, every other register final except
// rcx and r11. The release is the last instruction but one.
.macro INTERCEPTOR_LEAVE_LEVEL level
    .balign 16
94:
    .pushsection .rodata.interceptor_leaves, "a"
    .long   94b - interceptor_thunks
    .popsection
    mov     r11, qword ptr [rsp + {frame_rflags}]
    mov     rcx, qword ptr [rsp + {frame_target}]
    mov     rsp, qword ptr [rsp + {frame_rsp}]
    mov     qword ptr fs:[0], 1
    INTERCEPTOR_HOLE 4, {tls_ready} + 8 * \level
    jmp     rcx
.endm

    .pushsection .rodata.interceptor_holes, "a"
    .balign 4
    .hidden interceptor_holes
    .globl  interceptor_holes
interceptor_holes:
    .popsection
    .pushsection .rodata.interceptor_jumps, "a"
    .balign 4
    .hidden interceptor_jumps
    .globl  interceptor_jumps
interceptor_jumps:
    .popsection
    .pushsection .rodata.interceptor_leaves, "a"
    .balign 4
    .hidden interceptor_leaves
    .globl  interceptor_leaves
interceptor_leaves:
    .popsection

    .pushsection .data.rel.ro.interceptor_thunks, "aw"
    .hidden interceptor_thunks, interceptor_thunks_end, interceptor_thunk_enter, interceptor_thunk_exit
    .globl  interceptor_thunks, interceptor_thunks_end, interceptor_thunk_enter, interceptor_thunk_exit
    .hidden interceptor_thunk_enter_begun, interceptor_thunk_exit_begun
    .globl  interceptor_thunk_enter_begun, interceptor_thunk_exit_begun
    .balign 64
interceptor_thunks:
90: .quad   interceptor_enter_body
91: .quad   interceptor_exit_body
92: .quad   interceptor_enter_cold
93: .quad   interceptor_exit_cold
    .hidden interceptor_careful_pointers
    .globl  interceptor_careful_pointers
interceptor_careful_pointers:
88: .quad   interceptor_enter_careful
89: .quad   interceptor_exit_careful
    .hidden interceptor_leave_pointers
    .globl  interceptor_leave_pointers
interceptor_leave_pointers:                 // filled: the leave thunks of the first copy
    .zero   8 * {levels}

// What follows the first instruction of the next two is replaced by a jump to the careful
// way when FS does not lead to our words in all threads (`thunk::divert`).

    .balign 32
// In: rcx = anchor of the stub, all else the program's at its `syscall`.
interceptor_thunk_enter:
    mov     r11, rcx
interceptor_thunk_enter_begun:
    INTERCEPTOR_ENTER_LEVEL 0, 90b
    INTERCEPTOR_ENTER_LEVEL 1, 90b
    INTERCEPTOR_ENTER_LEVEL 2, 90b
    INTERCEPTOR_ENTER_LEVEL 3, 90b
    INTERCEPTOR_ENTER_NONE  92b, 88b, 0

    .balign 32
// In: rcx = where the stub's gate returned to, rax = result, all else the program's.
interceptor_thunk_exit:
    lea     r11, [rcx + {anchor_ahead}]
interceptor_thunk_exit_begun:
    mov     rcx, qword ptr fs:[0]
    INTERCEPTOR_HOLE 0, {tls_expected}
    lea     rcx, [rcx + r11]
    jrcxz   84f
83:
    INTERCEPTOR_ENTER_LEVEL 0, 91b
    jmp     81f
// Nobody wants to see this call if it has succeeded (tls::expect_success). Errors have the
// highest bits set; what else has one of them is seen.
84: mov     rcx, rax
    bswap   rcx
    movzx   ecx, cl
    jrcxz   82f
    jmp     83b
82: lea     rcx, [r11 + {resume_ahead}]
    mov     r11, qword ptr fs:[0]
    INTERCEPTOR_HOLE 0, {tls_flags}
    mov     qword ptr fs:[0], 0
    INTERCEPTOR_HOLE 4, {tls_expected}
    jmp     rcx
81:
    INTERCEPTOR_ENTER_LEVEL 1, 91b
    INTERCEPTOR_ENTER_LEVEL 2, 91b
    INTERCEPTOR_ENTER_LEVEL 3, 91b
    INTERCEPTOR_ENTER_NONE  93b, 89b, {resume_ahead}

    INTERCEPTOR_LEAVE_LEVEL 0
    INTERCEPTOR_LEAVE_LEVEL 1
    INTERCEPTOR_LEAVE_LEVEL 2
    INTERCEPTOR_LEAVE_LEVEL 3
interceptor_thunks_end:
    .popsection

    .pushsection .rodata.interceptor_holes, "a"
    .hidden interceptor_holes_end
    .globl  interceptor_holes_end
interceptor_holes_end:
    .popsection
    .pushsection .rodata.interceptor_jumps, "a"
    .hidden interceptor_jumps_end
    .globl  interceptor_jumps_end
interceptor_jumps_end:
    .popsection
