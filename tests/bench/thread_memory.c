// What each thread takes of memory, in bytes: how much the proportional set size, and the pages that the program has
// changed, grow by COUNT threads, each of which has made two calls and waits in a third.
//
//     thread_memory COUNT
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static sem_t are_there, never;

static void *call_and_wait(void *argument) {
    syscall(SYS_getppid);
    syscall(1001);
    sem_post(&are_there);
    sem_wait(&never);
    return argument;
}

// Pss and Private_Dirty of the process, in KiB.
static void look(long *values) {
    static const char *const names[] = {"\nPss:", "\nPrivate_Dirty:"};
    static char text[4096];
    int fd = open("/proc/self/smaps_rollup", O_RDONLY);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    close(fd);
    for (int i = 0; i < 2; i++) {
        const char *at = length > 0 ? strstr(text, names[i]) : NULL;
        if (!at || sscanf(at + strlen(names[i]), " %ld", &values[i]) != 1) {
            fprintf(stderr, "thread_memory: /proc/self/smaps_rollup\n");
            exit(1);
        }
    }
}

int main(int argc, char **argv) {
    long count = argc == 2 ? atol(argv[1]) : 0, before[2], after[2];
    if (count < 1)
        return 2;
    sem_init(&are_there, 0, 0);
    sem_init(&never, 0, 0);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 64 << 10);
    look(before);
    for (long i = 0; i < count; i++) {
        pthread_t thread;
        if (pthread_create(&thread, &attr, call_and_wait, NULL))
            return 1;
    }
    for (long i = 0; i < count; i++)
        while (sem_wait(&are_there))
            ;
    look(after);
    printf("%.0f %.0f\n", (after[0] - before[0]) * 1024.0 / count, (after[1] - before[1]) * 1024.0 / count);
    return 0;
}
