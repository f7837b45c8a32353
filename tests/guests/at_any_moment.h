// A child that sends SIGILL to its parent when it is told, a little later each time, and now and then SIGALRM right before
// or after it: at any moment of what the parent does then.
#pragma once
#include "guest.h"
#include <signal.h>
#include <sys/wait.h>

enum { ROUNDS = 300 };

struct sender {
    pid_t child;
    int told;
};

static inline struct sender begin_sending(void) {
    int ask[2];
    CHECK(pipe(ask) == 0, "pipe");
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        char byte;
        close(ask[1]);
        for (int i = 0; read(ask[0], &byte, 1) == 1; i++) {
            for (volatile int n = 0; n < i * 37 % 4000; n++)
                ;
            if (i % 3 == 0)
                kill(parent, SIGALRM);
            kill(parent, SIGILL);
            if (i % 3 == 1)
                kill(parent, SIGALRM);
        }
        _exit(0);
    }
    close(ask[0]);
    return (struct sender){child, ask[1]};
}

static inline void send_one(const struct sender *sender, int round) {
    CHECK(write(sender->told, "x", 1) == 1, "write");
    for (volatile int n = 0; n < round * 101 % 3000; n++)
        ;
}

static inline void end_sending(const struct sender *sender) {
    int status;
    close(sender->told);
    CHECK(waitpid(sender->child, &status, 0) == sender->child && status == 0, "the one that sends: %#x", status);
}
