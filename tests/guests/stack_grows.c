// flags: -lpthread
// expect: A stack that is to grow (MAP_GROWSDOWN) lies above a hole that the program has just made, which is the highest
// of all. The thread that runs on it uses all of it: nothing has come to lie there meanwhile, neither by the birth of
// the thread nor by its calls; nor by those of other threads that are made while it runs, on stacks that are there
// already.
// musl: yes
#include "guest.h"
#include <pthread.h>
#include <sys/mman.h>

enum { PAGE = 4096, MAPPED = 32 * PAGE, SIZE = 128 * PAGE, GAP = 257 * PAGE, OTHERS = 8 };

// So that there is no room above what is mapped next.
static void fill_holes(void) {
    enum { PIECE = 16 * PAGE };
    char *last = NULL;
    for (int adjacent = 0; adjacent < 8;) {
        char *piece = mmap(NULL, PIECE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(piece != MAP_FAILED, "a piece: %m");
        adjacent = piece + PIECE == last ? adjacent + 1 : 0;
        last = piece;
    }
}

static char *make_stack(void) {
    fill_holes();
    // The kernel keeps a stack 256 pages away from what is below.
    char *hole = mmap(NULL, GAP + SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(hole != MAP_FAILED && !munmap(hole, GAP + SIZE), "a hole: %m");
    char *top = mmap(hole + GAP + SIZE - MAPPED, MAPPED, PROT_READ | PROT_WRITE,
                     MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
    CHECK(top != MAP_FAILED, "a stack that grows: %m");
    return hole + GAP;
}

static __attribute__((noinline)) size_t descend(char *bottom) {
    volatile char frame[1024];
    frame[0] = 1;
    if ((char *)frame < bottom + 2 * PAGE)
        return 1;
    // A call at each depth.
    CHECK(raw0(SYS_getpid) == getpid(), "getpid");
    return descend(bottom) + frame[0];
}

static void *run_down(void *bottom) {
    return (void *)descend(bottom);
}

static void *call(void *unused) {
    for (int i = 0; i < 100; i++)
        CHECK(raw0(SYS_gettid) > 0, "gettid");
    return unused;
}

static void run_on(char *stack, void *(*function)(void *), void *argument, pthread_t *thread) {
    pthread_attr_t attributes;
    CHECK(!pthread_attr_init(&attributes) && !pthread_attr_setstack(&attributes, stack, SIZE), "attributes");
    CHECK(!pthread_create(thread, &attributes, function, argument), "a thread");
}

int main(void) {
    static char others[OTHERS][SIZE] __attribute__((aligned(4096)));
    pthread_t thread, other[OTHERS];
    void *depth;
    char *stack = make_stack();
    run_on(stack, run_down, stack, &thread);
    CHECK(!pthread_join(thread, &depth) && (size_t)depth > SIZE / 2048, "depth %zu", (size_t)depth);
    ok("the first thread has used its stack");
    stack = make_stack();
    for (int i = 0; i < OTHERS; i++)
        run_on(others[i], call, NULL, &other[i]);
    run_on(stack, run_down, stack, &thread);
    CHECK(!pthread_join(thread, &depth) && (size_t)depth > SIZE / 2048, "depth %zu", (size_t)depth);
    for (int i = 0; i < OTHERS; i++)
        CHECK(!pthread_join(other[i], NULL), "join");
    ok("so has one beside %d others", OTHERS);
    return 0;
}
