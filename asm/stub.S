// The middle of a site stub.
//
// A stub is what a patch site jumps to. `patch::stub` composes it:
//
//     [instructions moved from before the site]
//     [this template, holes filled]
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

    .pushsection .rodata.interceptor_stub, "a"
    .hidden interceptor_stub_template, interceptor_stub_template_end
    .hidden interceptor_stub_table, interceptor_stub_enter, interceptor_stub_gate
    .hidden interceptor_stub_exit, interceptor_stub_anchor, interceptor_stub_after
    .globl  interceptor_stub_template, interceptor_stub_template_end
    .globl  interceptor_stub_table, interceptor_stub_enter, interceptor_stub_gate
    .globl  interceptor_stub_exit, interceptor_stub_anchor, interceptor_stub_after
    .balign 16
interceptor_stub_template:
    movabs  rcx, 0x1111111111111111         // hole: address of the interest table
interceptor_stub_table:
    movzx   r11d, ax                        // every 16-bit number has an entry
    movzx   ecx, byte ptr [rcx + r11]
    jrcxz   interceptor_stub_anchor
    lea     rcx, [rip + interceptor_stub_anchor]
    .byte   0xe9                            // jmp rel32
    .long   0x11111111                      // hole: the area's enter thunk
interceptor_stub_enter:

    // The gate: a forwarded call whose result somebody wants to see.
interceptor_stub_gate:
    syscall
    lea     rcx, [rip + interceptor_stub_anchor]
    .byte   0xe9                            // jmp rel32
    .long   0x11111111                      // hole: the area's exit thunk
interceptor_stub_exit:

interceptor_stub_anchor:
    syscall
    // Resume point.
    lea     rcx, [rip + 0x11111111]         // hole: address after the site
interceptor_stub_after:
interceptor_stub_template_end:
    .popsection
