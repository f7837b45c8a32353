// Threads, and processes in the same memory, by the program's own clone instruction, which run beside libc's threads:
// all make calls and check each result, and signals interrupt them.
#pragma once
#include "raw_thread.h"
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { STACK = 65536, THREADS = 4, CALLS = 100, ARCH_GET_FS = 0x1003 };

struct thread {
    atomic_int alive, go_on;
    int calls;
    long tid, wrong, handled;
    long *storage; // what FS leads to; NULL is storage, too
    char *stack;
};

static struct thread threads[THREADS];

// Prepares what a thread runs on. Each program has its own.
static void furnish(struct thread *thread);

static void give_stack(struct thread *thread) {
    if (thread->stack == NULL) {
        thread->stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(thread->stack != MAP_FAILED, "mmap");
    }
}

// Keeps values in xmm0 and xmm15 over a call.
static long gettid_with_vectors(long value, long *wrong) {
    long ret, low, high;
    __asm__ volatile("movq %[value], %%xmm0\n\t"
                     "movq %[value], %%xmm15\n\t"
                     "syscall\n\t"
                     "movq %%xmm0, %[low]\n\t"
                     "movq %%xmm15, %[high]"
                     : "=a"(ret), [low] "=&r"(low), [high] "=&r"(high)
                     : "a"(SYS_gettid), [value] "r"(value)
                     : "rcx", "r11", "xmm0", "xmm15", "memory");
    *wrong += low != value || high != value;
    return ret;
}

static void on_signal(int signal) {
    (void)signal;
    long tid = raw0(SYS_gettid);
    for (int i = 0; i < THREADS; i++)
        if (threads[i].tid == tid)
            threads[i].handled++;
}

// Calls of a thread with this id and the storage of `self`. Returns how many went wrong.
static long calls_on(const struct thread *self, long tid, int i) {
    long wrong = 0, fs = 0;
    wrong += gettid_with_vectors(tid * 1000 + i, &wrong) != tid;
    wrong += raw1(SYS_close, -1) != -EBADF;
    wrong += raw0(1000) != -ENOSYS;
    wrong += raw4(SYS_rt_sigprocmask, SIG_BLOCK, NULL, NULL, 4) != -EINVAL;
    wrong += raw2(SYS_arch_prctl, ARCH_GET_FS, &fs) != 0 || fs != (long)self->storage;
    return wrong;
}

static void body(void *argument) {
    struct thread *self = argument;
    long wrong = 0;
    self->tid = raw0(SYS_gettid);
    for (int i = 0; i < self->calls || atomic_load(&self->go_on); i++)
        wrong += calls_on(self, self->tid, i);
    self->wrong += wrong;
}

static void as_process(void *argument) {
    struct thread *self = argument;
    body(self);
    self->wrong += raw0(SYS_getpid) != self->tid;
    raw1(SYS_exit, self->wrong == 0 ? 9 : 10);
}

static long try_start(struct thread *thread, long flags, void (*what)(void *), int calls, int go_on) {
    atomic_store(&thread->alive, 1);
    atomic_store(&thread->go_on, go_on);
    thread->calls = calls;
    thread->tid = thread->wrong = thread->handled = 0;
    return start_thread(flags, thread->stack + STACK, what, thread, &thread->alive, thread->storage);
}

static void start(struct thread *thread, long flags, void (*what)(void *), int calls, int go_on) {
    furnish(thread);
    long tid = try_start(thread, flags, what, calls, go_on);
    CHECK(tid > 0, "clone: %ld", tid);
}

static void wait_until_it_runs(const struct thread *thread) {
    while (*(const volatile long *)&thread->tid == 0)
        sched_yield();
}

static void join(struct thread *thread) {
    wait_for_end(&thread->alive);
    CHECK(thread->wrong == 0, "%ld calls of a thread went wrong", thread->wrong);
}

static void calls_of_libcs(int count) {
    long wrong = 0, tid = raw0(SYS_gettid);
    for (int i = 0; i < count; i++) {
        wrong += gettid_with_vectors(i, &wrong) != tid;
        errno = 0;
        wrong += close(-1) != -1 || errno != EBADF;
    }
    CHECK(wrong == 0, "%ld calls of libc's threads went wrong", wrong);
}

static void *short_lived(void *argument) {
    calls_of_libcs(20);
    return argument;
}

static void libcs_thread(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, short_lived, NULL) == 0 && pthread_join(thread, NULL) == 0, "thread");
}

// Starts all threads, sends each ten signals, one after the other, and lets them end.
static void interrupt_all(long flags) {
    for (int i = 0; i < THREADS; i++)
        start(&threads[i], flags, body, 1, 1);
    for (int i = 0; i < THREADS; i++)
        wait_until_it_runs(&threads[i]);
    for (int k = 0; k < 10; k++)
        for (int i = 0; i < THREADS; i++) {
            long before = *(volatile long *)&threads[i].handled;
            CHECK(syscall(SYS_tgkill, getpid(), threads[i].tid, SIGUSR1) == 0, "tgkill");
            while (*(volatile long *)&threads[i].handled == before)
                sched_yield();
        }
    for (int i = 0; i < THREADS; i++)
        atomic_store(&threads[i].go_on, 0);
}

// A process that ends, and one that is killed.
static void two_processes(struct thread *thread, long flags) {
    int status;
    start(thread, flags, as_process, CALLS, 0);
    calls_of_libcs(CALLS);
    CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 9, "status %x", status);
    start(thread, flags, as_process, 1, 1);
    wait_until_it_runs(thread);
    CHECK(kill((pid_t)thread->tid, SIGKILL) == 0, "kill");
    CHECK(wait(&status) == thread->tid && WIFSIGNALED(status), "status %x", status);
    calls_of_libcs(20);
}
