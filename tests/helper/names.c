// The names of libx86linuxextra: what was written for it means the same here.
#include "check.h"

#include <time.h>

enum { THREADS = 4, ROUNDS = 5000 };

static volatile uint64_t fair;
static volatile uint32_t inheriting;
static volatile long counter;
static volatile int handled;

static uint32_t spin(void)
{
    return 20 * usersched_tsc_1us;
}

static void *count_fair(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        const int flags = FUTEX_PRIVATE_FLAG | USERSCHED_RESTART | USERSCHED_NOEAGAIN;
        CHECK(usersched_lock(&fair, flags, spin(), NULL) == 0);
        counter = counter + 1;
        CHECK(usersched_unlock(&fair, FUTEX_PRIVATE_FLAG) >= 0);
    }
    return argument;
}

static void *count_inheriting(void *argument)
{
    const pid_t tid = x86linux_gettid();
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(usersched_lock_pi2(&inheriting, tid, FUTEX_PRIVATE_FLAG, spin(), NULL) == 0);
        counter = counter + 1;
        CHECK(usersched_unlock_pi(&inheriting, tid, FUTEX_PRIVATE_FLAG) == 0);
    }
    return argument;
}

static void *count_masked(void *argument)
{
    const pid_t tid = x86linux_gettid();
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(usersched_plock(&fair, 0, spin(), NULL, NULL, NULL) == 0);
        CHECK(usersched_plock_pi2(&inheriting, tid, 0, spin(), NULL, NULL, NULL) == 0);
        counter = counter + 1;
        CHECK(usersched_punlock_pi(&inheriting, tid, 0, NULL) == 0);
        CHECK(usersched_punlock(&fair, 0, NULL) == 0);
    }
    return argument;
}

static void locks_exclude(void)
{
    void *(*const ways[])(void *) = {count_fair, count_inheriting, count_masked};
    for (int way = 0; way < 3; way++) {
        counter = 0;
        in_threads(THREADS, ways[way], NULL);
        CHECK(counter == (long)THREADS * ROUNDS && inheriting == 0);
    }
}

static void handle(int sig)
{
    (void)sig;
    handled = handled + 1;
}

static struct timespec in_ms(long ms)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_nsec += ms * 1000000;
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}

// The way in which a thread that waits is to give up.
struct waiter {
    int flags, has_timeout, result, error;
    pid_t tid;
};

static void *wait_for_fair(void *argument)
{
    struct waiter *waiter = (struct waiter *)argument;
    const struct timespec soon = in_ms(30);
    __atomic_store_n(&waiter->tid, x86linux_gettid(), __ATOMIC_RELEASE);
    waiter->result = usersched_lock(&fair, waiter->flags, 0, waiter->has_timeout ? &soon : NULL);
    waiter->error = errno;
    if (waiter->result == 0)
        usersched_unlock(&fair, waiter->flags);
    return NULL;
}

// Whether the kernel says so of a thread; of none, it does not.
static int is_asleep(pid_t tid)
{
    char path[64], line[512] = "";
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    const char *state = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
    fclose(file);
    return state && state[1] && state[2] == 'S';
}

