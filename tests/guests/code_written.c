// expect: Code that a program writes is patched when it becomes executable, and is what the program wrote when it
// becomes writable again. Several functions in a page; calls in two pages of which one becomes writable; a call whose
// protection is refused halfway; a thread that waits in a call of such code while that is made writable, written and
// made executable again; hundreds of times; constants that look like calls before code and behind it; a signal that
// interrupts a call there, whose handler sees where; text that is moved, dropped and mapped anew. What is read while
// it is writable must be what was written, and results those of the code.
// musl: yes
// threads: yes
#define _GNU_SOURCE
#include "guest.h"
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { SIZE = 4096 };
#define RW (PROT_READ | PROT_WRITE)
#define RX (PROT_READ | PROT_EXEC)

// mov %edi, %eax; mov %rsi, %rdi; mov %rdx, %rsi; mov %rcx, %rdx; syscall; ret
static const unsigned char call[] = {0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6, 0x48, 0x89, 0xca, 0x0f, 0x05, 0xc3};
enum { SYSCALL_AT = 11 };
typedef long (*function)(long nr, long a, const void *b, long c);

static unsigned char *map(size_t pages) {
    unsigned char *p = mmap(NULL, pages * SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED, "mmap");
    return p;
}
static void protect(void *code, size_t pages, int prot) { CHECK(mprotect(code, pages * SIZE, prot) == 0, "mprotect %d", prot); }
static long run(const void *code, long nr, long a, const void *b, long c) { return ((function)(uintptr_t)code)(nr, a, b, c); }

