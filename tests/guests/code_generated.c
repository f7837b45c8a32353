// flags: -pthread
// expect: Calls from generated code, which is writable and executable at once, give what they give elsewhere; with a net
// (INTERCEPTOR_NET) each is caught, from the first one on. They come from the first thread and others, from a handler on
// either stack that interrupts such code and the kernel, from forked and vforked children; the code makes threads and handlers
// return, sets masks that block the net's signal, and calls that wait are interrupted and begin again; it is written anew
// while others run, unmapped, and other code takes its place. SIGSYS itself stays the program's, sent and blocked.
// musl: yes
#include "guest.h"
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>

// mov rax, rdi; mov rdi, rsi; mov rsi, rdx; mov rdx, rcx; mov r10, r8; syscall; ret
static const unsigned char call_code[] = {0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6, 0x48,
                                          0x89, 0xca, 0x4d, 0x89, 0xc2, 0x0f, 0x05, 0xc3};
// pop rdx; mov eax, 58; syscall; push rdx; ret: the child comes back first
static const unsigned char vfork_code[] = {0x5a, 0xb8, 58, 0, 0, 0, 0x0f, 0x05, 0x52, 0xc3};
// mov eax, 15; syscall
static const unsigned char restore_code[] = {0xb8, 15, 0, 0, 0, 0x0f, 0x05};
// mov eax, 0x1234; ret
static const unsigned char constant_code[] = {0xb8, 0x34, 0x12, 0, 0, 0xc3};
enum { PAGE = 4096, APART = 64, MANY = 40, VFORK, RESTORE };
static unsigned char *code;
typedef long (*call_t)(long nr, long a, long b, long c, long d);

static call_t at(int place) { return (call_t)(code + place * APART); }
static long call(long nr, long a, long b, long c, long d) { return at(0)(nr, a, b, c, d); }

static void write_calls(void) {
    for (int place = 0; place < MANY; place++)
        memcpy(code + place * APART, call_code, sizeof call_code);
    memcpy(code + VFORK * APART, vfork_code, sizeof vfork_code);
    memcpy(code + RESTORE * APART, restore_code, sizeof restore_code);
}

static pid_t process;

static void *thread(void *argument) {
    for (int i = 0; i < 100; i++)
        CHECK(call(SYS_getpid, 0, 0, 0, 0) == process, "getpid");
    CHECK((call(SYS_gettid, 0, 0, 0, 0) != process) == (argument == NULL), "gettid");
    return argument;
}

static volatile sig_atomic_t handled, siginfo_code;
static int wake[2];

static void handle(int sig) {
    (void)sig;
    int before = errno;
    CHECK(call(SYS_getpid, 0, 0, 0, 0) == process, "getpid in a handler");
    handled++;
    errno = before;
}

static void handle_and_wake(int sig) {
    handle(sig);
    if (handled == 3)
        CHECK(call(SYS_write, wake[1], (long)"x", 1, 0) == 1, "write in a handler");
}

static void on_sigsys(int sig, siginfo_t *info, void *context) {
    (void)sig, (void)context;
    siginfo_code = info->si_code;
    handled++;
    CHECK(call(SYS_getppid, 0, 0, 0, 0) > 0, "getppid in the handler of SIGSYS");
}

// In the caller's frame, which the child does not leave.
static inline __attribute__((always_inline)) pid_t vfork_there(void) {
    return (pid_t)((long (*)(void))(code + VFORK * APART))();
}

// Handlers return through generated code.
static void install_with_restorer(int sig, void (*handler)(int), long flags) {
    struct {
        void (*handler)(int);
        long flags;
        void *restorer;
        long mask;
    } action = {handler, flags | 0x04000000 /* SA_RESTORER */, code + RESTORE * APART, 0};
    CHECK(call(SYS_rt_sigaction, sig, (long)&action, 0, 8) == 0, "rt_sigaction");
}

static void tick(int milliseconds) {
    struct itimerval every = {{0, milliseconds * 1000}, {0, milliseconds * 1000}};
    CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0, "setitimer");
}

static void install(int sig, void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    CHECK(sigaction(sig, &action, NULL) == 0, "sigaction");
}

static void wait_for(pid_t child, int expected) {
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == expected, "status %x", status);
}