// Who gives up is not waited for; a signal ends the wait, or does not.
static void waits_end(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = handle;
    sigaction(SIGUSR1, &action, NULL);
    for (int way = 0; way < 3; way++) {
        pthread_t thread;
        struct waiter waiter = {way == 2 ? SA_RESTART : 0, way == 0, 7, 0, 0};
        handled = 0;
        CHECK(usersched_lock(&fair, 0, 0, NULL) == 0);
        pthread_create(&thread, NULL, wait_for_fair, &waiter);
        if (way > 0) {
            while (!is_asleep(__atomic_load_n(&waiter.tid, __ATOMIC_ACQUIRE)))
                usleep(100);
            pthread_kill(thread, SIGUSR1);
            while (handled == 0)
                usleep(100);
        }
        if (way < 2)
            pthread_join(thread, NULL);
        CHECK(usersched_unlock(&fair, 0) >= 0);
        if (way == 2)
            pthread_join(thread, NULL);
        CHECK(waiter.result == (way == 2 ? 0 : -1));
        CHECK(way != 0 || waiter.error == ETIMEDOUT);
        CHECK(way != 1 || waiter.error == EINTR);
        CHECK(usersched_lock(&fair, 0, 0, NULL) == 0 && usersched_unlock(&fair, 0) == 0);
    }
    const struct timespec soon = in_ms(20);
    const pid_t tid = x86linux_gettid();
    CHECK(usersched_lock_pi2(&inheriting, tid, 0, 0, NULL) == 0);
    CHECK(usersched_lock_pi2(&inheriting, tid, 0, 0, NULL) == -1 && errno == EDEADLK);
    volatile uint32_t *shared = (volatile uint32_t *)shared_memory(4096);
    CHECK(usersched_unlock_pi(shared, tid, 0) == -1 && errno == EPERM);
    CHECK(usersched_unlock_pi(&inheriting, tid, 0) == 0);
    // Held by another process, which then dies with it.
    const pid_t child = fork();
    if (child == 0) {
        CHECK(usersched_lock_pi2(shared, getpid(), 0, 0, NULL) == 0);
        shared[1] = 1;
        for (;;)
            pause();
    }
    while (shared[1] == 0)
        usleep(100);
    CHECK(usersched_plock_pi2(shared, tid, 0, 0, &soon, NULL, NULL) == -1 && errno == ETIMEDOUT);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    errno = 0;
    CHECK(usersched_lock_pi2(shared, tid, 0, 0, NULL) == 0 && errno == EOWNERDEAD);
    CHECK(usersched_unlock_pi(shared, tid, 0) == 0);
}

static x86linux_sigset mask_of_thread(void)
{
    const x86linux_sigset mask = x86linux_block_signals();
    x86linux_restore_signals(mask);
    return mask;
}

// Sections within sections, deeper than is remembered, and with sets of their own.
static void sections_nest(void)
{
    sigset_t usr1, usr2, old;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    const x86linux_sigset first = mask_of_thread();
    CHECK(first == (x86linux_sigset)1 << (SIGUSR1 - 1));
    for (int i = 0; i < 40; i++)
        as_enter();
    const x86linux_sigset within = mask_of_thread();
    CHECK((within & ((x86linux_sigset)1 << (SIGALRM - 1))) != 0);
    for (int i = 0; i < 39; i++) {
        as_exit();
        CHECK(mask_of_thread() == within);
    }
    as_exit();
    CHECK(mask_of_thread() == first);
    as_exit();
    CHECK(mask_of_thread() == first);
    // The mask is what is asked for, and what was there goes where is said.
    CHECK(usersched_plock(&fair, 0, 0, NULL, &usr2, &old) == 0);
    CHECK(mask_of_thread() == (x86linux_sigset)1 << (SIGUSR2 - 1));
    CHECK(sigismember(&old, SIGUSR1) && !sigismember(&old, SIGUSR2));
    CHECK(usersched_punlock(&fair, 0, &old) == 0 && mask_of_thread() == first);
    pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
}

static void the_counter_is_known(void)
{
    CHECK(usersched_tsc_1us == 1000 && usersched_tsc_freq_hz == 1000000000);
    CHECK(usersched_init(0) == 0 && usersched_init(0) == 0);
    CHECK(usersched_tsc_freq_hz == tsc_hz() && usersched_tsc_1us == tsc_hz() / 1000000);
    CHECK(usersched_support_umwait == x86linux_cpu_has_waitpkg());
    CHECK(usersched_support_invariant_tsc == x86linux_cpu_has_invariant_tsc());
}

static volatile uint32_t word;

static void *change(void *argument)
{
    usleep(3000);
    __atomic_store_n(&word, 7, __ATOMIC_RELEASE);
    return argument;
}

