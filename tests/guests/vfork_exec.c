// expect: Between vfork and exec a child does all kinds of things in its parent's memory, on its stack, with its
// thread-local storage, and it can end at any instruction. What an interceptor notes for the child while it lives must
// be gone for the parent, whichever way it ended: by _exit, exit, exec, a signal; amid a call, in a handler, after a
// vfork of its own. Errno, every register that a call keeps, locals, mask, actions and thread-local variables of the
// parent are those it had, or what the child made of them where memory is shared, from several threads at once, while
// others make calls; signals sent to the parent meanwhile arrive in the parent. At last the parent dies first.
// musl: yes
#include "guest.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { VFORKERS = 4 };
static int null, rounds = 3;
static char *no_environment[] = {NULL};
static void *volatile nowhere = (void *)8;

// What the child of a thread is told and what it tells.
struct family {
    long parent, thread, child;
    int value, ends[2];
};
static __thread long seen_by_child, handled_in, handled_thread;
static __thread int handled;

// Keeps a value in each register that a call leaves alone, makes a child by vfork that runs body(argument), and
// counts the registers that are different in the parent. Returns -1 when there is no child; else the child's pid is
// in *child.
__asm__(R"(
    .text
    .type vfork_with_registers, @function
vfork_with_registers:
    .cfi_startproc
    push %rbx
    .cfi_adjust_cfa_offset 8
    push %rbp
    .cfi_adjust_cfa_offset 8
    push %r12
    .cfi_adjust_cfa_offset 8
    push %r13
    .cfi_adjust_cfa_offset 8
    push %r14
    .cfi_adjust_cfa_offset 8
    push %r15
    .cfi_adjust_cfa_offset 8
    push %rdx
    .cfi_adjust_cfa_offset 8
    mov %rdi, %r12
    mov %rsi, %r13
    mov $0x1111111111111111, %rbx
    mov $0x2222222222222222, %rbp
    mov $0x3333333333333333, %r14
    mov $0x4444444444444444, %r15
    mov $0x5555555555555555, %rdi
    mov $0x6666666666666666, %rsi
    mov $0x7777777777777777, %rdx
    mov $0x1818181818181818, %r8
    mov $0x1919191919191919, %r9
    mov $0x1010101010101010, %r10
    movq %rbx, %xmm0
    movq %rbp, %xmm7
    movq %r14, %xmm15
    mov $58, %eax
    syscall
    test %rax, %rax
    jnz 1f
    mov %r13, %rdi
    call *%r12
    mov %eax, %edi
    mov $231, %eax
    syscall
    hlt
1:  js 3f
    xor %ecx, %ecx
    .macro expect register, value
    mov $\value, %r11
    cmp %r11, %\register
    je 2f
    inc %ecx
2:
    .endm
    expect rbx, 0x1111111111111111
    expect rbp, 0x2222222222222222
    expect r14, 0x3333333333333333
    expect r15, 0x4444444444444444
    expect rdi, 0x5555555555555555
    expect rsi, 0x6666666666666666
    expect rdx, 0x7777777777777777
    expect r8, 0x1818181818181818
    expect r9, 0x1919191919191919
    expect r10, 0x1010101010101010
    movq %xmm0, %rdi
    expect rdi, 0x1111111111111111
    movq %xmm7, %rdi
    expect rdi, 0x2222222222222222
    movq %xmm15, %rdi
    expect rdi, 0x3333333333333333
    mov (%rsp), %rdx
    mov %rax, (%rdx)
    mov %ecx, %eax
    jmp 4f
3:  mov $-1, %eax
4:  pop %rdx
    .cfi_adjust_cfa_offset -8
    pop %r15
    .cfi_adjust_cfa_offset -8
    pop %r14
    .cfi_adjust_cfa_offset -8
    pop %r13
    .cfi_adjust_cfa_offset -8
    pop %r12
    .cfi_adjust_cfa_offset -8
    pop %rbp
    .cfi_adjust_cfa_offset -8
    pop %rbx
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_endproc
    .size vfork_with_registers, .-vfork_with_registers
)");
int vfork_with_registers(int (*body)(struct family *), struct family *family, long *child);

