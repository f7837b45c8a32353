// The variables of libsyscall_intercept's interface, and the way to them.
//
// Assembled and linked by the final links, not by rustc: one with a hook point
// that all threads share, one (THREAD_LOCAL defined) where each thread has its
// own. Preprocessed, unlike the other files.
//
// They are found through the global offset table: a program that refers to one
// of them without position-independent code has the linker move it into the
// program, and then only the dynamic linker knows where it is. Rust finds those
// that are not thread-local in the same way.

    .intel_syntax noprefix

#ifdef THREAD_LOCAL
    .section .tbss.intercept_hook_point, "awT", @nobits
#else
    .section .bss.intercept_hook_point, "aw", @nobits
#endif
    .balign 8
    .globl  intercept_hook_point
    .type   intercept_hook_point, @object
    .size   intercept_hook_point, 8
intercept_hook_point:
    .zero   8

    .section .bss.intercept_clone_hooks, "aw", @nobits
    .balign 8
    .globl  intercept_hook_point_clone_child
    .type   intercept_hook_point_clone_child, @object
    .size   intercept_hook_point_clone_child, 8
intercept_hook_point_clone_child:
    .zero   8
    .globl  intercept_hook_point_clone_parent
    .type   intercept_hook_point_clone_parent, @object
    .size   intercept_hook_point_clone_parent, 8
intercept_hook_point_clone_parent:
    .zero   8

// Whether each thread has its own.
    .section .rodata.interceptor_hook_point, "a", @progbits
    .hidden interceptor_hook_point_is_threads
    .globl  interceptor_hook_point_is_threads
    .type   interceptor_hook_point_is_threads, @object
    .size   interceptor_hook_point_is_threads, 1
interceptor_hook_point_is_threads:
#ifdef THREAD_LOCAL
    .byte   1
#else
    .byte   0
#endif

    .section .text.interceptor_hook_point, "ax", @progbits

// In: nothing. Out: rax = the calling thread's hook, or 0. Clobbers: nothing.
    .balign 16
    .hidden interceptor_hook_point
    .globl  interceptor_hook_point
    .type   interceptor_hook_point, @function
interceptor_hook_point:
    .cfi_startproc
#ifdef THREAD_LOCAL
    mov     rax, qword ptr [rip + intercept_hook_point@GOTTPOFF]
    mov     rax, qword ptr fs:[rax]
#else
    mov     rax, qword ptr [rip + intercept_hook_point@GOTPCREL]
    mov     rax, qword ptr [rax]
#endif
    ret
    .cfi_endproc
    .size   interceptor_hook_point, . - interceptor_hook_point

    .section .note.GNU-stack, "", @progbits
