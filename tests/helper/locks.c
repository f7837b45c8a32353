// Locks: exclusion, order, signals, masks, holders that die.
#include "check.h"

enum { THREADS = 8, ROUNDS = 20000 };

static struct ticket_lock ticket = TICKET_LOCK_INIT;
static struct pi_lock pi = PI_LOCK_INIT;
static volatile long counter;
static volatile sig_atomic_t handled;

static void *count_ticket(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        ticket_lock_lock(&ticket);
        counter = counter + 1;
        ticket_lock_unlock(&ticket);
    }
    return argument;
}

static void *count_pi(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(pi_lock_lock(&pi) == 0);
        counter = counter + 1;
        CHECK(pi_lock_unlock(&pi) == 0);
    }
    return argument;
}

static void threads_exclude_each_other(void)
{
    counter = 0;
    in_threads(THREADS, count_ticket, NULL);
    CHECK(counter == (long)THREADS * ROUNDS);
    CHECK(ticket.next == ticket.serving && ticket.sleepers == 0);
    counter = 0;
    in_threads(THREADS, count_pi, NULL);
    CHECK(counter == (long)THREADS * ROUNDS && pi.owner == 0);
}

static int order[THREADS];
static int arrived, left;

static void *queue(void *argument)
{
    ticket_lock_lock(&ticket);
    order[left++] = *(int *)argument;
    ticket_lock_unlock(&ticket);
    return NULL;
}

// Who has come first, is first, also among those that sleep.
static void tickets_are_served_in_order(void)
{
    pthread_t threads[THREADS];
    int numbers[THREADS];
    ticket_lock_lock(&ticket);
    for (arrived = 0; arrived < THREADS; arrived++) {
        const uint32_t before = __atomic_load_n(&ticket.next, __ATOMIC_RELAXED);
        numbers[arrived] = arrived;
        CHECK(pthread_create(&threads[arrived], NULL, queue, &numbers[arrived]) == 0);
        while (__atomic_load_n(&ticket.next, __ATOMIC_RELAXED) == before)
            usleep(100);
    }
    CHECK(!ticket_lock_try(&ticket));
    // They look for a while, and then they sleep.
    while (__atomic_load_n(&ticket.sleepers, __ATOMIC_RELAXED) == 0)
        usleep(100);
    ticket_lock_unlock(&ticket);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        CHECK(order[i] == i);
    CHECK(ticket_lock_try(&ticket));
    ticket_lock_unlock(&ticket);
}

static void take_both(int signal)
{
    (void)signal;
    ticket_lock_lock(&ticket);
    ticket_lock_unlock(&ticket);
    CHECK(pi_lock_lock(&pi) == 0);
    CHECK(pi_lock_unlock(&pi) == 0);
    handled = handled + 1;
}

// A handler that takes a lock which its own thread could hold.
static void masked_sections_keep_handlers_out(void)
{
    struct sigaction action;
    struct itimerval often = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
    memset(&action, 0, sizeof(action));
    action.sa_handler = take_both;
    sigaction(SIGALRM, &action, NULL);
    // Not a timer of timer_create, which counts among the user's queued signals.
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    while (handled < 50) {
        x86linux_sigset mask = ticket_lock_lock_masked(&ticket);
        tsc_wait(20000);
        ticket_lock_unlock_masked(&ticket, mask);
        CHECK(pi_lock_lock_masked(&pi, &mask) == 0);
        tsc_wait(20000);
        CHECK(pi_lock_unlock_masked(&pi, mask) == 0);
    }
    setitimer(ITIMER_REAL, &never, NULL);
}

static x86linux_sigset mask_of_thread(void)
{
    const x86linux_sigset mask = x86linux_block_signals();
    x86linux_restore_signals(mask);
    return mask;
}

// Each section gives back what it has found, whatever is around it.
static void masks_nest(void)
{
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    const x86linux_sigset first = mask_of_thread();
    CHECK(first == (x86linux_sigset)1 << (SIGUSR1 - 1));
    x86linux_sigset inner, outer = ticket_lock_lock_masked(&ticket);
    CHECK(outer == first);
    const x86linux_sigset within = mask_of_thread();
    CHECK(pi_lock_lock_masked(&pi, &inner) == 0 && inner == within && within != first);
    CHECK((within & X86LINUX_SYNCHRONOUS_SIGNALS) == 0);
    CHECK(pi_lock_unlock_masked(&pi, inner) == 0);
    CHECK(mask_of_thread() == within);
    ticket_lock_unlock_masked(&ticket, outer);
    CHECK(mask_of_thread() == first);
    CHECK(pi_lock_lock(&pi) == 0);
    CHECK(pi_lock_lock_masked(&pi, &inner) == EDEADLK && mask_of_thread() == first);
    CHECK(pi_lock_unlock(&pi) == 0);
    pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
}

