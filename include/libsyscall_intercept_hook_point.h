/*
 * libsyscall_intercept_hook_point.h - hooks written for libsyscall_intercept.
 *
 * The interface of that library, over Interceptor's runtime. A hook library that
 * was linked with -lsyscall_intercept finds ours by LD_LIBRARY_PATH; one that is
 * compiled now is linked with -lsyscall_intercept as well:
 *
 *     cc -shared -fPIC -o hook.so hook.c -lsyscall_intercept
 *     LD_PRELOAD=./hook.so PROGRAM ARGS...
 *
 * New hooks are better written for interceptor.h.
 *
 * With INTERCEPT_HOOK_POINT_THREAD_LOCAL defined before it is included, each
 * thread has an intercept_hook_point of its own. Link with
 * -lsyscall_intercept_tls then. What was linked with a libsyscall_intercept
 * patched that way runs with LD_LIBRARY_PATH=.../lib/interceptor/thread-local.
 *
 * C11 and C++17. x86-64 Linux only.
 *
 * Environment:
 *   INTERCEPT_HOOK_CMDLINE_FILTER  only processes whose argv[0] has this last
 *                                  component are intercepted
 *   INTERCEPT_ALL_OBJS             if set, and not to 0: the hook sees the calls of all
 *                                  objects; otherwise those of libc and libpthread
 *   INTERCEPT_BYPASS_SO            colon-separated names of objects left alone
 *   INTERCEPT_LOG                  file to which a line is written for each call
 *                                  that the hook sees; one that ends with - gets the
 *                                  process's id behind it
 *   INTERCEPT_LOG_TRUNC            0 keeps what that file has already
 *   INTERCEPT_DEBUG_DUMP           if set: says what is patched, on standard error
 *   INTERCEPT_NO_TRAMPOLINE        without effect: jumps always reach
 */
#ifndef LIBSYSCALL_INTERCEPT_HOOK_POINT_H
#define LIBSYSCALL_INTERCEPT_HOOK_POINT_H

#ifdef __cplusplus
extern "C" {
#endif

#ifndef INTERCEPT_HOOK_POINT_THREAD_LOCAL
#define INTERCEPT_HOOK_POINT_STORAGE_
#define INTERCEPT_HOOK_POINT_MODEL_
#elif defined(__cplusplus)
#define INTERCEPT_HOOK_POINT_STORAGE_ __thread
#define INTERCEPT_HOOK_POINT_MODEL_ __attribute__((tls_model("initial-exec")))
#else
#define INTERCEPT_HOOK_POINT_STORAGE_ _Thread_local
#define INTERCEPT_HOOK_POINT_MODEL_ __attribute__((tls_model("initial-exec")))
#endif

/*
 * The hook; NULL (the initial value, also in each new thread if there is one for
 * each) for none. Assign it in a constructor, or later; it takes effect at once.
 *
 * It gets the low 32 bits of the call's number, sign-extended, and six arguments;
 * what a call does not use is undefined. Returns 0 when it has handled the call:
 * then *result is what the program finds in rax, a value or a negative error
 * number. Any other value forwards the call to the kernel.
 *
 * Always forwarded are vfork and rt_sigreturn. The hook runs on a stack of its own
 * of 192 KiB, on which the calls that it makes are not hooked, in whatever way they
 * are made. Registers and errno of the program are preserved. What becomes of a hook that
 * crashes, recurses, blocks or leaves by longjmp, interceptor.h says at its top.
 */
extern INTERCEPT_HOOK_POINT_STORAGE_ int (*intercept_hook_point)(
    long syscall_number, long arg0, long arg1, long arg2, long arg3, long arg4,
    long arg5, long *result) INTERCEPT_HOOK_POINT_MODEL_;

#undef INTERCEPT_HOOK_POINT_STORAGE_
#undef INTERCEPT_HOOK_POINT_MODEL_

/*
 * Called in a new thread, or in a process born with a stack of its own (by
 * posix_spawn), before its first own instruction, and in the thread that has made
 * it, with its id. Not for fork and vfork. NULL (the initial value) for none.
 */
extern void (*intercept_hook_point_clone_child)(void);
extern void (*intercept_hook_point_clone_parent)(long pid);

/*
 * Executes a system call that is not hooked. Pass as many arguments as the call
 * has. Returns what the kernel does: a value, or a negative error number.
 *
 * A hook may execute the call that it is shown, and return 0 with its result. But
 * some cannot be executed under a hook: the birth of what shares its parent's
 * memory or has a stack of its own (threads, vfork, posix_spawn), rt_sigreturn, exit, and what waits with a
 * signal mask of its own (rt_sigsuspend, ppoll, pselect6, epoll_pwait). Asked for by
 * the hook that is shown them, they return 0, and the call is made when the hook
 * is done, whatever it returns. Other births of that kind fail with -ENOSYS.
 * A signal that comes while the hook waits in the kernel is handled when the hook is
 * done; then the hook's call returns -EINTR, and if the signal is one that does
 * not interrupt the program's calls, the call goes on after its handler. Tried again by the
 * hook, it returns 0.
 */
long syscall_no_intercept(long syscall_number, ...);

/* The error number in a result of syscall_no_intercept; 0 if it is none. */
static inline int syscall_error_code(long result)
{
    return result < 0 && result >= -4096 ? (int)-result : 0;
}

/*
 * 1 when the system calls of this process are intercepted; 0 when the filter in the
 * environment keeps them out, or the runtime could not arm and has said why.
 */
int syscall_hook_in_process_allowed(void);

#ifdef __cplusplus
}
#endif

#endif
