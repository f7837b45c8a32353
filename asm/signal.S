// Signal delivery.

    .pushsection .text.interceptor_signal, "ax"

// Where a handler of ours returns to: rt_sigreturn. The bytes are those that
// debuggers and unwinders know a signal frame by.
    .balign 16
    .byte   0x90                    // unwinders look one byte before the restorer
    .hidden interceptor_restorer
    .globl  interceptor_restorer
    .type   interceptor_restorer, @function
interceptor_restorer:
    .byte   0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00        // mov rax, 15
    syscall
    .size   interceptor_restorer, . - interceptor_restorer

// What the kernel calls: one handler for each version of a signal's action
// (src/signal/table.rs), 8 bytes apart.
//
// In:  rdi = signal, rsi = siginfo_t *, rdx = ucontext_t *, rsp = the kernel's
//      frame, of which they are parts. Functions otherwise.
// Why r8: it keeps the version over `syscall`, and whoever interrupts this code
//      finds it there (src/signal/entry.rs).
    .balign 16
    .hidden interceptor_signal_entries
    .globl  interceptor_signal_entries
    .type   interceptor_signal_entries, @function
interceptor_signal_entries:
    .cfi_startproc
    .set    version, 0
    .rept   8
    .balign 8
    mov     r8d, version
    jmp     interceptor_on_signal
    .set    version, version + 1
    .endr
    .size   interceptor_signal_entries, . - interceptor_signal_entries

// A signal that finds level 0 in use may have to be put aside. All others are
// held off at once then, those of faults that are sent, too, by the first call that is made:
// up to it nothing has been done, so that a signal that comes before knows this one to be
// the earlier.
//
// The ABI has it that the stack is aligned; QEMU 7's emulation of it is not,
// and nobody needs to depend on it.
//
// In:  as above, r8d = version.
    .hidden interceptor_is_confined, interceptor_is_unreliable
    .hidden interceptor_all, interceptor_tls
    .hidden interceptor_signal_entry_end, interceptor_signal_tail
    .hidden interceptor_signal_return, interceptor_signal_end
    .globl  interceptor_signal_entry_end, interceptor_signal_tail
    .globl  interceptor_signal_return, interceptor_signal_end
    .balign 8
    .type   interceptor_on_signal, @function
interceptor_on_signal:
    xor     r10d, r10d              // not held
    cmp     byte ptr [rip + interceptor_is_confined], r10b
    jne     interceptor_signal_held
    cmp     byte ptr [rip + interceptor_is_unreliable], r10b
    jne     7f                      // nothing is to be found through FS
    mov     rax, qword ptr [rip + interceptor_tls@GOTTPOFF]
    cmp     qword ptr fs:[rax + {tls_block}], r10
    je      interceptor_signal_held
    cmp     qword ptr fs:[rax + {tls_ready}], r10
    jne     interceptor_signal_held
    cmp     qword ptr fs:[rax + {tls_parked}], r10
    jne     interceptor_signal_held // hooks run with all of them blocked
7:  xor     edi, edi                // SIG_BLOCK
    lea     rsi, [rip + interceptor_all]
    lea     rdx, [rsp - 16]
    mov     r10d, 8
    mov     eax, 14                 // rt_sigprocmask
    syscall
interceptor_signal_held:
    lea     rdx, [rsp + 8]
    lea     rsi, [rsp + {frame_info}]
    mov     edi, dword ptr [rsi]
    mov     r9, qword ptr [rsp - 16]
    mov     ecx, r8d
    // Where a signal that arrives later finds the frame. Threads with storage that we
    // do not know may exist once we stand back.
    xor     eax, eax
    xor     r11d, r11d
    cmp     byte ptr [rip + interceptor_is_confined], al
    jne     interceptor_signal_entry_end
    cmp     byte ptr [rip + interceptor_is_unreliable], al
    jne     interceptor_signal_entry_end
    mov     rax, qword ptr [rip + interceptor_tls@GOTTPOFF]
    mov     r11, qword ptr fs:[rax + {tls_delivered}]
    lea     r8, [rsp + rcx - 8]
    mov     qword ptr fs:[rax + {tls_delivered}], r8
