// Who is told of which births by libsyscall_intercept's clone hooks: threads and
// processes on a stack of their own, once in the child, once in the parent.
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libsyscall_intercept_hook_point.h>

extern char **environ;

static struct told {
    atomic_int children, parents, hooked, foreign;
    atomic_long last;
} *told;

static void child(void)
{
    if (syscall_no_intercept(SYS_gettid) == (long)getpid())
        atomic_fetch_add(&told->foreign, 1);
    atomic_fetch_add(&told->children, 1);
}

static void parent(long pid)
{
    atomic_store(&told->last, pid);
    atomic_fetch_add(&told->parents, 1);
}

static int hook(long syscall_number, long arg0, long arg1, long arg2, long arg3, long arg4,
                long arg5, long *result)
{
    (void)arg0, (void)arg1, (void)arg2, (void)arg3, (void)arg4, (void)arg5, (void)result;
    if (syscall_number == SYS_clone || syscall_number == SYS_clone3)
        atomic_fetch_add(&told->hooked, 1);
    return 1;
}

static void *nothing(void *argument)
{
    return argument;
}

static void show(const char *what)
{
    printf("%s: child %d, parent %d\n", what, atomic_exchange(&told->children, 0),
           atomic_exchange(&told->parents, 0));
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    told = (struct told *)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                               0);
    intercept_hook_point = hook;
    intercept_hook_point_clone_child = child;
    intercept_hook_point_clone_parent = parent;

    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, nothing, NULL);
        pthread_join(thread, NULL);
    }
    show("threads");

    pid_t pid = fork();
    if (pid == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, nothing, NULL);
        pthread_join(thread, NULL);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    show("fork and a thread there");

    char *arguments[] = {(char *)"true", NULL};
    int error = posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ);
    if (error == 0)
        waitpid(pid, NULL, 0);
    printf("%s\n", error == 0 && atomic_load(&told->last) == pid ? "its id" : "wrong id");
    show("posix_spawn");

    printf("hooked %d, foreign %d\n", atomic_load(&told->hooked), atomic_load(&told->foreign));
    return 0;
}
