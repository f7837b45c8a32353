// expect: Operations on a ring are no system calls, only what sets the ring up and enters it: they are done as ever, also by a thread
// of the kernel's that nobody enters for, from a forked child, and with descriptors that are the program's. A wait in the ring with a
// mask of its own lets in just what that says, in both of its forms; its handler runs with that mask, and makes calls.
#include "guest.h"
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { ENTRIES = 8 };

struct ring {
    int fd;
    unsigned flags;
    _Atomic unsigned *sq_tail, *sq_flags, *cq_head, *cq_tail;
    unsigned sq_mask, cq_mask, *sq_array;
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
};

static void *map(int fd, size_t len, off_t at) {
    void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, at);
    CHECK(memory != MAP_FAILED, "mmap at %lx", (long)at);
    return memory;
}

static int make(struct ring *ring, unsigned flags) {
    struct io_uring_params params = {.flags = flags, .sq_thread_idle = 50};
    ring->fd = (int)syscall(__NR_io_uring_setup, ENTRIES, &params);
    if (ring->fd == -1)
        return 0;
    ring->flags = flags;
    char *sq = map(ring->fd, params.sq_off.array + params.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
    char *cq = map(ring->fd, params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
    ring->sqes = map(ring->fd, params.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
    ring->sq_tail = (_Atomic unsigned *)(sq + params.sq_off.tail);
    ring->sq_flags = (_Atomic unsigned *)(sq + params.sq_off.flags);
    ring->sq_mask = *(unsigned *)(sq + params.sq_off.ring_mask);
    ring->sq_array = (unsigned *)(sq + params.sq_off.array);
    ring->cq_head = (_Atomic unsigned *)(cq + params.cq_off.head);
    ring->cq_tail = (_Atomic unsigned *)(cq + params.cq_off.tail);
    ring->cq_mask = *(unsigned *)(cq + params.cq_off.ring_mask);
    ring->cqes = (struct io_uring_cqe *)(cq + params.cq_off.cqes);
    return 1;
}

static void submit(struct ring *ring, int operation, int fd, void *buffer, unsigned len, uint64_t id) {
    unsigned tail = *ring->sq_tail, index = tail & ring->sq_mask;
    ring->sqes[index] = (struct io_uring_sqe){
        .opcode = (uint8_t)operation, .fd = fd, .addr = (uintptr_t)buffer, .len = len, .user_data = id};
    if (operation == IORING_OP_READ)
        ring->sqes[index].off = (uint64_t)-1;
    ring->sq_array[index] = index;
    *ring->sq_tail = tail + 1;
    if (ring->flags & IORING_SETUP_SQPOLL) {
        if (*ring->sq_flags & IORING_SQ_NEED_WAKEUP)
            syscall(__NR_io_uring_enter, ring->fd, 0, 0, IORING_ENTER_SQ_WAKEUP, NULL, 0);
    } else {
        CHECK(syscall(__NR_io_uring_enter, ring->fd, 1, 0, 0, NULL, 0) == 1, "io_uring_enter");
    }
}

static int result(struct ring *ring, uint64_t id) {
    while (*ring->cq_head == *ring->cq_tail)
        syscall(__NR_io_uring_enter, ring->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
    struct io_uring_cqe *cqe = &ring->cqes[*ring->cq_head & ring->cq_mask];
    CHECK(cqe->user_data == id, "completed %lu, not %lu", (long)cqe->user_data, (long)id);
    int value = cqe->res;
    ++*ring->cq_head;
    return value;
}

static void works(struct ring *ring, const char *what) {
    int ends[2];
    char text[16] = "";
    CHECK(pipe(ends) == 0, "pipe");
    for (int round = 0; round < 50; round++) {
        submit(ring, IORING_OP_NOP, -1, NULL, 0, 1);
        CHECK(result(ring, 1) == 0, "nothing");
        submit(ring, IORING_OP_READ, ends[0], text, sizeof text, 2);
        CHECK(write(ends[1], "message", 7) == 7, "write");
        CHECK(result(ring, 2) == 7 && !memcmp(text, "message", 7), "read %s", text);
    }
    submit(ring, IORING_OP_CLOSE, ends[1], NULL, 0, 3);
    int closed = result(ring, 3);
    CHECK(closed == 0 && close(ends[1]) == -1 && errno == EBADF, "close %d", closed);
    CHECK(read(ends[0], text, 1) == 0, "the other end");
    close(ends[0]);
    ok("%s", what);
}

static volatile sig_atomic_t handled, calls_made;
static void handler(int sig) {
    (void)sig;
    handled++;
    calls_made += syscall(SYS_getppid) == getppid();
}

static void waits(struct ring *ring) {
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGUSR1, &action, NULL);
    sigset_t all, wait, before, now;
    sigfillset(&all);
    sigfillset(&wait);
    sigdelset(&wait, SIGUSR1);
    for (int round = 0; round < 20; round++) {
        sigprocmask(SIG_SETMASK, &all, &before);
        raise(SIGUSR1);
        long entered = syscall(__NR_io_uring_enter, ring->fd, 0, 1, IORING_ENTER_GETEVENTS, &wait, 8);
        CHECK(entered == -1 && errno == EINTR && handled == round * 2 + 1, "%ld, handled %d", entered, handled);
        raise(SIGUSR1);
        struct io_uring_getevents_arg argument = {.sigmask = (uintptr_t)&wait, .sigmask_sz = 8};
        entered = syscall(__NR_io_uring_enter, ring->fd, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument, sizeof argument);
        CHECK(entered == -1 && errno == EINTR && handled == round * 2 + 2, "%ld, handled %d", entered, handled);
        sigprocmask(SIG_SETMASK, &before, &now);
        CHECK(sigismember(&now, SIGILL) == 1 && sigismember(&now, SIGUSR1) == 1, "the mask afterwards");
    }
    struct timespec soon = {0, 1000000};
    struct io_uring_getevents_arg argument = {.sigmask = (uintptr_t)&wait, .sigmask_sz = 8, .ts = (uintptr_t)&soon};
    long entered = syscall(__NR_io_uring_enter, ring->fd, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument, sizeof argument);
    CHECK(entered == -1 && errno == ETIME, "%ld", entered);
    ok("waits: handled %d, calls %d", handled, calls_made);
}

int main(void) {
    struct ring ring, polled;
    if (!make(&ring, 0)) {
        ok("no rings: %d", errno);
        return 0;
    }
    works(&ring, "a ring");
    waits(&ring);
    pid_t child = fork();
    if (child == 0) {
        struct ring own;
        CHECK(make(&own, 0), "a child's ring");
        works(&own, "a child's ring");
        _exit(3);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child, "waitpid");
    ok("a child: %x", status);
    if (make(&polled, IORING_SETUP_SQPOLL))
        works(&polled, "a ring with a thread of the kernel's");
    else
        ok("no such thread: %d", errno);
    return 0;
}
