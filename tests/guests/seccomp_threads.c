// flags: -pthread
// expect: A program with many threads installs a seccomp filter for all of them, as browsers do, that kills it at calls
// that ask for threads and processes (kill, tgkill, gettid, …), while threads are born and end, and makes more: nobody may
// ask for them on its behalf, however many threads there are. The threads before the filter, under way and after it make
// their calls, what they leave is used again by those that follow, and the process ends as it wants to.
#include "guest.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

// More than the 64 threads that have counters of their own, see `interceptor stat`. Stacks that libc keeps, and what it
// and malloc have for threads, are far below MOST_GROWN; a megabyte for ten threads would not be.
enum { BEFORE = 80, MAKERS = 4, AFTER = 1500, MOST_GROWN = 100 << 20 };

static sem_t are_there, may_end;
static atomic_int made, is_filtered, made_after;

static void *wait_for_end(void *argument) {
    sem_post(&are_there);
    while (sem_wait(&may_end))
        ;
    CHECK(getppid() > 0, "getppid");
    return argument;
}

static void *call(void *argument) {
    CHECK(getppid() > 0, "getppid");
    CHECK(raw0(5001) == -ENOSYS, "no such call");
    return argument;
}

static void make_one(const char *when) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, call, NULL) == 0 && pthread_join(thread, NULL) == 0, "thread %s", when);
}

static void *make_until_filtered(void *argument) {
    while (made_after < 20 * MAKERS) {
        make_one("while the filter comes");
        made++;
        made_after += is_filtered;
    }
    return argument;
}

static long bytes_mapped(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    CHECK(file && fscanf(file, "%ld", &pages) == 1, "statm");
    fclose(file);
    return pages * 4096;
}

#define KILL_AT(nr) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

int main(void) {
    CHECK(sem_init(&are_there, 0, 0) == 0 && sem_init(&may_end, 0, 0) == 0, "sem_init");
    pthread_t before[BEFORE], makers[MAKERS];
    for (int i = 0; i < BEFORE; i++)
        CHECK(pthread_create(&before[i], NULL, wait_for_end, NULL) == 0, "thread %d", i);
    for (int i = 0; i < BEFORE; i++)
        while (sem_wait(&are_there))
            ;
    for (int i = 0; i < MAKERS; i++)
        CHECK(pthread_create(&makers[i], NULL, make_until_filtered, NULL) == 0, "maker %d", i);
    while (made < 5 * MAKERS)
        usleep(100);
    static struct sock_filter asks_nobody[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        KILL_AT(SYS_kill),
        KILL_AT(SYS_tkill),
        KILL_AT(SYS_tgkill),
        KILL_AT(SYS_gettid),
        KILL_AT(SYS_getpid),
        KILL_AT(SYS_get_robust_list),
        KILL_AT(SYS_sched_yield),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof asks_nobody / sizeof *asks_nobody, asks_nobody};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no new privileges");
    CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0, "filter");
    is_filtered = 1;
    for (int i = 0; i < MAKERS; i++)
        CHECK(pthread_join(makers[i], NULL) == 0, "join of maker %d", i);
    ok("a filter for %d threads", BEFORE + 1 + MAKERS);
    long mapped = bytes_mapped();
    for (int i = 0; i < AFTER; i++)
        make_one("after the filter");
    long grown = bytes_mapped() - mapped;
    CHECK(grown < MOST_GROWN, "%d threads one after another take %ld more bytes", AFTER, grown);
    ok("%d threads after it", AFTER);
    for (int i = 0; i < BEFORE; i++)
        sem_post(&may_end);
    for (int i = 0; i < BEFORE; i++)
        CHECK(pthread_join(before[i], NULL) == 0, "join %d", i);
    ok("all have ended");
    return 0;
}
