// What a birth and the wait for its end cost: the median, in nanoseconds, of
// COUNT threads or processes, while LIVE other threads are alive.
//
//     births thread|fork|vfork|spawn COUNT LIVE [one]
//
// With `one`, all on one processor.
//
// thread: pthread_create and pthread_join; fork, vfork: and _exit and waitpid; spawn:
// posix_spawn of a program that does not exist, since what the new image costs is
// measured as start-up.
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static sem_t never;

static void *nothing(void *argument) { return argument; }

static void *live(void *argument) {
    sem_wait(&never);
    return argument;
}

static int by_thread(void) {
    pthread_t thread;
    return pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL);
}

static int ends(pid_t child) {
    int status;
    return child < 0 || waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 7;
}

static int by_fork(void) {
    pid_t child = fork();
    if (child == 0)
        _exit(7);
    return ends(child);
}

static int by_vfork(void) {
    pid_t child = vfork();
    if (child == 0)
        _exit(7);
    return ends(child);
}

static int by_spawn(void) {
    char *arguments[] = {"program", NULL};
    pid_t child;
    return posix_spawn(&child, "/no/such/program", NULL, NULL, arguments, environ) != ENOENT;
}

static const struct {
    const char *name;
    int (*birth)(void);
} kinds[] = {{"thread", by_thread}, {"fork", by_fork}, {"vfork", by_vfork}, {"spawn", by_spawn}};

static long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

static int compare(const void *a, const void *b) {
    long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

static void stay_on_one_processor(void) {
    cpu_set_t all, one;
    sched_getaffinity(0, sizeof all, &all);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all)) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof one, &one);
            return;
        }
}

int main(int argc, char **argv) {
    if (argc < 4)
        return 2;
    if (argc > 4)
        stay_on_one_processor();
    int (*birth)(void) = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(argv[1], kinds[i].name))
            birth = kinds[i].birth;
    long count = atol(argv[2]);
    long *costs = calloc(count, sizeof *costs);
    if (!birth || count < 1 || !costs)
        return 2;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN);
    for (long i = 0; i < atol(argv[3]); i++) {
        pthread_t thread;
        if (pthread_create(&thread, &attr, live, NULL))
            return 1;
    }
    for (long i = 0; i < count; i++) {
        long began = now();
        if (birth())
            return 1;
        costs[i] = now() - began;
    }
    qsort(costs, count, sizeof *costs, compare);
    printf("%ld\n", costs[count / 2]);
    return 0;
}
