/*
 * x86linux/backtrace.h - who called, without libc.
 *
 * Follows frame pointers through memory that may be anything, and finds the objects in
 * /proc/self/maps.
 */
#ifndef X86LINUX_BACKTRACE_H
#define X86LINUX_BACKTRACE_H

#include "call.h"
#include "format.h"

/* Most callers that are shown. */
#define X86LINUX_BACKTRACE_DEPTH 32

/* Reads a line of a file into a buffer that holds what was read ahead. */
struct x86linux_lines {
    long fd;
    size_t start, end;
    char bytes[1024];
};

/* The next line, without its end; NULL after the last. One that is too long is cut. */
static inline char *x86linux_next_line(struct x86linux_lines *lines)
{
    for (;;) {
        for (size_t at = lines->start; at < lines->end; at++) {
            if (lines->bytes[at] == '\n') {
                char *line = lines->bytes + lines->start;
                lines->bytes[at] = 0;
                lines->start = at + 1;
                return line;
            }
        }
        for (size_t at = lines->start; at < lines->end; at++)
            lines->bytes[at - lines->start] = lines->bytes[at];
        lines->end -= lines->start;
        lines->start = 0;
        if (lines->end == sizeof(lines->bytes))
            lines->bytes[--lines->end] = '\n';
        const long count = x86linux_call(SYS_read, lines->fd,
                                         x86linux_address(lines->bytes + lines->end),
                                         (long)(sizeof(lines->bytes) - lines->end), 0, 0, 0);
        if (count <= 0)
            return NULL;
        lines->end += (size_t)count;
    }
}

static inline uint64_t x86linux_hex(const char **text)
{
    uint64_t value = 0;
    for (;; (*text)++) {
        const char byte = **text;
        if (x86linux_is_digit(byte))
            value = value << 4 | (uint64_t)(byte - '0');
        else if (byte >= 'a' && byte <= 'f')
            value = value << 4 | (uint64_t)(byte - 'a' + 10);
        else
            return value;
    }
}

/* Appends the object that an address is in, and the address from its start. */
static inline void x86linux_text_place(struct x86linux_text *text, uint64_t address)
{
    struct x86linux_lines lines;
    uint64_t base = 0;
    lines.start = lines.end = 0;
    lines.fd = x86linux_call(SYS_openat, -100 /* AT_FDCWD */, x86linux_address("/proc/self/maps"),
                             02000000 /* O_CLOEXEC */, 0, 0, 0);
    x86linux_format(text, "%#lx", address);
    if (lines.fd < 0)
        return;
    const char *line;
    while ((line = x86linux_next_line(&lines)) != NULL) {
        /* start-end permissions offset device inode path */
        const uint64_t start = x86linux_hex(&line);
        line += *line != 0;
        const uint64_t end = x86linux_hex(&line);
        line += line[0] ? 1 : 0;
        while (*line && *line != ' ')
            line++;
        line += *line != 0;
        if (x86linux_hex(&line) == 0)
            base = start;
        if (address < start || address >= end)
            continue;
        for (int field = 0; field < 3; field++) {
            while (*line == ' ')
                line++;
            while (*line && *line != ' ' && field < 2)
                line++;
        }
        if (*line)
            x86linux_format(text, " %s+%#lx", line, address - base);
        break;
    }
    x86linux_call(SYS_close, lines.fd, 0, 0, 0, 0, 0);
}

/* Tells of each caller of the function whose frame this is, innermost first. */
static inline void x86linux_backtrace(const void *frame, void (*tell)(void *, const char *),
                                      void *context)
{
    for (int depth = 0; depth < X86LINUX_BACKTRACE_DEPTH; depth++) {
        uint64_t words[2]; /* the caller's frame pointer, and where it goes on */
        if (x86linux_peek(frame, words, sizeof(words)) != sizeof(words) || words[1] == 0)
            return;
        char bytes[512];
        struct x86linux_text text = {bytes, sizeof(bytes) - 1, 0};
        x86linux_format(&text, "  #%d ", depth);
        x86linux_text_place(&text, words[1]);
        bytes[text.length] = 0;
        tell(context, bytes);
        /* Stacks grow down: a caller's frame is above. */
        if (words[0] <= (uint64_t)(uintptr_t)frame)
            return;
        frame = (const void *)(uintptr_t)words[0];
    }
}

#endif
