// expect: glibc registers a restartable-sequence area for every thread, the kernel keeps its cpu_id current and
// checks it whenever a thread is moved or interrupted; a stub run inside a critical section, an unregistered or
// doubly registered area breaks that. In the main thread, in others and in forked children the area stays registered
// over many calls, its cpu_id is that of a CPU the thread is pinned to, registering another one fails, and per-CPU
// counters kept by real critical sections around calls add up.
// userlands: newer
#include "guest.h"
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/rseq.h>
#include <sys/wait.h>

static struct rseq *area(void) {
    return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

// Adds one to counter[cpu] in a critical section: aborted and begun anew if the thread is moved in between.
static void count_on_this_cpu(long *counters) {
    struct rseq *rseq = area();
    __asm__ volatile(
        ".pushsection __rseq_cs, \"aw\"\n\t"
        ".balign 32\n"
        "3:\n\t"
        ".long 0, 0\n\t"
        ".quad 1f, 2f - 1f, 4f\n\t"
        ".popsection\n"
        "5:\n\t"
        "lea 3b(%%rip), %%rax\n\t"
        "mov %%rax, %c[cs](%[rseq])\n"
        "1:\n\t"
        "movslq %c[id](%[rseq]), %%rcx\n\t"
        "shl $6, %%rcx\n\t"
        "incq (%[counters],%%rcx)\n"
        "2:\n\t"
        ".pushsection .text.rseq_abort, \"ax\"\n\t"
        ".byte 0x0f, 0xb9, 0x3d\n\t"
        ".long 0x53053053\n" // RSEQ_SIG, which the kernel wants before the abort address
        "4:\n\t"
        "jmp 5b\n\t"
        ".popsection"
        :
        : [rseq] "r"(rseq), [counters] "r"(counters), [cs] "i"(offsetof(struct rseq, rseq_cs)),
          [id] "i"(offsetof(struct rseq, cpu_id))
        : "rax", "rcx", "memory", "cc");
}

static long counters[1024][8] __attribute__((aligned(64)));
enum { ROUNDS = 20000, THREADS = 4 };

static void check_area(const char *where) {
    struct rseq other = {0};
    CHECK((int)area()->cpu_id >= 0, "%s: cpu_id %d", where, (int)area()->cpu_id);
    CHECK(raw4(SYS_rseq, &other, 32, 0, RSEQ_SIG) < 0, "%s: another area could be registered", where);
    cpu_set_t all, one;
    sched_getaffinity(0, sizeof all, &all);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all)) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            CHECK(sched_setaffinity(0, sizeof one, &one) == 0, "sched_setaffinity");
            CHECK((int)area()->cpu_id == cpu, "%s: cpu_id %d on CPU %d", where, (int)area()->cpu_id, cpu);
        }
    sched_setaffinity(0, sizeof all, &all);
}

static void *count(void *unused) {
    check_area("thread");
    for (int i = 0; i < ROUNDS; i++) {
        count_on_this_cpu(&counters[0][0]);
        if (i % 16 == 0)
            CHECK(raw0(SYS_sched_yield) == 0 && raw1(SYS_close, -1) == -EBADF, "calls");
    }
    check_area("thread after calls");
    return unused;
}

int main(void) {
    if (__rseq_size == 0) {
        ok("rseq is not registered here");
        return 0;
    }
    check_area("main thread");
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, count, NULL) == 0, "pthread_create");
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    long sum = 0;
    for (int cpu = 0; cpu < 1024; cpu++)
        sum += counters[cpu][0];
    CHECK(sum == (long)ROUNDS * THREADS, "counters add up to %ld", sum);
    ok("per-CPU counters add up to %ld", sum);
    pid_t child = fork();
    if (child == 0) {
        check_area("child");
        _exit(42);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 42, "child %#x", status);
    ok("area is registered in main thread, threads and child");
    return 0;
}
