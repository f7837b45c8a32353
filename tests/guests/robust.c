// expect: The kernel walks a thread's list of robust locks when it ends or executes another program, and marks those it
// held; libc tells it where the list is, once for each thread. An interceptor that makes that call for itself, that
// keeps a dead thread's memory (or reuses it too early), or ends a thread in its own way, loses locks for good. Owners
// end by returning, pthread_exit, the call exit, SIGKILL, exec, holding one lock and three; whoever locks next gets
// EOWNERDEAD for each, in this process and in another; what set_robust_list sets get_robust_list returns, for the
// caller and for another thread; a list of the program's own is walked; a forked child has none, or libc's.
// musl: yes
// userlands: yes
#include "guest.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

// As in <linux/futex.h>, which musl's compiler does not find.
enum { WAITERS = (int)0x80000000, OWNER_DIED = 0x40000000, LOCKS = 3 };
struct robust_list {
    struct robust_list *next;
};
struct robust_list_head {
    struct robust_list list;
    long futex_offset;
    struct robust_list *list_op_pending;
};
enum how { BY_RETURN, BY_PTHREAD_EXIT, BY_EXIT, BY_CANCEL, BY_KILL, BY_EXEC, HOWS };
static const char *const names[] = {"return", "pthread_exit", "exit", "pthread_cancel", "SIGKILL", "exec"};

struct shared {
    pthread_mutex_t locks[LOCKS];
    atomic_int held, tid;
};
static struct shared *shared;

static void *hold(void *how_to_end) {
    enum how how = (enum how)(long)how_to_end;
    for (int i = 0; i < LOCKS; i++) {
        int error = pthread_mutex_lock(&shared->locks[i]);
        CHECK(error == 0, "pthread_mutex_lock: %d", error);
    }
    shared->tid = (int)raw0(SYS_gettid);
    shared->held = 1;
    char *args[] = {"sh", "-c", "exit 42", NULL}, *none[] = {NULL};
    switch (how) {
    case BY_PTHREAD_EXIT:
        pthread_exit(how_to_end);
    case BY_EXIT:
        raw1(SYS_exit, 42);
        break;
    case BY_CANCEL:
        for (;;)
            sleep(10);
    case BY_KILL:
        for (;;)
            raw1(SYS_close, -1);
    case BY_EXEC:
        execve("/bin/sh", args, none);
        break;
    default:
        break;
    }
    return how_to_end;
}

static void dead_owner(const char *name) {
    for (int i = 0; i < LOCKS; i++) {
        int error = pthread_mutex_trylock(&shared->locks[i]);
        CHECK(error == EOWNERDEAD, "%s: lock %d: error %d", name, i, error);
        CHECK(pthread_mutex_consistent(&shared->locks[i]) == 0, "%s: pthread_mutex_consistent", name);
        CHECK(pthread_mutex_unlock(&shared->locks[i]) == 0, "%s: unlock", name);
        CHECK(pthread_mutex_trylock(&shared->locks[i]) == 0, "%s: lock again", name);
        CHECK(pthread_mutex_unlock(&shared->locks[i]) == 0, "%s: unlock again", name);
    }
}

static void *wait_for_lock(void *unused) {
    int error = pthread_mutex_lock(&shared->locks[1]);
    CHECK(error == EOWNERDEAD, "a waiting thread gets %d", error);
    CHECK(pthread_mutex_consistent(&shared->locks[1]) == 0 && pthread_mutex_unlock(&shared->locks[1]) == 0, "unlock");
    return unused;
}

static void wait_until_gone(int tid) {
    for (int i = 0; i < LOOKS && raw3(SYS_tgkill, getpid(), tid, 0) == 0; i++)
        usleep(1000);
    CHECK(raw3(SYS_tgkill, getpid(), tid, 0) == -ESRCH, "thread %d is still there", tid);
}

