// expect: The kernel never touches the program's stack in a call, so a call works with a nearly full stack,
// with rsp at the lowest valid byte above a guard page, and with rsp pointing at memory that is not there (musl's
// thread exit unmaps its own stack before its last call). An interceptor that keeps frames on the program's
// stack crashes there; one with large thread-local blocks eats the smallest permitted thread stack. First a
// thread with that smallest stack uses nearly all of it and makes calls; then the stack pointers above are tried.
// musl: yes
#include "guest.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

static int null;

static long call_with_stack_at(void *stack, long nr, long a, long b, long c) {
    long ret;
    register void *new_stack __asm__("r12") = stack;
    __asm__ volatile("xchg %%rsp, %1\n\t"
                     "syscall\n\t"
                     "xchg %%rsp, %1"
                     : "=a"(ret), "+r"(new_stack)
                     : "a"(nr), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return ret;
}

static void *small_thread(void *arg) {
    (void)arg;
    long pid = getpid(), tid = raw0(SYS_gettid);
    for (int i = 0; i < 10000; i++) {
        if (raw0(SYS_getpid) != pid || raw0(SYS_gettid) != tid || write(null, "hello", 5) != 5 || close(-1) != -1)
            return "calls on a small stack";
        struct timespec none = {0, 0};
        if (i % 100 == 0 && nanosleep(&none, NULL) != 0)
            return "nanosleep on a small stack";
    }
    return NULL;
}

// Goes down to the last 256 bytes of the thread's stack, then makes calls.
static void *full_thread(void *arg) {
    pthread_attr_t attr;
    void *bottom;
    size_t size;
    (void)arg;
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstack(&attr, &bottom, &size);
    pthread_attr_destroy(&attr);
    char *nearly_full = (char *)bottom + 256;
    for (int i = 0; i < 1000; i++) {
        if (call_with_stack_at(nearly_full, SYS_write, null, (long)"hello", 5) != 5)
            return "write on a full stack";
        if (call_with_stack_at(nearly_full, SYS_close, -1, 0, 0) != -EBADF)
            return "close on a full stack";
    }
    return NULL;
}

int main(void) {
    null = open("/dev/null", O_WRONLY);
    long smallest = sysconf(_SC_THREAD_STACK_MIN);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    CHECK(pthread_attr_setstacksize(&attr, smallest > 0 ? (size_t)smallest : 16384) == 0, "smallest stack refused");
    void *(*bodies[])(void *) = {small_thread, full_thread};
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        void *failed;
        CHECK(pthread_create(&thread, &attr, bodies[i % 2], NULL) == 0, "pthread_create with the smallest stack");
        pthread_join(thread, &failed);
        CHECK(!failed, "%s", (char *)failed);
    }
    ok("calls in threads with the smallest stack");

    long page = sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED, "mmap");
    memset(pages, 0x5a, (size_t)page * 2);
    mprotect(pages, (size_t)page, PROT_NONE);
    struct {
        const char *name;
        void *stack;
    } stacks[] = {
        {"at the lowest valid byte", pages + page},
        {"one byte above the lowest valid one", pages + page + 1},
        {"at the top of the mapping", pages + 2 * page},
        {"in a page that may not be touched", pages + page / 2},
        {"at 4096", (void *)4096},
        {"at 0", NULL},
        {"at a non-canonical address", (void *)0x5a5a5a5a5a5a5a5a},
    };
    long pid = getpid();
    for (size_t i = 0; i < sizeof stacks / sizeof *stacks; i++) {
        for (int round = 0; round < 100; round++) {
            CHECK(call_with_stack_at(stacks[i].stack, SYS_getpid, 0, 0, 0) == pid, "getpid");
            CHECK(call_with_stack_at(stacks[i].stack, SYS_write, null, (long)"hello", 5) == 5, "write");
            CHECK(call_with_stack_at(stacks[i].stack, 1000, 0, 0, 0) == -ENOSYS, "no such call");
        }
        ok("calls with rsp %s", stacks[i].name);
    }
    for (long i = page; i < 2 * page; i++)
        CHECK(pages[i] == 0x5a, "byte %ld of the stack page was written", i);
    ok("nothing was written to the stack page");
    return 0;
}
