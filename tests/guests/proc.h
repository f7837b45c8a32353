// What the kernel says in /proc.
#pragma once
#include "guest.h"
#include <fcntl.h>

// Reads a file, and ends it with a zero.
static inline void read_proc(const char *path, char *text, size_t room) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0, "%s", path);
    size_t length = 0;
    for (ssize_t got; (got = read(fd, text + length, room - 1 - length)) > 0;)
        length += (size_t)got;
    close(fd);
    CHECK(length > 0, "%s", path);
    text[length] = 0;
}

// The state that a process' or thread's `stat` says: S when it sleeps, Z when it has ended.
static inline char state_in(const char *stat) {
    char text[512];
    read_proc(stat, text, sizeof text);
    const char *behind_name = strrchr(text, ')');
    CHECK(behind_name, "%s: %s", stat, text);
    return behind_name[2];
}

static inline char state_of(pid_t process) {
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/stat", process);
    return state_in(path);
}

// The path of a file next to the program.
static inline const char *beside_program(const char *name) {
    static char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 32);
    CHECK(length > 0, "own path");
    path[length] = 0;
    strcpy(strrchr(path, '/') + 1, name);
    return path;
}