int main(void) {
    process = getpid();
    code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(code != MAP_FAILED, "mmap");
    write_calls();
    for (int place = 0; place < MANY; place++)
        CHECK(at(place)(SYS_getpid, 0, 0, 0, 0) == process, "getpid at %d", place);
    CHECK(call(100000, 0, 0, 0, 0) == -ENOSYS && call(-1, 0, 0, 0, 0) == -ENOSYS, "numbers");
    CHECK(call(SYS_write, 1, 8, 1, 0) == -EFAULT, "a bad pointer");
    ok("calls");

    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, thread, NULL) == 0, "pthread_create");
    for (int round = 0; round < 50; round++) {
        memcpy(code + APART, constant_code, sizeof constant_code);
        CHECK(at(1)(0, 0, 0, 0, 0) == 0x1234, "a constant");
        memcpy(code + APART, call_code, sizeof call_code);
        CHECK(at(1)(SYS_getpid, 0, 0, 0, 0) == process, "getpid again");
    }
    thread(&process);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0, "pthread_join");
    ok("threads, and code that is written anew");

    pid_t child = (pid_t)call(SYS_fork, 0, 0, 0, 0);
    if (child == 0) {
        CHECK(call(SYS_getpid, 0, 0, 0, 0) != process && call(SYS_getppid, 0, 0, 0, 0) == process, "ids of the child");
        call(SYS_exit_group, 3, 0, 0, 0);
    }
    wait_for(child, 3);
    volatile int is_in_child = 0;
    child = vfork_there();
    if (child == 0) {
        is_in_child = call(SYS_getppid, 0, 0, 0, 0) == process;
        call(SYS_execve, (long)"/nonexistent", 0, 0, 0);
        call(SYS_exit, 4, 0, 0, 0);
    }
    wait_for(child, 4);
    CHECK(is_in_child && call(SYS_getpid, 0, 0, 0, 0) == process, "ids after vfork");
    ok("children");

    CHECK(pipe(wake) == 0, "pipe");
    install(SIGALRM, handle_and_wake, SA_RESTART);
    tick(5);
    char byte = 0;
    CHECK(call(SYS_read, wake[0], (long)&byte, 1, 0) == 1 && byte == 'x' && handled >= 3, "a read that begins again");
    install_with_restorer(SIGALRM, handle, 0);
    for (int i = 0; i < 20; i++)
        CHECK(call(SYS_pause, 0, 0, 0, 0) == -EINTR, "pause");
    for (int last = handled; handled < last + 20;)
        CHECK(call(SYS_getpid, 0, 0, 0, 0) == process, "getpid beside signals");
    static char stack[65536];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    CHECK(call(SYS_sigaltstack, (long)&alternate, 0, 0, 0) == 0, "sigaltstack");
    install_with_restorer(SIGALRM, handle, SA_ONSTACK);
    for (int last = handled; handled < last + 20;)
        CHECK(call(SYS_getpid, 0, 0, 0, 0) == process, "getpid beside signals on another stack");
    tick(0);
    ok("signals");

    struct sigaction on = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSYS, &on, NULL) == 0, "sigaction");
    uint64_t all = ~0ull, before = 0, pending = 0;
    CHECK(call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, 8) == 0 && before == 0, "the mask was %lx", before);
    handled = 0;
    CHECK(call(SYS_kill, process, SIGSYS, 0, 0) == 0 && call(SYS_getpid, 0, 0, 0, 0) == process && handled == 0, "SIGSYS blocked");
    CHECK(call(SYS_rt_sigpending, (long)&pending, 8, 0, 0) == 0 && pending == 1ull << (SIGSYS - 1), "pending: %lx", pending);
    CHECK(call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, (long)&all, 8) == 0, "sigprocmask");
    CHECK(all == ~(1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1)), "the mask was %lx", all);
    CHECK(handled == 1 && siginfo_code == SI_USER, "SIGSYS came %d times, code %d", handled, siginfo_code);
    ok("SIGSYS");

    CHECK(munmap(code, PAGE) == 0, "munmap");
    CHECK(mmap(code, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == code, "mmap again");
    memcpy(code, constant_code, sizeof constant_code);
    CHECK(call(0, 0, 0, 0, 0) == 0x1234, "a constant");
    write_calls();
    CHECK(call(SYS_getpid, 0, 0, 0, 0) == process, "getpid");
    ok("other code in its place");
    return 0;
}
