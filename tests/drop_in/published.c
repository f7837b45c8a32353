// What a library of that name exports by its documentation, and nothing behind it.
// Something linked with it stands for what was linked with the original.
#ifdef THREAD_LOCAL
#define EACH __thread
#else
#define EACH
#endif
EACH int (*intercept_hook_point)(long, long, long, long, long, long, long, long *);
void (*intercept_hook_point_clone_child)(void);
void (*intercept_hook_point_clone_parent)(long);

long syscall_no_intercept(long syscall_number, ...)
{
    return syscall_number;
}

int syscall_hook_in_process_allowed(void)
{
    return 0;
}
