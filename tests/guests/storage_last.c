// ends: 7
// expect: A thread on storage that the program has made outlives main and ends the process with its status.
#define _GNU_SOURCE
#include "raw_thread.h"
#include <sys/mman.h>

enum { ROOM = 1 << 16, FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SETTLS };

// The kernel clears it when it ends main.
static volatile int main_is_there = 1;

static void outlives(void *unused) {
    (void)unused;
    while (main_is_there)
        raw0(SYS_sched_yield);
    static const char said[] = "ok main is gone\n";
    raw3(SYS_write, 1, said, sizeof said - 1);
    raw1(SYS_exit, 7);
}

int main(void) {
    char *room = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(room != MAP_FAILED, "mmap");
    long *storage = (long *)(room + ROOM / 2);
    storage[0] = (long)storage;
    raw1(SYS_set_tid_address, &main_is_there);
    long tid = start_thread(FLAGS, room + ROOM / 2 - 4096, outlives, NULL, NULL, storage);
    CHECK(tid > 0, "clone: %ld", tid);
    // Before Linux 6.0 the process has the status of its first thread.
    raw1(SYS_exit, 7);
}