static void on_usr1(int sig) {
    (void)sig;
    handled++;
    handled_in = raw0(SYS_getpid);
    handled_thread = raw0(SYS_gettid);
}
static void on_usr1_in_child(int sig) {
    (void)sig;
    handled_in = -raw0(SYS_getpid);
    if (raw3(SYS_write, null, "child", 5) != 5)
        raw1(SYS_exit_group, 90);
}

static int calls_go_wrong(int count) {
    for (int i = 0; i < count; i++)
        if (raw3(SYS_write, null, "hello", 5) != 5 || raw1(SYS_close, -1) != -EBADF || raw0(1000) != -ENOSYS)
            return 1;
    return 0;
}

// What children do; each returns its status.

static int only_exit(struct family *family) { return raw0(SYS_getppid) == family->parent ? 42 : 1; }
static int many_calls(struct family *family) {
    if (calls_go_wrong(300))
        return 2;
    seen_by_child = raw0(SYS_getpid);
    family->value++;
    return only_exit(family);
}
static int exec_of_nothing(struct family *family) {
    char *argv[] = {"program", NULL};
    if (execve("/nonexistent/program", argv, no_environment) != -1 || errno != ENOENT)
        return 3;
    if (execve("/", argv, no_environment) != -1 || errno != EACCES)
        return 4;
    if (execve(nowhere, argv, no_environment) != -1 || errno != EFAULT)
        return 5;
    if (execve("/bin/true", nowhere, no_environment) != -1 || errno != EFAULT)
        return 6;
    return many_calls(family);
}
static int exec_of_shell(struct family *family) {
    (void)family;
    char *argv[] = {"sh", "-c", "exit 42", NULL};
    if (exec_of_nothing(family) != 42)
        return 7;
    execve("/bin/sh", argv, no_environment);
    return 8;
}
static int change_mask_and_actions(struct family *family) {
    sigset_t mask, before;
    sigfillset(&mask);
    if (sigprocmask(SIG_BLOCK, &mask, &before))
        return 9;
    signal(SIGUSR1, on_usr1_in_child);
    signal(SIGUSR2, SIG_IGN);
    raw2(SYS_tkill, raw0(SYS_gettid), SIGUSR1);
    if (handled_in < 0)
        return 10;
    // SIGILL excepted, which the parent's mask is asked for by a guest of its own.
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (handled_in != -raw0(SYS_getpid))
        return 11;
    return many_calls(family);
}
static void leave_from_handler(int sig) {
    (void)sig;
    calls_go_wrong(2);
    raw1(SYS_exit_group, 42);
}
static int end_in_handler(struct family *family) {
    signal(SIGUSR1, leave_from_handler);
    raw2(SYS_tkill, raw0(SYS_gettid), SIGUSR1);
    (void)family;
    return 12;
}
static int end_by_exit(struct family *family) {
    // exit of the thread, where libc takes exit_group.
    raw1(SYS_exit, many_calls(family));
    return 13;
}
static int vfork_again(struct family *family) {
    struct family inner = {.parent = raw0(SYS_getpid)};
    long child = 0;
    int status = -1;
    for (int i = 0; i < 2; i++) {
        if (vfork_with_registers(i ? end_by_exit : exec_of_nothing, &inner, &child) != 0)
            return 14;
        if (waitpid((pid_t)child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 42)
            return 15;
        if (calls_go_wrong(3) || raw0(SYS_getpid) != inner.parent || raw0(SYS_gettid) != inner.parent)
            return 16;
    }
    raw1(SYS_exit, many_calls(family));
    return 17;
}
static int signal_parent(struct family *family) {
    long before = handled_in;
    raw2(SYS_tkill, family->thread, SIGUSR1);
    if (calls_go_wrong(10) || handled_in != before)
        return 18;
    return 42;
}
static int open_and_close(struct family *family) {
    for (int i = 0; i < 5; i++)
        raw1(SYS_close, 5 + i);
    int fd = open("/dev/null", O_RDONLY);
    if (fd < 0 || dup2(fd, 9) != 9 || raw1(SYS_setsid, 0) < 0)
        return 19;
    return many_calls(family);
}

static const struct {
    const char *name;
    int (*body)(struct family *);
    int counts, errno_after, handles;
} ways[] = {
    {"_exit", only_exit, 0, 77, 0},
    {"many calls", many_calls, 1, 77, 0},
    {"failing exec", exec_of_nothing, 1, EFAULT, 0},
    {"exec", exec_of_shell, 1, EFAULT, 0},
    {"mask and actions", change_mask_and_actions, 1, 77, 0},
    {"end in a handler", end_in_handler, 0, 77, 0},
    {"exit of the thread", end_by_exit, 1, 77, 0},
    {"vfork in vfork", vfork_again, 1, EFAULT, 0},
    {"signal to the parent", signal_parent, 0, 77, 1},
    {"descriptors", open_and_close, 1, 77, 0},
};

static void *vfork_all_ways(void *unused) {
    struct family family = {.parent = raw0(SYS_getpid), .thread = raw0(SYS_gettid)};
    sigset_t mask, after;
    sigemptyset(&mask);
    sigaddset(&mask, SIGHUP);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    for (int round = 0; round < rounds; round++)
        for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
            const char *name = ways[i].name;
            volatile long local = 12345;
            long child = 0;
            int status = -1, value = family.value, handled_before = handled;
            errno = 77;
            int wrong = vfork_with_registers(ways[i].body, &family, &child);
            // Of memory they share, the child's last word.
            CHECK(errno == ways[i].errno_after, "%s: errno, not %d", name, ways[i].errno_after);
            CHECK(wrong == 0, "%s: %d registers changed", name, wrong);
            CHECK(waitpid((pid_t)child, &status, 0) == child, "%s: waitpid", name);
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42, "%s: status %#x", name, status);
            CHECK(family.value == value + ways[i].counts, "%s: the child's writes", name);
            CHECK(!ways[i].counts || seen_by_child == child || ways[i].body == exec_of_shell, "%s: thread-local", name);
            CHECK(handled == handled_before + ways[i].handles, "%s: %d signals", name, handled - handled_before);
            CHECK(!ways[i].handles || (handled_in == family.parent && handled_thread == family.thread),
                  "%s: handled in %ld", name, handled_in);
            CHECK(raw0(SYS_getpid) == family.parent && raw0(SYS_gettid) == family.thread && local == 12345,
                  "%s: parent's ids", name);
            pthread_sigmask(SIG_BLOCK, NULL, &after);
            for (int sig = 1; sig < 65; sig++)
                CHECK(sigismember(&mask, sig) == sigismember(&after, sig), "%s: signal %d in mask", name, sig);
            struct sigaction action;
            CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == on_usr1, "%s: actions", name);
            CHECK(sigaction(SIGUSR2, NULL, &action) == 0 && action.sa_handler == SIG_DFL, "%s: actions", name);
            handled_in = 0;
            raw2(SYS_tkill, family.thread, SIGUSR1);
            CHECK(handled_in == family.parent, "%s: parent's handler", name);
            CHECK(!calls_go_wrong(5), "%s: calls afterwards", name);
        }
    return unused;
}

