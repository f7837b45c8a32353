// Hooks that are replaced all the time, by a monitor, while every thread of the process is
// in them: registered ones and that of the variable. All forward. A forked child keeps those
// that it was made with.
#define _GNU_SOURCE
#include <interceptor.h>
#include <stdlib.h>
#include <time.h>

#include "check.h"

// What a hook counts in; it is freed after the hook has been left, so that one that runs
// on is seen by whoever checks memory, and by its count.
struct counted {
    long entered, left;
};

static int enter(struct interceptor_call *call, void *data) {
    struct counted *counted = data;
    __atomic_add_fetch(&counted->entered, 1, __ATOMIC_RELAXED);
    call->word = (unsigned long)data;
    return INTERCEPTOR_FORWARD_AND_EXIT;
}

static void leave(struct interceptor_call *call, void *data) {
    CHECK(call->word == (unsigned long)data, "another one's word");
    struct counted *counted = data;
    __atomic_add_fetch(&counted->left, 1, __ATOMIC_RELAXED);
}

static int forward(struct interceptor_call *call, void *data) {
    (void)call;
    struct counted *counted = data;
    __atomic_add_fetch(&counted->entered, 1, __ATOMIC_RELAXED);
    return INTERCEPTOR_FORWARD;
}

static void *replace(void *unused) {
    enum { MOST = 3 };
    int hooks[MOST] = {0};
    struct counted *data[MOST] = {0};
    for (unsigned turn = 0;; turn++) {
        unsigned at = turn % MOST;
        if (hooks[at] > 0) {
            // One that blocks in a call which it makes itself may take long; then its place stays.
            while (interceptor_unregister(hooks[at], 1000))
                nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
            // vfork comes out twice.
            CHECK(data[at]->left <= 2 * data[at]->entered, "%ld entered, %ld left", data[at]->entered, data[at]->left);
            data[at]->entered = data[at]->left = -1;
            free(data[at]);
        }
        data[at] = calloc(1, sizeof *data[at]);
        CHECK(data[at], "no memory");
        struct interceptor_hook hook = {.size = sizeof hook, .priority = (int)(turn % 5), .data = data[at]};
        hook.enter = turn % 2 ? enter : forward;
        hook.exit = turn % 2 ? leave : NULL;
        hook.calls = turn % 7 ? NULL : "read,write,%network";
        hooks[at] = interceptor_register(&hook);
        CHECK(hooks[at] > 0, "register");
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    return unused;
}

__attribute__((constructor)) static void start(void) {
    CHECK(interceptor_attach_monitor(NULL, replace, NULL), "no monitor");
}
