// flags: -pthread
// expect: A program with many threads installs a seccomp filter for all of them, as browsers do, that kills it at a call
// that asks for other processes (kill), and makes more threads: nobody may ask for them on its behalf, however many
// threads there are. The threads before the filter and after it make their calls, and the process ends as it wants to.
#include "guest.h"
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

// More than the 64 threads that have counters of their own, see `interceptor stat`.
enum { BEFORE = 80, AFTER = 20 };

static sem_t are_there, may_end;

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

int main(void) {
    CHECK(sem_init(&are_there, 0, 0) == 0 && sem_init(&may_end, 0, 0) == 0, "sem_init");
    pthread_t before[BEFORE];
    for (int i = 0; i < BEFORE; i++)
        CHECK(pthread_create(&before[i], NULL, wait_for_end, NULL) == 0, "thread %d", i);
    for (int i = 0; i < BEFORE; i++)
        while (sem_wait(&are_there))
            ;
    static struct sock_filter no_kill[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_kill, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof no_kill / sizeof *no_kill, no_kill};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no new privileges");
    CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0, "filter");
    ok("a filter for %d threads", BEFORE + 1);
    for (int i = 0; i < AFTER; i++) {
        pthread_t after;
        CHECK(pthread_create(&after, NULL, call, NULL) == 0 && pthread_join(after, NULL) == 0, "thread %d", i);
    }
    ok("%d threads after it", AFTER);
    for (int i = 0; i < BEFORE; i++)
        sem_post(&may_end);
    for (int i = 0; i < BEFORE; i++)
        CHECK(pthread_join(before[i], NULL) == 0, "join %d", i);
    ok("all have ended");
    return 0;
}
