// Rings, bit sets, the processor, and waiting by the time stamp counter.
#include "check.h"

#include <sched.h>

struct item {
    uint64_t number, check, rest[1];
};

enum { ITEMS = 200000, CAPACITY = 64 };

static struct spsc_ring *ring;

static void *write_items(void *argument)
{
    for (uint64_t i = 0; i < ITEMS;) {
        struct item item = {i, ~i, {i * 3}};
        if (spsc_ring_push(ring, &item))
            i++;
        else
            sched_yield();
    }
    return argument;
}

static void read_items(void)
{
    for (uint64_t i = 0; i < ITEMS;) {
        struct item item;
        if (!spsc_ring_pop(ring, &item)) {
            sched_yield();
            continue;
        }
        CHECK(item.number == i && item.check == ~i && item.rest[0] == i * 3);
        i++;
    }
    CHECK(spsc_ring_count(ring) == 0);
}

static void *read_in_thread(void *argument)
{
    read_items();
    return argument;
}

static void rings_keep_order_and_lose_nothing_silently(void)
{
    CHECK(spsc_ring_bytes(8, 0) == 0 && spsc_ring_bytes(8, 3) == 0 && spsc_ring_bytes(0, 4) == 0);
    CHECK(spsc_ring_bytes((size_t)-1 / 2, 4) == 0);
    const size_t bytes = spsc_ring_bytes(sizeof(struct item), CAPACITY);
    void *memory = shared_memory(bytes);
    ring = spsc_ring_init(memory, sizeof(struct item), CAPACITY);
    CHECK(ring != NULL && spsc_ring_init(memory, 8, 5) == NULL);

    struct item item = {1, 2, {3}};
    CHECK(!spsc_ring_pop(ring, &item));
    for (int i = 0; i < CAPACITY; i++)
        CHECK(spsc_ring_push(ring, &item));
    CHECK(!spsc_ring_push(ring, &item) && !spsc_ring_push(ring, &item));
    CHECK(spsc_ring_count(ring) == CAPACITY && spsc_ring_lost(ring) == 2);
    for (int i = 0; i < CAPACITY; i++)
        CHECK(spsc_ring_pop(ring, &item) && item.rest[0] == 3);
    CHECK(!spsc_ring_pop(ring, &item));

    pthread_t reader;
    ring = spsc_ring_init(memory, sizeof(struct item), CAPACITY);
    pthread_create(&reader, NULL, read_in_thread, NULL);
    write_items(NULL);
    pthread_join(reader, NULL);

    ring = spsc_ring_init(memory, sizeof(struct item), CAPACITY);
    if (fork() == 0) {
        write_items(NULL);
        _exit(0);
    }
    read_items();
    wait(NULL);
}

enum { NUMBERS = 1000 };
static uint64_t set[BITSET_WORDS(NUMBERS)];
static unsigned char owners[NUMBERS];

static void *claim(void *argument)
{
    for (size_t i = 0; i < NUMBERS / 8; i++) {
        const size_t number = bitset_claim_atomic(set, NUMBERS, i * 7 % NUMBERS);
        CHECK(number < NUMBERS);
        CHECK(__atomic_fetch_add(&owners[number], 1, __ATOMIC_RELAXED) == 0);
    }
    return argument;
}

static void sets_are_sets(void)
{
    unsigned char model[NUMBERS] = {0};
    unsigned random = 1;
    for (int i = 0; i < 100000; i++) {
        random = random * 1103515245 + 12345;
        const size_t number = random / 65536 % NUMBERS;
        switch (random / 4096 % 6) {
        case 0:
            CHECK(bitset_add(set, number) == model[number]);
            model[number] = 1;
            break;
        case 1:
            CHECK(bitset_remove(set, number) == model[number]);
            model[number] = 0;
            break;
        case 2:
            CHECK(bitset_flip(set, number) == model[number]);
            model[number] ^= 1;
            break;
        case 3:
            CHECK(bitset_add_atomic(set, number) == model[number]);
            model[number] = 1;
            break;
        case 4:
            CHECK(bitset_remove_atomic(set, number) == model[number]);
            model[number] = 0;
            break;
        default:
            CHECK(bitset_flip_atomic(set, number) == model[number]);
            model[number] ^= 1;
            break;
        }
        CHECK(bitset_has(set, number) == model[number]);
        CHECK(bitset_has_atomic(set, number) == model[number]);
    }
    size_t size = 0;
    for (size_t from = 0; from <= NUMBERS; from++) {
        size_t in = from, out = from;
        while (in < NUMBERS && !model[in])
            in++;
        while (out < NUMBERS && model[out])
            out++;
        CHECK(bitset_next(set, NUMBERS, from) == in);
        CHECK(bitset_next_free(set, NUMBERS, from) == out);
        size += from < NUMBERS && model[from];
    }
    CHECK(bitset_size(set, NUMBERS) == size && bitset_size(set, 64) <= 64);
    bitset_clear(set, NUMBERS);
    CHECK(bitset_size(set, NUMBERS) == 0 && bitset_next(set, NUMBERS, 0) == NUMBERS);

    in_threads(8, claim, NULL);
    CHECK(bitset_size(set, NUMBERS) == NUMBERS);
    CHECK(bitset_claim_atomic(set, NUMBERS, 5) == NUMBERS);
    for (int i = 0; i < NUMBERS; i++)
        CHECK(owners[i] == 1);
}