struct shared {
    struct ticket_lock ticket;
    struct pi_lock pi;
    volatile long counter;
    uint32_t go;
};

static void processes_exclude_each_other(void)
{
    struct shared *shared = (struct shared *)shared_memory(sizeof(*shared));
    ticket_lock_init(&shared->ticket, 1);
    pi_lock_init(&shared->pi, 1);
    for (int i = 0; i < 4; i++) {
        if (fork() != 0)
            continue;
        for (int round = 0; round < ROUNDS / 4; round++) {
            ticket_lock_lock(&shared->ticket);
            CHECK(pi_lock_lock(&shared->pi) == 0);
            shared->counter = shared->counter + 1;
            CHECK(pi_lock_unlock(&shared->pi) == 0);
            ticket_lock_unlock(&shared->ticket);
        }
        _exit(0);
    }
    int status;
    while (wait(&status) > 0)
        CHECK(status == 0);
    CHECK(shared->counter == ROUNDS);
}

static void misuse_is_told(void)
{
    CHECK(pi_lock_unlock(&pi) == EPERM);
    CHECK(pi_lock_try(&pi) && !pi_lock_try(&pi));
    CHECK(pi_lock_lock(&pi) == EDEADLK);
    if (fork() == 0)
        _exit(pi_lock_unlock(&pi) == EPERM ? 0 : 1);
    int status;
    wait(&status);
    CHECK(status == 0);
    CHECK(pi_lock_unlock(&pi) == 0);
}

// A process that takes the lock and waits to be killed.
static pid_t holder(struct shared *shared)
{
    __atomic_store_n(&shared->go, 0, __ATOMIC_SEQ_CST);
    const pid_t pid = fork();
    if (pid == 0) {
        const int error = pi_lock_lock(&shared->pi);
        CHECK(error == 0 || error == EOWNERDEAD);
        __atomic_store_n(&shared->go, 1, __ATOMIC_SEQ_CST);
        for (;;)
            pause();
    }
    while (__atomic_load_n(&shared->go, __ATOMIC_SEQ_CST) == 0)
        usleep(100);
    return pid;
}

static void killed_holders_are_survived(void)
{
    struct shared *shared = (struct shared *)shared_memory(sizeof(*shared));
    pi_lock_init(&shared->pi, 1);
    for (int round = 0; round < 20; round++) {
        // Nobody waits when it dies.
        pid_t pid = holder(shared);
        CHECK(!pi_lock_try(&shared->pi));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        CHECK(pi_lock_lock(&shared->pi) == EOWNERDEAD);
        CHECK(pi_lock_unlock(&shared->pi) == 0);
        CHECK(pi_lock_lock(&shared->pi) == 0);
        CHECK(pi_lock_unlock(&shared->pi) == 0);

        // Two wait in the kernel: the first is told, the second not.
        pid = holder(shared);
        pid_t waiters[2];
        for (int i = 0; i < 2; i++) {
            waiters[i] = fork();
            if (waiters[i] == 0) {
                const int error = pi_lock_lock(&shared->pi);
                CHECK(error == 0 || error == EOWNERDEAD);
                CHECK(pi_lock_unlock(&shared->pi) == 0);
                _exit(error == EOWNERDEAD);
            }
        }
        if (round % 2)
            usleep(2000);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        int told = 0;
        for (int i = 0; i < 2; i++) {
            int status;
            waitpid(waiters[i], &status, 0);
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
            told += WEXITSTATUS(status);
        }
        CHECK(told == 1 && shared->pi.owner == 0);
    }
}

int main(void)
{
    threads_exclude_each_other();
    tickets_are_served_in_order();
    masked_sections_keep_handlers_out();
    masks_nest();
    processes_exclude_each_other();
    misuse_is_told();
    killed_holders_are_survived();
    puts("ok");
    return 0;
}
