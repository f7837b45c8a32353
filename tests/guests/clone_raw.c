// expect: A thread may be made by the clone instruction in the program's own code, as language runtimes do: the
// child returns from the instruction on another stack, without thread-local storage of its own (no CLONE_SETTLS) or
// with one of the program's making, and ends with exit, never through libc. The stub must not return on the wrong
// stack, need thread-local storage or count on a thread descriptor. Hundreds of such threads make calls, each with
// both kinds of storage; the parent sleeps on the word that CLONE_CHILD_CLEARTID clears; results are summed up.
#include "raw_thread.h"
#include <sys/mman.h>

enum { STACK = 16384, THREADS = 200 };

struct shared {
    atomic_int alive; // cleared and woken by the kernel at the thread's end
    long fs_before, tid, calls_wrong;
    long tls[16];
};

// Runs without libc: errno and the stack protector would be another thread's.
__attribute__((optimize("no-stack-protector"))) static void body(void *argument) {
    struct shared *shared = argument;
    long wrong = 0;
    shared->tid = raw0(SYS_gettid);
    for (int i = 0; i < 100; i++) {
        wrong += raw0(SYS_gettid) != shared->tid;
        wrong += raw1(SYS_close, -1) != -EBADF;
        wrong += raw0(1000) != -ENOSYS;
    }
    long fs;
    raw2(SYS_arch_prctl, 0x1003 /* ARCH_GET_FS */, &fs);
    shared->fs_before = fs;
    shared->calls_wrong = wrong;
}

int main(void) {
    static struct shared shared;
    long own_fs;
    raw2(SYS_arch_prctl, 0x1003, &own_fs);
    char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stack != MAP_FAILED, "mmap");
    for (int with_tls = 0; with_tls < 2; with_tls++) {
        for (int i = 0; i < THREADS; i++) {
            memset(&shared, 0, sizeof shared);
            shared.alive = 1;
            shared.tls[8] = (long)&shared.tls[8]; // fs:0 points to itself, as the ABI wants
            long flags = THREAD_FLAGS | (with_tls ? CLONE_SETTLS : 0);
            long tid = start_thread(flags, stack + STACK, body, &shared, &shared.alive, &shared.tls[8]);
            CHECK(tid > 0, "clone: %ld", tid);
            wait_for_end(&shared.alive);
            CHECK(shared.tid == tid, "thread %ld thinks it is %ld", tid, shared.tid);
            CHECK(shared.calls_wrong == 0, "%ld calls in the thread went wrong", shared.calls_wrong);
            CHECK(shared.fs_before == (with_tls ? (long)&shared.tls[8] : own_fs), "FS base in the thread");
        }
        ok("threads by clone %s storage of their own", with_tls ? "with" : "without");
    }
    return 0;
}