static void in_pages(void) {
    unsigned char *code = map(3), written[3 * SIZE];
    // The first leads to one in each page: test %edi, %edi; jns over the jump; jmp to it.
    for (int round = 0; round < 50; round++) {
        memset(code, 0x90, 3 * SIZE);
        memcpy(code + SIZE - 40, call, sizeof call);
        memcpy(code + SIZE, call, sizeof call);
        memcpy(code + 2 * SIZE - SYSCALL_AT - 1, call, sizeof call); // its call lies in two pages
        const unsigned char jumps[] = {0x0f, 0x84, 0, 0, 0, 0, 0x0f, 0x82, 0, 0, 0, 0};
        memcpy(code, jumps, sizeof jumps);
        int to_second = SIZE - 6, to_third = 2 * SIZE - SYSCALL_AT - 1 - 12;
        memcpy(code + 2, &to_second, 4);
        memcpy(code + 8, &to_third, 4);
        memcpy(written, code, sizeof written);
        protect(code, 3, RX);
        long pid = getpid();
        CHECK(run(code + SIZE - 40, SYS_getpid, 0, NULL, 0) == pid && run(code + SIZE, SYS_getpid, 0, NULL, 0) == pid &&
                  run(code + 2 * SIZE - SYSCALL_AT - 1, SYS_getpid, 0, NULL, 0) == pid,
              "getpid");
        protect(code + (round % 3) * SIZE, 1, RW);
        CHECK(!memcmp(code + (round % 3) * SIZE, written + (round % 3) * SIZE, SIZE), "page %d changed", round % 3);
        protect(code + (round % 3) * SIZE, 1, RX);
        CHECK(run(code + SIZE, SYS_getpid, 0, NULL, 0) == pid, "getpid");
        // Refused behind the first page, or at the end: what was writable before stays so.
        protect(code, 3, RW);
        CHECK(!memcmp(code, written, sizeof written), "the pages changed");
        unsigned char *hole = code + 2 * SIZE;
        CHECK(munmap(hole, SIZE) == 0, "munmap");
        CHECK(syscall(SYS_mprotect, code + SIZE, 2 * SIZE, RX) == -1 && errno == ENOMEM, "mprotect over a hole");
        CHECK(run(code + SIZE, SYS_getpid, 0, NULL, 0) == pid, "getpid beside the hole");
        CHECK(syscall(SYS_mprotect, code + 1, SIZE, RX) == -1 && errno == EINVAL, "mprotect of half a page");
        CHECK(!memcmp(code, written, SIZE), "what was not made executable changed");
        CHECK(mmap(hole, SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == hole, "mmap");
        protect(code, 3, RW);
        CHECK(!memcmp(code, written, 2 * SIZE), "the pages changed, refused");
    }
    munmap(code, 3 * SIZE);
    ok("several functions in several pages");
}

static void constants(void) {
    unsigned char *code = map(1), written[SIZE];
    // jmp over; constants; over: the function; constants.
    static const unsigned char like_calls[] = {0xb8, 0x0f, 0x05, 0x0f, 0x05, 0x0f, 0x05, 0xc3};
    code[0] = 0xeb, code[1] = sizeof like_calls;
    memcpy(code + 2, like_calls, sizeof like_calls);
    memcpy(code + 2 + sizeof like_calls, call, sizeof call);
    memcpy(code + 2 + sizeof like_calls + sizeof call, like_calls, sizeof like_calls);
    memcpy(written, code, SIZE);
    protect(code, 1, RX);
    CHECK(run(code, SYS_getpid, 0, NULL, 0) == getpid(), "getpid");
    CHECK(!memcmp(code + 2, like_calls, sizeof like_calls), "constants before changed");
    CHECK(!memcmp(code + 2 + sizeof like_calls + sizeof call, like_calls, sizeof like_calls), "constants behind changed");
    protect(code, 1, RW);
    CHECK(!memcmp(code, written, SIZE), "the page changed");
    munmap(code, SIZE);
    ok("constants");
}

static unsigned char *shared;
static int ends[2];
static void *reader(void *unused) {
    (void)unused;
    for (;;) {
        char byte;
        long n = run(shared, SYS_read, ends[0], &byte, 1);
        CHECK(n == 1, "read: %ld", n);
        if (byte == 'e')
            return NULL;
    }
}

static void blocked(void) {
    shared = map(1);
    memcpy(shared, call, sizeof call);
    protect(shared, 1, RX);
    pthread_t thread;
    CHECK(pipe(ends) == 0 && pthread_create(&thread, NULL, reader, NULL) == 0, "pthread_create");
    for (int round = 0; round < 400; round++) {
        if (round % 8 == 0)
            usleep(1000);
        // Executable all the time where it is executed, as other threads' code has to be.
        protect(shared, 1, RW | PROT_EXEC);
        CHECK(!memcmp(shared, call, sizeof call), "the code changed");
        shared[SIZE / 2 + round] = 0xc3;
        protect(shared, 1, RX);
        CHECK(write(ends[1], "x", 1) == 1, "write");
    }
    CHECK(write(ends[1], "e", 1) == 1 && pthread_join(thread, NULL) == 0, "join");
    munmap(shared, SIZE);
    close(ends[0]), close(ends[1]);
    ok("a thread that waits in it");
}

static unsigned char *site;
static volatile int came, elsewhere, in_call;
static void handle(int sig, siginfo_t *info, void *context) {
    (void)sig, (void)info;
    unsigned char *rip = (unsigned char *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    came++;
    // Where its instructions begin, or not in this code at all.
    elsewhere += rip > site - SYSCALL_AT && rip < site + 3 && rip != site + 2 && rip != site && rip != site - 9 &&
                 rip != site - 6 && rip != site - 3;
    in_call += rip == site + 2;
}

static void interrupted(void) {
    unsigned char *code = map(1);
    memcpy(code, call, sizeof call);
    protect(code, 1, RX);
    site = code + SYSCALL_AT;
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && pipe(ends) == 0, "sigaction");
    ualarm(2000, 2000);
    for (int round = 0; round < 20; round++) {
        char byte;
        CHECK(run(code, SYS_read, ends[0], &byte, 1) == -EINTR, "read");
    }
    ualarm(0, 0);
    CHECK(in_call >= 20 && elsewhere == 0, "%d signals, %d in the call, %d elsewhere", came, in_call, elsewhere);
    munmap(code, SIZE);
    ok("interrupted there");
}

static void again_and_again(void) {
    long pid = getpid();
    unsigned char *code = map(2);
    for (int round = 0; round < 600; round++) {
        memcpy(code, call, sizeof call);
        protect(code, 1, RX);
        CHECK(run(code, SYS_getpid, 0, NULL, 0) == pid, "getpid");
        switch (round % 5) {
        case 0: protect(code, 1, RW); break;
        case 4: {
            protect(code, 1, RW);
            unsigned char *moved = mremap(code, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, code + SIZE);
            CHECK(moved == code + SIZE && !memcmp(moved, call, sizeof call), "moved while writable");
            moved[0] = 0xc3; // as it still is
            CHECK(mmap(code, SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == code, "mmap");
            break;
        }
        case 1: {
            unsigned char *moved = mremap(code, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, code + SIZE);
            CHECK(moved == code + SIZE && run(moved, SYS_getpid, 0, NULL, 0) == pid, "moved");
            CHECK(!memcmp(moved, call, sizeof call), "what was moved changed");
            CHECK(mmap(code, SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == code, "mmap");
            break;
        }
        case 2:
            CHECK(mmap(code, SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == code, "mmap");
            CHECK(code[0] == 0, "a new page is not empty");
            break;
        default:
            CHECK(madvise(code, SIZE, MADV_DONTNEED) == 0, "madvise");
            protect(code, 1, RW);
            CHECK(code[0] == 0 && code[SYSCALL_AT] == 0, "a dropped page is not empty");
        }
        CHECK(munmap(code + SIZE, SIZE) == 0, "munmap");
        CHECK(mmap(code + SIZE, SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == code + SIZE, "mmap");
    }
    munmap(code, 2 * SIZE);
    ok("again and again");
}

int main(void) {
    in_pages();
    constants();
    blocked();
    interrupted();
    again_and_again();
    return 0;
}
