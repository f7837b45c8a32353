// A site stub, but for the instructions that are moved into it.
//
// A stub is what a patch site jumps to. `patch::stub` composes it of this template
// and what it moves:
//
//     gate
//     [room]
//     [instructions moved from before the site]
//     entry: the site's jump, or what is moved before it, leads here
//     anchor
//     [instructions moved from after the site]
//     jmp back
//
// In:       every register as the program had it at its `syscall`.
// Out:      as the kernel leaves them: rax, rcx = address after the program's
//           instruction, r11 = RFLAGS; nothing else changes.
// Stack:    never touched; the red zone and a stack of no space are safe.
// Why jrcxz: it is the only conditional jump that neither reads nor writes
//           flags, and rcx and r11 are free because `syscall` destroys them.
//
// The anchor is the `syscall` of the way without hooks. Whoever comes here
// later knows the stub by the anchor alone: the gate lies GATE_BACK bytes
// before it and the resume point 2 bytes after it (`patch::stub` asserts both).
//
// Both `syscall`s lie so near the end of a cache line that the next jump begins in
// another one. A processor that comes back from the kernel begins with the line that it
// returns to, and a jump that is taken there comes too early for its branch
// predictor: that costs 10 cycles on Sapphire Rapids.

    .pushsection .rodata.interceptor_stub, "a"
    .hidden interceptor_stub_template, interceptor_stub_offsets
    .globl  interceptor_stub_template, interceptor_stub_offsets
    // The gate: a forwarded call whose result somebody wants to see. The thunk knows
    // the stub by what `syscall` leaves in rcx.
interceptor_stub_template:
    syscall
    .byte   0x0f, 0x1f, 0x00                // a nop of three bytes, into the next line
    .byte   0xe9                            // jmp rel32
    .long   0x11111111                      // hole: the area's exit thunk
interceptor_stub_gate_exit:

interceptor_stub_room:
    .fill   {gate_back} - 10 - 33, 1, 0xcc  // the code before and behind

interceptor_stub_entry:
    movabs  rcx, 0x1111111111111111         // hole: address of the interest table
interceptor_stub_table:
    movzx   r11d, ax                        // every 16-bit number has an entry
    movzx   ecx, byte ptr [rcx + r11]
    jrcxz   interceptor_stub_anchor
    lea     rcx, [rip + interceptor_stub_anchor]
    .byte   0xe9                            // jmp rel32
    .long   0x11111111                      // hole: the area's enter thunk
interceptor_stub_enter:

interceptor_stub_anchor:
    syscall
    // Resume point.
    lea     rcx, [rip + 0x11111111]         // hole: address after the site
interceptor_stub_after:
interceptor_stub_template_end:
    // `Offsets` in src/patch/stub.rs.
interceptor_stub_offsets:
    .irp    label, table, enter, gate_exit, room, entry, anchor, after, template_end
    .byte   interceptor_stub_\label - interceptor_stub_template
    .endr
    .popsection
