// What a hook that tests itself uses: it runs in a constructor, without stdio.
#ifndef CHECK_H
#define CHECK_H

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// A time limit in milliseconds, and how often something that must happen is looked for, a millisecond apart: nothing is
// late before, however many others want the processor, and whoever waits for the program has more patience still.
enum { LIMIT_MS = 100000, LOOKS = 100000 };

// Ends the process with a line that says what is wrong.
#define CHECK(condition, ...)                                                  \
    do {                                                                       \
        if (!(condition)) {                                                    \
            dprintf(1, "line %d: ", __LINE__);                                 \
            dprintf(1, __VA_ARGS__);                                           \
            dprintf(1, "\n");                                                  \
            syscall(SYS_exit_group, 1);                                        \
        }                                                                      \
    } while (0)

// For a child that does not end by itself: it shall not outlive a parent that has found something wrong, whose output it
// would hold open.
static inline void end_with_parent(void) { syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL); }

#endif