static atomic_int stop;
static void *call_all_the_time(void *unused) {
    while (!stop)
        CHECK(!calls_go_wrong(1), "calls beside vfork");
    return unused;
}

// A child that another process kills, wherever it is.
static atomic_int *shared_pid;
static int call_until_killed(struct family *family) {
    (void)family;
    *shared_pid = (int)raw0(SYS_getpid);
    for (int i = 0; i < 100000000; i++)
        if (calls_go_wrong(1))
            return 20;
    return 21;
}
static void killed_amid_calls(void) {
    struct family family = {.parent = raw0(SYS_getpid)};
    for (int i = 0; i < 20 * rounds; i++) {
        *shared_pid = 0;
        pid_t killer = fork();
        if (killer == 0) {
            int pid;
            while ((pid = *shared_pid) == 0)
                raw0(SYS_sched_yield);
            for (volatile int spin = 0; spin < i * 517 % 20000; spin++)
                ;
            _exit(kill(pid, i % 2 ? SIGKILL : SIGTERM) != 0);
        }
        long child = 0;
        int status = -1, wrong = vfork_with_registers(call_until_killed, &family, &child);
        CHECK(wrong == 0, "child killed amid calls: %d registers changed", wrong);
        CHECK(waitpid((pid_t)child, &status, 0) == child, "waitpid");
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == (i % 2 ? SIGKILL : SIGTERM), "killed child: %#x", status);
        CHECK(waitpid(killer, &status, 0) == killer && status == 0, "killer: %#x", status);
        CHECK(!calls_go_wrong(5) && raw0(SYS_getpid) == family.parent, "calls after a child was killed");
    }
}