static void loops_go_on_as_they_are_told(void)
{
    // Once, whatever the time.
    int rounds = 0;
    user_schedule(UINT32_MAX, USERSCHED_COND_ONESHOT) {
        rounds++;
    }
    user_reschedule(NULL, NULL, 0);
    CHECK(rounds == 1);
    // Until the time is over; nothing is left of it.
    uint32_t cycles = 200000;
    const uint64_t start = tsc_now_ordered();
    rounds = 0;
    user_schedule(cycles, USERSCHED_COND_SCHEDULE) {
        rounds++;
    }
    user_reschedule(&cycles, &word, 0);
    CHECK(rounds == 1 && cycles == 0 && tsc_now_ordered() - start >= 200000);
    cycles = 0;
    user_schedule(cycles, USERSCHED_COND_SCHEDULE) {
        rounds++;
    }
    user_reschedule(&cycles, &word, 0);
    CHECK(rounds == 2 && cycles == 0);
    // Until the word changes; there is more of the time then, unless the machine has had none for these two threads
    // in all of it, a second or two.
    uint64_t begun;
    do {
        pthread_t thread;
        cycles = UINT32_MAX - 1;
        rounds = 0;
        word = 0;
        begun = tsc_now_ordered();
        pthread_create(&thread, NULL, change, NULL);
        user_schedule(cycles, USERSCHED_COND_SCHEDULE) {
            rounds++;
            CHECK(user_timeout_tsc() > tsc_now() || tsc_now() - begun >= UINT32_MAX - 1);
            if (word == 7)
                user_cond_set(USERSCHED_COND_BREAK);
        }
        user_reschedule(&cycles, &word, 0);
        pthread_join(thread, NULL);
    } while (cycles == 0 && tsc_now() - begun >= UINT32_MAX - 1);
    CHECK(rounds == 2 && cycles > 0 && cycles < UINT32_MAX - 1);
    // For ever, and again at once.
    cycles = UINT32_MAX;
    rounds = 0;
    user_schedule(cycles, USERSCHED_COND_CONTINUE) {
        if (++rounds == 3)
            user_cond_set(USERSCHED_COND_BREAK);
    }
    user_reschedule(&cycles, NULL, 0);
    CHECK(rounds == 3 && cycles == UINT32_MAX);

    // Not if the word is another one: the test of the original was the other way round.
    const uint64_t never = tsc_now() + tsc_hz() * 3600;
    CHECK(X86_UMWAIT(&word, 8, 0, never) == 0 && user_wait(&word, 8, 0, never) == 0);
    CHECK(X86_UMWAIT(&word, 7, 1, tsc_now() + 1000) <= 1);
    CHECK(user_pause(0, tsc_now() + 1000) <= 1 && user_pause(0, 0) == 0);
    CHECK(user_wait(NULL, 0, 0, 0) == 0);
}

enum { BYTES = 7, TOTAL = 100000 };
static struct {
    unsigned char bytes[BYTES];
    uint32_t pos_r, pos_w;
} queue;

static void *write_bytes(void *argument)
{
    for (int i = 0; i < TOTAL;) {
        unsigned char bytes[3] = {(unsigned char)i, (unsigned char)(i + 1), (unsigned char)(i + 2)};
        const uint32_t pos_r = __atomic_load_n(&queue.pos_r, __ATOMIC_ACQUIRE);
        spsc_rewind_write(0, pos_r, &queue.pos_w, BYTES);
        const uint32_t room = spsc_write_peek(pos_r, queue.pos_w, BYTES, 3);
        if (room)
            i += (int)spsc_write(queue.bytes, bytes, &queue.pos_w, room);
        else
            sched_yield();
    }
    return argument;
}

static void bytes_come_in_order(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, write_bytes, NULL);
    for (int i = 0; i < TOTAL;) {
        unsigned char bytes[5];
        const uint32_t pos_w = __atomic_load_n(&queue.pos_w, __ATOMIC_ACQUIRE);
        spsc_rewind_read(0, &queue.pos_r, pos_w, BYTES);
        const uint32_t there = spsc_read_peek(queue.pos_r, pos_w, BYTES, 5);
        if (!there) {
            sched_yield();
            continue;
        }
        CHECK(spsc_read(queue.bytes, bytes, &queue.pos_r, there) == there);
        for (uint32_t at = 0; at < there; at++, i++)
            CHECK(bytes[at] == (unsigned char)i);
    }
    pthread_join(thread, NULL);
}