static void owner_is_thread(enum how how) {
    pthread_t owner, waiter;
    shared->held = 0;
    CHECK(pthread_create(&owner, NULL, hold, (void *)(long)how) == 0, "pthread_create");
    while (!shared->held)
        usleep(100);
    if (how == BY_CANCEL) {
        // It waits in the kernel when the owner ends, as far as 20 ms go.
        CHECK(pthread_create(&waiter, NULL, wait_for_lock, NULL) == 0, "pthread_create");
        usleep(20000);
        pthread_cancel(owner);
        pthread_join(waiter, NULL);
        pthread_join(owner, NULL);
        pthread_mutex_lock(&shared->locks[0]);
        pthread_mutex_lock(&shared->locks[2]);
        for (int i = 0; i < LOCKS; i += 2) {
            CHECK(pthread_mutex_consistent(&shared->locks[i]) == 0, "pthread_mutex_consistent");
            pthread_mutex_unlock(&shared->locks[i]);
        }
        return;
    }
    if (how == BY_EXIT) // behind libc's back, so it cannot be joined
        wait_until_gone(shared->tid);
    else
        pthread_join(owner, NULL);
    dead_owner(names[how]);
}

static void owner_is_process(enum how how, int from_thread) {
    shared->held = 0;
    pid_t owner = fork();
    if (owner == 0) {
        end_with_parent();
        if (from_thread) {
            pthread_t thread;
            CHECK(pthread_create(&thread, NULL, hold, (void *)(long)how) == 0, "pthread_create");
            for (;;)
                raw1(SYS_close, -1);
        }
        hold((void *)(long)how);
        _exit(42);
    }
    while (!shared->held)
        usleep(100);
    pthread_t waiter;
    CHECK(pthread_create(&waiter, NULL, wait_for_lock, NULL) == 0, "pthread_create");
    if (how == BY_KILL)
        kill(owner, SIGKILL);
    int status = -1;
    CHECK(waitpid(owner, &status, 0) == owner, "waitpid");
    CHECK(how == BY_KILL ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == 42, "status %#x", status);
    pthread_join(waiter, NULL);
    for (int i = 0; i < LOCKS; i += 2) {
        int error = pthread_mutex_trylock(&shared->locks[i]);
        CHECK(error == EOWNERDEAD, "%s of a process: lock %d: error %d", names[how], i, error);
        pthread_mutex_consistent(&shared->locks[i]);
        pthread_mutex_unlock(&shared->locks[i]);
    }
    CHECK(pthread_mutex_trylock(&shared->locks[1]) == 0 && pthread_mutex_unlock(&shared->locks[1]) == 0, "unlocked");
}

static struct robust_list_head *list_of(long tid) {
    struct robust_list_head *head = (void *)1;
    size_t size = 0;
    long ret = raw3(SYS_get_robust_list, tid, &head, &size);
    CHECK(ret == 0 && size == sizeof *head, "get_robust_list: %ld, size %zu", ret, size);
    return head;
}

// A list that libc knows nothing of, with two locks.
struct own_list {
    struct robust_list_head head;
    struct {
        struct robust_list list;
        atomic_uint word;
    } locks[2];
    atomic_int is_set, is_read, tid;
};
static struct own_list *own_list;

static void *with_own_list(void *returns) {
    struct robust_list_head *before = list_of(0);
    long tid = raw0(SYS_gettid);
    own_list->head.futex_offset = (long)((char *)&own_list->locks[0].word - (char *)&own_list->locks[0].list);
    own_list->head.list.next = &own_list->locks[0].list;
    own_list->locks[0].list.next = &own_list->locks[1].list;
    own_list->locks[1].list.next = &own_list->head.list;
    own_list->head.list_op_pending = NULL;
    own_list->locks[0].word = (unsigned)tid;
    own_list->locks[1].word = (unsigned)tid | (unsigned)WAITERS;
    CHECK(raw2(SYS_set_robust_list, &own_list->head, sizeof own_list->head) == 0, "set_robust_list");
    CHECK(raw2(SYS_set_robust_list, NULL, 1) == -EINVAL, "set_robust_list with a size of 1");
    CHECK(list_of(0) == &own_list->head && list_of(tid) == &own_list->head, "get_robust_list after set_robust_list");
    own_list->tid = (int)tid;
    own_list->is_set = 1;
    while (!own_list->is_read)
        raw1(SYS_close, -1);
    CHECK(list_of(0) == &own_list->head, "get_robust_list after other calls");
    if (returns) {
        CHECK(raw2(SYS_set_robust_list, before, sizeof *before) == 0 && list_of(0) == before, "restoring libc's list");
        return returns;
    }
    raw1(SYS_exit, 0);
    return NULL;
}