// A child whose parent is killed while it waits for it: the child goes on alone.
static int outlive_parent(struct family *family) {
    char byte = 'r';
    *shared_pid = (int)raw0(SYS_getpid);
    if (write(family->ends[1], &byte, 1) != 1)
        return 22;
    for (int i = 0; i < LOOKS && raw0(SYS_getppid) == family->parent; i++)
        usleep(1000);
    if (raw0(SYS_getppid) == family->parent || calls_go_wrong(100))
        return 23;
    byte = 'a';
    if (write(family->ends[1], &byte, 1) != 1)
        return 24;
    return 42;
}
static struct family *orphan_family;
static void *vfork_in_thread(void *unused) {
    long child;
    orphan_family->parent = raw0(SYS_getpid);
    vfork_with_registers(outlive_parent, orphan_family, &child);
    return unused;
}
static void parent_dies_first(int by_kill) {
    struct family family = {0};
    *shared_pid = 0;
    orphan_family = &family;
    CHECK(pipe(family.ends) == 0, "pipe");
    pid_t parent = fork();
    if (parent == 0) {
        if (by_kill) {
            vfork_in_thread(NULL);
        } else {
            pthread_t thread;
            CHECK(pthread_create(&thread, NULL, vfork_in_thread, NULL) == 0, "pthread_create");
            for (int i = 0; i < LOOKS && *shared_pid == 0; i++)
                usleep(1000);
            _exit(43);
        }
        _exit(1);
    }
    close(family.ends[1]);
    char byte = 0;
    CHECK(read(family.ends[0], &byte, 1) == 1 && byte == 'r', "the child of a vfork is not ready");
    if (by_kill)
        kill(parent, SIGKILL);
    int status = -1;
    CHECK(waitpid(parent, &status, 0) == parent, "waitpid");
    CHECK(by_kill ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == 43, "parent: %#x", status);
    CHECK(read(family.ends[0], &byte, 1) == 1 && byte == 'a', "the child did not go on without its parent");
    CHECK(read(family.ends[0], &byte, 1) == 0, "the child has not ended");
    close(family.ends[0]);
}

int main(void) {
    if (getenv("GUEST_ROUNDS"))
        rounds = atoi(getenv("GUEST_ROUNDS"));
    null = open("/dev/null", O_WRONLY);
    shared_pid = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared_pid != MAP_FAILED, "mmap");
    struct sigaction action = {.sa_handler = on_usr1};
    sigaction(SIGUSR1, &action, NULL);

    vfork_all_ways(NULL);
    ok("vfork in a process of one thread");
    killed_amid_calls();
    ok("children killed amid calls");
    pthread_t callers[2], threads[VFORKERS];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&callers[i], NULL, call_all_the_time, NULL) == 0, "pthread_create");
    vfork_all_ways(NULL);
    ok("vfork while other threads make calls");
    for (int i = 0; i < VFORKERS; i++)
        CHECK(pthread_create(&threads[i], NULL, vfork_all_ways, NULL) == 0, "pthread_create");
    for (int i = 0; i < VFORKERS; i++)
        pthread_join(threads[i], NULL);
    ok("vfork in several threads at once");
    killed_amid_calls();
    stop = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(callers[i], NULL);
    for (int by_kill = 0; by_kill < 2; by_kill++)
        parent_dies_first(by_kill);
    ok("parents that die before their vfork child");
    CHECK(waitpid(-1, NULL, __WALL) == -1 && errno == ECHILD, "a child is left");
    vfork_all_ways(NULL);
    ok("vfork after all that");
    return 0;
}