static void sets_and_the_processor(void)
{
    bitset_t set[BITSET_LEN(200)], other[BITSET_LEN(200)];
    CHECK(BITSET_SIZE(200) == sizeof(set) && BITS_PER_BITSET == 64 && BITSET_LEN(65) == 2);
    memset(set, 0, sizeof(set));
    memset(other, 0, sizeof(other));
    CHECK(bitset_search_lowest(set, 0, 199) == -1);
    CHECK(!bitset_set(set, 3) && bitset_set(set, 3) && bitset_test(set, 3) && !bitset_test(set, 4));
    CHECK(!bitset_set_atomic(set, 150) && bitset_set_atomic(set, 150) && bitset_test(set, 150));
    CHECK(bitset_search_lowest(set, 4, 199) == 150 && bitset_search_lowest(set, 4, 149) == -1);
    CHECK(bitset_search_lowest(set, 150, 150) == 150 && bitset_search_lowest(set, 5, 4) == -1);
    bitset_set(other, 149);
    CHECK(bitset_search_lowest_common(set, other, 0, 199) == -1);
    bitset_set(other, 150);
    CHECK(bitset_search_lowest_common(set, other, 0, 199) == 150);
    CHECK(bitset_unset(set, 3) && !bitset_unset(set, 3));
    CHECK(bitset_unset_atomic(set, 150) && !bitset_unset_atomic(set, 150));

    uint32_t eax = 0, ebx, ecx, edx;
    x86_cpuid(&eax, &ebx, &ecx, &edx);
    const struct x86linux_cpuid leaf = x86linux_cpuid(0, 0);
    CHECK(eax == leaf.eax && ebx == leaf.ebx && ecx == leaf.ecx && edx == leaf.edx);
    eax = 7, ecx = 0;
    x86_cpuidex(&eax, NULL, &ecx, NULL);
    CHECK(ecx == x86linux_cpuid(7, 0).ecx);
    eax = 0x80000001u;
    x86_cpuid(&eax, NULL, NULL, &edx);
    CHECK((int)(edx >> 27 & 1) == x86linux_cpu_has_rdtscp());
}

struct shape {
    char name[10];
    long size;
};
#ifndef __cplusplus
static_assert(sizeof(struct shape) == 24);
static_assert(sizeof(struct shape) == 24, "of a name and a size");
#endif

static int one_or(int *restrict first, int second)
{
    switch (second) {
    case 1:
        *first = 1;
#ifndef __cplusplus
        fallthrough;
#else
        [[fallthrough]];
#endif
    default:
        return *first;
    }
}

static void small_things(void)
{
    struct shape shape = {"x", 5};
    CHECK(align_val(13, 5) == 15 && align_val(15, 5) == 15 && align_val_pow2(13, 8) == 16);
    CHECK(align_val_page(1) == PAGE_SIZE);
    CHECK(value_cast(address_cast(17)) == 17 && value_cast(address_cast(18), int) == 18);
    CHECK(elemof(struct shape *, &shape, size, ->) == 5);
    CHECK(sizeof_elem(struct shape, name) == 10 && sizeof_elem(struct shape, name, *) == 1);
    typeof_elem(struct shape, size) size = 9;
    CHECK(sizeof(size) == sizeof(long) && size == 9);
    CHECK(strcmp(__filename__, "names.c") == 0 && strcmp(filename("a"), "a") == 0);
    CHECK(filename(NULL) == NULL && strcmp(filenameat("/x/", "/y/x/z"), "z") == 0);
    CHECK(get_pc() != 0 && likely(1) && !unlikely(0));
    CHECK(has_single_bit(8) && !has_single_bit(9) && !has_single_bit(0));
    CHECK(memvcmp("aaa", 'a', 3) == 0 && memvcmp("aab", 'a', 3) > 0 && memvcmp("b", 'a', 0) == 0);
#ifndef __cplusplus
    CHECK(strcmp(str(LOG_ERR), "LOG_ERR") == 0 && strcmp(xstr(LOG_DISABLED), "(-1)") == 0);
#endif
    int first = 0;
    CHECK(one_or(&first, 1) == 1);
    barrier();
}

int main(void)
{
    the_counter_is_known();
    locks_exclude();
    waits_end();
    sections_nest();
    loops_go_on_as_they_are_told();
    bytes_come_in_order();
    sets_and_the_processor();
    small_things();
    puts("ok");
    return 0;
}
