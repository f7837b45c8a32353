// What fork and wait cost: the median, in nanoseconds, of COUNT children that
// exit at once.
//
//     forkwait COUNT
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

static int compare(const void *a, const void *b) {
    long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    long count = argc > 1 ? atol(argv[1]) : 0;
    long *costs = calloc(count, sizeof *costs);
    if (count < 1 || !costs)
        return 2;
    for (long i = 0; i < count; i++) {
        long began = now();
        pid_t child = fork();
        if (child == 0)
            _exit(7);
        int status;
        if (child < 0 || waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 7) {
            perror("forkwait");
            return 1;
        }
        costs[i] = now() - began;
    }
    qsort(costs, count, sizeof *costs, compare);
    printf("%ld\n", costs[count / 2]);
    return 0;
}
