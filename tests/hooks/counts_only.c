/*
 * Has calls counted, and hooks none. With COUNTED, which any program then says "ok" to, calls that fail, that block and are
 * interrupted, whose handlers make calls at the same place, and that handlers leave by siglongjmp, are counted as they were
 * made. Otherwise those calls are made at once of which many are timed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <interceptor.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "check.h"

enum { ROUNDS = 3000, CHILDREN = 20 };

static volatile int handled, is_leaving, in_handler;
static sigjmp_buf out;
static int ends[2];

static void next_alarm(void) {
    struct itimerval soon = {{0, 0}, {0, 150}};
    setitimer(ITIMER_REAL, &soon, NULL);
}

static void on_alarm(int sig) {
    (void)sig;
    char byte;
    int was = errno, here = __atomic_add_fetch(&handled, 1, __ATOMIC_RELAXED);
    syscall(SYS_getppid);
    if (syscall(SYS_lseek, -1, 0, SEEK_SET) != -1 || errno != EBADF)
        _exit(1);
    /* Another one interrupts this. */
    if (!is_leaving && here % 4 == 0) {
        next_alarm();
        syscall(SYS_read, ends[0], &byte, 1);
        __atomic_add_fetch(&in_handler, 1, __ATOMIC_RELAXED);
    }
    next_alarm();
    errno = was;
    if (is_leaving && here % 3 == 0)
        siglongjmp(out, 1);
}

static struct interceptor_counts counts_of(long nr) {
    struct interceptor_counts counts;
    CHECK(interceptor_query_counts(nr, &counts) == 0, "counts of %ld", nr);
    return counts;
}

static void expect(long nr, unsigned long calls, unsigned long errors) {
    struct interceptor_counts counts = counts_of(nr);
    CHECK(counts.calls == calls && counts.errors == errors, "call %ld: %lu calls, %lu failed, and not %lu, %lu", nr,
          counts.calls, counts.errors, calls, errors);
}

static void count_interrupted(void) {
    volatile unsigned long reads = 0, interrupted = 0;
    char byte;
    is_leaving = 0;
    CHECK(pipe(ends) == 0, "pipe");
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_NODEFER};
    sigaction(SIGALRM, &action, NULL);
    unsigned long reads_before = counts_of(SYS_read).calls, failed_before = counts_of(SYS_read).errors;
    unsigned long sought = counts_of(SYS_lseek).calls, asked = counts_of(SYS_getppid).calls;
    struct itimerval none = {{0, 0}, {0, 0}};
    next_alarm();
    for (reads = 0; reads < ROUNDS; reads++)
        interrupted += syscall(SYS_read, ends[0], &byte, 1) == -1 && errno == EINTR;
    setitimer(ITIMER_REAL, &none, NULL);
    CHECK(interrupted == ROUNDS, "%lu were interrupted", interrupted);
    unsigned long here = (unsigned long)in_handler;
    expect(SYS_read, reads_before + ROUNDS + here, failed_before + ROUNDS + here);
    expect(SYS_lseek, sought + (unsigned long)handled, sought + (unsigned long)handled);
    expect(SYS_getppid, asked + (unsigned long)handled, 0);
    /* Those that are left never come out. */
    is_leaving = 1;
    action.sa_flags = 0;
    sigaction(SIGALRM, &action, NULL);
    for (reads = 0; reads < ROUNDS; reads++)
        if (!sigsetjmp(out, 1)) {
            if (reads == 0)
                next_alarm();
            syscall(SYS_read, ends[0], &byte, 1);
        }
    setitimer(ITIMER_REAL, &none, NULL);
    expect(SYS_lseek, sought + (unsigned long)handled, sought + (unsigned long)handled);
    expect(SYS_getppid, asked + (unsigned long)handled, 0);
    signal(SIGALRM, SIG_DFL);
}

/* Makes a child on our memory by vfork, which is killed in a read at the place of the vfork itself. */
static pid_t killed_child(void) {
    static const struct itimerval soon = {{0, 0}, {0, 1000}};
    pid_t child;
    __asm__ volatile("mov %[vfork], %%eax\n"
                     "1: syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 2f\n\t"
                     "mov %[setitimer], %%eax\n\t"
                     "xor %%edi, %%edi\n\t"
                     "mov %[soon], %%rsi\n\t"
                     "xor %%edx, %%edx\n\t"
                     "syscall\n\t"
                     "xor %%eax, %%eax\n\t" /* read */
                     "mov %[end], %%edi\n\t"
                     "mov $1, %%edx\n\t"
                     "jmp 1b\n"
                     "2:"
                     : "=&a"(child)
                     : [vfork] "i"(SYS_vfork), [setitimer] "i"(SYS_setitimer), [soon] "r"(&soon), [end] "r"(ends[0])
                     : "rcx", "r11", "rdi", "rsi", "rdx", "memory");
    return child;
}

static void count_killed(void) {
    struct interceptor_counts births = counts_of(SYS_vfork), reads = counts_of(SYS_read);
    unsigned long threads = interceptor_pgstat->cnt_thread;
    for (unsigned long i = 1; i <= CHILDREN; i++) {
        int status;
        pid_t child = killed_child();
        CHECK(child > 0 && waitpid(child, &status, 0) == child && status == SIGALRM, "a child: %#x", status);
        CHECK(interceptor_pgstat->cnt_thread == threads + i && interceptor_pgstat->nr_thread == 1, "%lu of %lu threads",
              (unsigned long)interceptor_pgstat->nr_thread, (unsigned long)interceptor_pgstat->cnt_thread - threads);
        CHECK(syscall(SYS_lseek, -1, 0, SEEK_SET) == -1 && errno == EBADF, "lseek");
    }
    expect(SYS_vfork, births.calls + CHILDREN, 0);
    /* One may be killed before it. */
    struct interceptor_counts now = counts_of(SYS_read);
    CHECK(now.calls <= reads.calls + CHILDREN && now.calls > reads.calls && now.errors == reads.errors, "%lu reads, %lu failed",
          now.calls - reads.calls, now.errors - reads.errors);
}

__attribute__((constructor)) static void begin(void) {
    for (int i = 0; i < 5000; i++)
        syscall(SYS_getppid);
    expect(SYS_getppid, 5000, 0);
    if (getenv("COUNTED")) {
        count_interrupted();
        count_killed();
        CHECK(write(1, "ok\n", 3) == 3, "write");
        _exit(0);
    }
}
