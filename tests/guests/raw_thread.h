// A thread by the program's own clone instruction.
#pragma once
#include "guest.h"
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>

// long start_thread(flags, stack top, body, shared, child_tid, tls): clone with the C calling convention. The child
// calls body(shared) on its own stack, then exits.
__asm__(R"(
    .text
    .type start_thread, @function
start_thread:
    .cfi_startproc
    push %r12
    push %r13
    mov %rdx, %r12
    mov %rcx, %r13
    xor %edx, %edx
    mov %r8, %r10
    mov %r9, %r8
    mov $56, %eax
    syscall
    test %eax, %eax
    jz 1f
    pop %r13
    pop %r12
    ret
1:  xor %ebp, %ebp
    mov %r13, %rdi
    call *%r12
    xor %edi, %edi
    mov $60, %eax
    syscall
    hlt
    .cfi_endproc
    .size start_thread, .-start_thread
)");
long start_thread(long flags, void *stack, void (*body)(void *), void *shared, void *child_tid,
                  void *tls);

// What threads share. When a thread has ended, the kernel clears the word at child_tid, which was 1, and wakes who waits.
#define THREAD_FLAGS                                                                                        \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID)

static inline void wait_for_end(atomic_int *child_tid) {
    while (atomic_load(child_tid))
        raw4(SYS_futex, child_tid, FUTEX_WAIT, 1, NULL);
}
