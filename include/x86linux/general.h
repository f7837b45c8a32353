/*
 * x86linux/general.h - small things that libx86linuxextra defines for everybody.
 *
 * Left out with X86LINUX_NO_SHORT_NAMES defined; in C++ also those that its own library
 * has other uses for (str, xstr, barrier, static_assert, fallthrough).
 */
#ifndef X86LINUX_GENERAL_H
#define X86LINUX_GENERAL_H

#ifndef X86LINUX_NO_SHORT_NAMES

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/user.h>
#include <unistd.h>
#ifdef __SSE2__
#include <x86intrin.h>
#endif
#ifndef __cplusplus
#include <threads.h>
#endif

#ifdef __cplusplus
#define restrict __restrict
#endif

/* What an expression is expected to be. */
#ifndef likely
#define likely(expression) __builtin_expect(!!(expression), 1)
#endif
#ifndef unlikely
#define unlikely(expression) __builtin_expect(!!(expression), 0)
#endif

/* A word, or what a macro stands for, as a string. */
#ifndef __cplusplus
#define xstr(word) str(word)
#define str(word) #word
#endif

/* The next multiple of target; of a power of two; of a page. */
#define align_val(value, target) (((value) + ((target) - 1)) / (target) * (target))
#define align_val_pow2(value, target) (((value) + ((target) - 1)) & ~((target) - 1))
#define align_val_page(value) align_val_pow2(value, PAGE_SIZE)

/* A pointer out of a number; a number, of a type or uintptr_t, out of a pointer. */
#define address_cast(value) ((void *)(uintptr_t)(value))
#define value_cast(...) x86linux_value_cast(__VA_ARGS__, uintptr_t, 0)
#define x86linux_value_cast(address, type, ...) ((type)(uintptr_t)(address))

/* An element of a variable seen as of a type, by . or another operator; the size and the type
 * of an element, of the whole or, with an operator before it, of what that gives. */
#define elemof(...) x86linux_elemof(__VA_ARGS__, ., 0)
#define x86linux_elemof(type, variable, element, operator_, ...)                          \
    (((type)variable)operator_ element)
#define sizeof_elem(...) sizeof(x86linux_elem(__VA_ARGS__, , 0))
#define typeof_elem(...) __typeof__(x86linux_elem(__VA_ARGS__, , 0))
#define x86linux_elem(whole, element, operator_, ...)                                     \
    operator_(elemof(__typeof__(whole) *, 0, element, ->))

/* The last part of a path. */
static inline const char *filename(const char *path)
{
    const char *last = path ? __builtin_strrchr(path, '/') : NULL;
    return last ? last + 1 : path;
}

/* What follows a directory's name in a path; all of it if that is not in it. */
static inline const char *filenameat(const char *directory, const char *path)
{
    const char *at = directory && path ? __builtin_strstr(path, directory) : NULL;
    return at ? at + __builtin_strlen(directory) : path;
}
/* The name of this source file. */
#ifdef __DIR__
#define __filename__ filenameat(__DIR__, __FILE__)
#else
#define __filename__ filename(__FILE__)
#endif

/* The address of an instruction here. */
#define get_pc()                                                                          \
    __extension__({                                                                       \
        uintptr_t x86linux_pc;                                                            \
        __asm__ volatile("lea (%%rip), %0" : "=r"(x86linux_pc));                          \
        x86linux_pc;                                                                      \
    })

/* Whether exactly one bit is set. */
#define has_single_bit(value) ((value) && !((value) & ((value) - 1)))

/* 0 if each of size bytes is this one. */
static inline int memvcmp(const void *bytes, unsigned char byte, size_t size)
{
    const unsigned char *at = (const unsigned char *)bytes;
    for (size_t i = 0; i < size; i++)
        if (at[i] != byte)
            return at[i] - byte;
    return 0;
}

/* The compiler moves no access of memory across this. */
#ifndef __cplusplus
#define barrier() __asm__ volatile("" : : : "memory")
#else
static inline void barrier()
{
    __asm__ volatile("" : : : "memory");
}
#endif

#ifndef __cplusplus
/* Without a message, too. */
#undef static_assert
#define static_assert(...) x86linux_static_assert(__VA_ARGS__, "", 0)
#define x86linux_static_assert(expression, message, ...) _Static_assert(expression, message)

#define fallthrough __attribute__((__fallthrough__))
#endif

#endif

#endif