// Whether the kernel lists a flag of the processor.
static int kernel_has(const char *flag)
{
    static char line[16384];
    FILE *file = fopen("/proc/cpuinfo", "r");
    int has = 0;
    CHECK(file != NULL);
    while (!has && fgets(line, sizeof(line), file)) {
        if (strncmp(line, "flags", 5) != 0)
            continue;
        for (char *word = strtok(line, " \t\n:"); word; word = strtok(NULL, " \t\n:"))
            has |= strcmp(word, flag) == 0;
        break;
    }
    fclose(file);
    return has;
}

static void the_processor_is_known(void)
{
    char vendor[13];
    x86linux_cpu_vendor(vendor);
    CHECK(strlen(vendor) == 12);
    CHECK(x86linux_cpu_has_rdtscp() == kernel_has("rdtscp"));
    CHECK(x86linux_cpu_has_waitpkg() == kernel_has("waitpkg"));
    CHECK(x86linux_cpu_is_virtual() == kernel_has("hypervisor"));
    CHECK(tsc_has_waitpkg() == kernel_has("waitpkg"));
    const struct x86linux_cpuid none = x86linux_cpuid(0x80ffffffu, 0);
    CHECK(none.eax == 0 && none.ebx == 0 && none.ecx == 0 && none.edx == 0);
    const struct x86linux_cpuid beyond = x86linux_cpuid(0x00ffffffu, 0);
    CHECK(beyond.eax == 0 && beyond.ebx == 0 && beyond.ecx == 0 && beyond.edx == 0);
}

static uint32_t word;
static uint64_t changed_at;

static void *change(void *argument)
{
    usleep(2000);
    changed_at = tsc_now_ordered();
    __atomic_store_n(&word, 7, __ATOMIC_RELEASE);
    return argument;
}

static void waits_end_when_they_should(void)
{
    // Both ways to know agree, to what a measurement of half a millisecond can tell.
    const uint64_t hz = tsc_hz(), measured = x86linux_tsc_hz_measured();
    CHECK(hz > 100000000u && hz < 20000000000u && tsc_hz() == hz);
    CHECK(measured > hz - hz / 20 && measured < hz + hz / 20);
    CHECK(tsc_from_ns(1000000000u) == hz);

    for (int i = 0; i < 100; i++) {
        const uint64_t start = tsc_now_ordered();
        tsc_wait_until(start + 5000);
        CHECK(tsc_now_ordered() - start >= 5000);
    }
    // A deadline that is over.
    tsc_wait_until(tsc_now() - 1000);

    word = 0;
    uint64_t start = tsc_now_ordered();
    CHECK(tsc_wait_while(&word, 0, start + 50000) == 0);
    CHECK(tsc_now_ordered() - start >= 50000);
    CHECK(tsc_wait_while(&word, 1, start + hz * 60) == 0);

    pthread_t thread;
    start = tsc_now_ordered();
    pthread_create(&thread, NULL, change, NULL);
    CHECK(tsc_wait_while(&word, 0, start + hz * 60) == 7);
    pthread_join(thread, NULL);
    CHECK(tsc_now_ordered() >= changed_at && changed_at - start >= tsc_from_ns(2000000));
}

int main(void)
{
    rings_keep_order_and_lose_nothing_silently();
    sets_are_sets();
    the_processor_is_known();
    waits_end_when_they_should();
    puts("ok");
    return 0;
}
