// flags: -O2
// What one system call costs, in TSC cycles.
//
//     percall [-THREADS] BATCHES CALLS NR[=RESULT]...
//
// Beside as many threads as asked for, which sleep.
// Prints for each number one line: NR, the smallest and the median batch, in
// cycles for each call. Each batch lies between two serialising readings of the
// TSC. The AVX-512 state is live meanwhile, as glibc's string functions leave
// it. A call that does not return RESULT ends the program: then something else
// was measured than what was meant.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned long begin(void) {
    unsigned low, high;
    __asm__ volatile("mfence\n\tlfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
    return (unsigned long)high << 32 | low;
}

static unsigned long end(void) {
    unsigned low, high;
    __asm__ volatile("rdtscp\n\tlfence" : "=a"(low), "=d"(high) : : "rcx", "memory");
    return (unsigned long)high << 32 | low;
}

// The instructions around the call are those of glibc.
static inline __attribute__((always_inline)) long call(unsigned nr) {
    long result;
    __asm__ volatile(
        "mov %1, %%eax\n\t"
        "syscall\n\t"
        "cmp $-4096, %%rax"
        : "=&a"(result)
        : "r"(nr), "D"(0), "S"(0), "d"(0)
        : "rcx", "r11", "cc", "memory");
    return result;
}

static __attribute__((noinline)) unsigned long batch(unsigned nr, long calls) {
    unsigned long began = begin();
    for (long i = 0; i < calls; i++)
        call(nr);
    return end() - began;
}

static void make_vector_state_live(void) {
    if (__builtin_cpu_supports("avx512f"))
        __asm__ volatile(
            "vpternlogd $255, %%zmm0, %%zmm0, %%zmm0\n\t"
            "vpternlogd $255, %%zmm15, %%zmm15, %%zmm15\n\t"
            "vpternlogd $255, %%zmm31, %%zmm31, %%zmm31\n\t"
            "kxnorw %%k1, %%k1, %%k1" : : : "memory");
    else if (__builtin_cpu_supports("avx2"))
        __asm__ volatile("vpcmpeqd %%ymm0, %%ymm0, %%ymm0" : : : "memory");
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void *sleeps(void *none) {
    for (;;)
        pause();
    return none;
}

static int start_threads(long count) {
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 * 1024);
    while (count-- > 0) {
        pthread_t thread;
        if (pthread_create(&thread, &small, sleeps, NULL) != 0)
            return 0;
    }
    return 1;
}

int main(int argc, char **argv) {
    if (argc > 1 && argv[1][0] == '-') {
        if (!start_threads(-atol(argv[1])))
            return 1;
        argc--, argv++;
    }
    if (argc < 4)
        return 2;
    long batches = atol(argv[1]), calls = atol(argv[2]);
    double *costs = calloc(batches, sizeof *costs);
    if (batches < 1 || calls < 1 || !costs)
        return 2;
    for (int i = 3; i < argc; i++) {
        unsigned nr = strtoul(argv[i], NULL, 0);
        const char *wanted = strchr(argv[i], '=');
        long result = call(nr);
        if (wanted && result != atol(wanted + 1)) {
            fprintf(stderr, "percall: call %u returned %ld, not %s\n", nr, result, wanted + 1);
            return 1;
        }
        batch(nr, calls);
        for (long k = 0; k < batches; k++) {
            make_vector_state_live();
            costs[k] = (double)batch(nr, calls) / calls;
        }
        qsort(costs, batches, sizeof *costs, compare);
        printf("%u %.2f %.2f\n", nr, costs[0], costs[batches / 2]);
    }
    return 0;
}
