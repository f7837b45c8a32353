/*
 * hello.c: a file that is nowhere: /virtual/hello, with its status, its text and its end.
 *
 * Its descriptors are /dev/null's, so that the kernel gives out no number twice. What is
 * duplicated, inherited over exec, or mapped, is /dev/null then.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "interceptor.h"

static const char text[] = "Hello from nowhere.\n";
#define SIZE ((long)sizeof text - 1)
#define DESCRIPTORS 1024

/* Where each descriptor stands in the text, and 1; 0 if it is not ours. */
static long places[DESCRIPTORS];

static int is_ours(long path)
{
    char name[sizeof "/virtual/hello"];
    return interceptor_read_string(name, path, sizeof name) > 0 && !strcmp(name, "/virtual/hello");
}

static long result(int is_bad, long value)
{
    return is_bad ? -errno : value;
}

static long open_it(void)
{
    long fd = interceptor_syscall(SYS_open, "/dev/null", O_CLOEXEC);
    if (fd >= DESCRIPTORS)
        return -EMFILE;
    if (fd >= 0)
        places[fd] = 1;
    return result(fd < 0, fd);
}

static long status(long to)
{
    struct stat status = {.st_ino = 1, .st_nlink = 1, .st_mode = S_IFREG | 0444};
    status.st_size = SIZE;
    return result(interceptor_write(to, &status, sizeof status) < 0, 0);
}

static long copy(long to, long count, long offset)
{
    if (offset < 0 || offset >= SIZE)
        return 0;
    if (count < 0 || count > SIZE - offset)
        count = SIZE - offset;
    return result(interceptor_write(to, text + offset, count) < 0, count);
}

static long seek(long *place, long offset, long whence)
{
    long from[] = {0, *place - 1, SIZE};
    if (whence < 0 || whence > 2 || from[whence] + offset < 0)
        return -EINVAL;
    *place = from[whence] + offset + 1;
    return *place - 1;
}

static int enter(struct interceptor_call *call, void *data)
{
    (void)data;
    const long *a = call->args;
    int has_path = call->nr == SYS_openat || call->nr == SYS_newfstatat || call->nr == SYS_statx;
    long fd = (int)a[0];
    if (has_path && is_ours(a[1])) {
        /* Without statx, libc asks by newfstatat. */
        call->result = call->nr == SYS_openat ? open_it() : call->nr == SYS_statx ? -ENOSYS : status(a[2]);
        return INTERCEPTOR_ANSWER;
    }
    if (fd < 0 || fd >= DESCRIPTORS || !places[fd])
        return INTERCEPTOR_FORWARD;
    long *place = &places[fd];
    switch (call->nr) {
    case SYS_read:
        call->result = copy(a[1], a[2], *place - 1);
        *place += call->result > 0 ? call->result : 0;
        return INTERCEPTOR_ANSWER;
    case SYS_pread64:
        call->result = copy(a[1], a[2], a[3]);
        return INTERCEPTOR_ANSWER;
    case SYS_fstat:
    case SYS_newfstatat:
        call->result = status(call->nr == SYS_fstat ? a[1] : a[2]);
        return INTERCEPTOR_ANSWER;
    case SYS_lseek:
        call->result = seek(place, a[1], a[2]);
        return INTERCEPTOR_ANSWER;
    case SYS_close:
        *place = 0;
    }
    return INTERCEPTOR_FORWARD;
}

__attribute__((constructor)) static void start(void)
{
    struct interceptor_hook hook = {
        .size = sizeof hook,
        .name = "hello",
        .calls = "openat,read,pread64,fstat,newfstatat,statx,lseek,close",
        .enter = enter,
    };
    interceptor_register(&hook);
}