static void own_lists(int returns) {
    pthread_t thread;
    memset(own_list, 0, sizeof *own_list);
    CHECK(pthread_create(&thread, NULL, with_own_list, returns ? own_list : NULL) == 0, "pthread_create");
    while (!own_list->is_set)
        usleep(100);
    int tid = own_list->tid;
    CHECK(list_of(tid) == &own_list->head, "get_robust_list of another thread");
    own_list->is_read = 1;
    if (returns)
        pthread_join(thread, NULL);
    else
        wait_until_gone(tid);
    unsigned dead = returns ? 0 : OWNER_DIED, owner = returns ? (unsigned)tid : 0;
    CHECK(own_list->locks[0].word == (dead | owner), "own list: first word %#x", own_list->locks[0].word);
    CHECK(own_list->locks[1].word == (dead | owner | (unsigned)WAITERS), "own list: second word %#x",
          own_list->locks[1].word);
}

static void children_lists(void) {
    pthread_mutex_lock(&shared->locks[0]); // musl sets a list when a thread locks for the first time
    pthread_mutex_unlock(&shared->locks[0]);
    struct robust_list_head *mine = list_of(0);
    CHECK(mine != NULL, "no list");
    int status = -1;
    for (int by_libc = 0; by_libc < 2; by_libc++) {
        pid_t child = by_libc ? fork() : (pid_t)raw6(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
        if (child == 0)
            raw1(SYS_exit_group, list_of(0) == NULL ? 40 : list_of(0) == mine ? 41 : 42);
        CHECK(list_of(0) == mine, "the parent's list");
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status), "child");
        ok("a child by %s has %s", by_libc ? "libc's fork" : "clone",
           WEXITSTATUS(status) == 40   ? "no list"
           : WEXITSTATUS(status) == 41 ? "libc's list"
                                       : "another list");
    }
    // In a child by vfork it is none, too, and the parent keeps its own.
    pid_t child = vfork();
    if (child == 0)
        raw1(SYS_exit_group, list_of(0) == NULL ? 40 : 41);
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 40, "vfork: %#x", status);
    CHECK(list_of(0) == mine, "the list after a vfork");
}

int main(void) {
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    own_list = mmap(NULL, sizeof *own_list, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED && own_list != MAP_FAILED, "mmap");
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    CHECK(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) == 0, "shared");
    CHECK(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0, "robust");
    for (int i = 0; i < LOCKS; i++)
        CHECK(pthread_mutex_init(&shared->locks[i], &attr) == 0, "pthread_mutex_init");

    children_lists();
    const char *rounds = getenv("GUEST_ROUNDS");
    for (int round = 0; round < (rounds ? atoi(rounds) : 5); round++) {
        for (enum how how = BY_RETURN; how <= BY_CANCEL; how++)
            owner_is_thread(how);
        if (round == 0)
            ok("threads that end while they hold locks");
        for (enum how how = BY_KILL; how <= BY_EXEC; how++)
            // A thread that executes a program takes the process' id before its list is walked: nothing is its own.
            for (int from_thread = 0; from_thread < (how == BY_EXEC ? 1 : 2); from_thread++)
                owner_is_process(how, from_thread);
        if (round == 0)
            ok("processes that are killed, or execute others, while they hold locks");
        for (int returns = 0; returns < 2; returns++)
            own_lists(returns);
        if (round == 0)
            ok("a list of the program's own");
    }
    children_lists();
    return 0;
}