interceptor_signal_entry_end:
    mov     r8d, r10d
    push    rbp
    .cfi_def_cfa_offset 16
    .cfi_offset rbp, -16
    mov     rbp, rsp
    .cfi_def_cfa_register rbp
    and     rsp, -16
    push    rax
    push    r11                     // the seventh argument
    call    interceptor_deliver
    pop     r11
    pop     rax
    test    rax, rax
    jz      interceptor_signal_tail
    mov     qword ptr fs:[rax + {tls_delivered}], r11
interceptor_signal_tail:
    leave
    .cfi_def_cfa rsp, 8
interceptor_signal_return:
    ret
interceptor_signal_end:
    .cfi_endproc
    .size   interceptor_on_signal, . - interceptor_on_signal

// Calls the program's handler with the registers that the kernel gives it: three arguments, and
// else what was interrupted, which programs rely on that keep something in a register
// throughout. So frame pointers lead from the handler to what it has interrupted, too.
//
// The context is the program's from here on: what marks it as prepared goes
// (src/signal/stacked.rs), and both masks in it are one, as the kernel has it. Of the
// delivery it is noted that the handler has been called: code of ours that runs later on
// the same stack does so for calls of that handler.
//
// In:  rdi = handler, rsi = signal, rdx = siginfo_t *, rcx = ucontext_t *. A function otherwise.
    .balign 16
    .hidden interceptor_call_handler, interceptor_call_handler_end
    .globl  interceptor_call_handler, interceptor_call_handler_end
    .type   interceptor_call_handler, @function
interceptor_call_handler:
    .cfi_startproc
    .irp register, rbx, rbp, r12, r13, r14, r15
    push    \register
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset \register, 0
    .endr
    push    rdi
    .cfi_adjust_cfa_offset 8
    mov     rax, qword ptr [rcx + {mask_at}]
    mov     qword ptr [rcx + {old_mask_at}], rax
    cmp     byte ptr [rip + interceptor_is_confined], 0
    jne     1f
    cmp     byte ptr [rip + interceptor_is_unreliable], 0
    jne     1f
    mov     rax, qword ptr [rip + interceptor_tls@GOTTPOFF]
    bts     qword ptr fs:[rax + {tls_delivered}], {called_bit}
1:  mov     edi, esi
    mov     rsi, rdx
    mov     rdx, rcx
    mov     r8, qword ptr [rdx + {registers_at}]        // in the order of struct sigcontext
    mov     r9, qword ptr [rdx + {registers_at} + 8]
    mov     r10, qword ptr [rdx + {registers_at} + 16]
    mov     r11, qword ptr [rdx + {registers_at} + 24]
    mov     r12, qword ptr [rdx + {registers_at} + 32]
    mov     r13, qword ptr [rdx + {registers_at} + 40]
    mov     r14, qword ptr [rdx + {registers_at} + 48]
    mov     r15, qword ptr [rdx + {registers_at} + 56]
    mov     rbp, qword ptr [rdx + {registers_at} + 80]
    mov     rbx, qword ptr [rdx + {registers_at} + 88]
    mov     rcx, qword ptr [rdx + {registers_at} + 112]
    xor     eax, eax                // for one without a prototype
    call    qword ptr [rsp]
    pop     rdi
    .cfi_adjust_cfa_offset -8
    .irp register, r15, r14, r13, r12, rbp, rbx
    pop     \register
    .cfi_adjust_cfa_offset -8
    .cfi_restore \register
    .endr
    ret
interceptor_call_handler_end:
    .cfi_endproc
    .size   interceptor_call_handler, . - interceptor_call_handler

    .popsection
