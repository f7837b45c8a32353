/*
 * x86linux/helper.h - what authors of user-space hooks need beside a hook.
 *
 * A hook runs anywhere in a program: under the locks of its libc, in its signal
 * handlers, in a thread that is being cancelled. What is here may be used there. It
 * allocates nothing, takes no lock of libc, leaves errno alone and makes its
 * system calls itself.
 *
 *   log.h      a leveled logger, to standard error and to syslog
 *   lock.h     locks that spin, then sleep: fair ones, and ones that inherit priority
 *              and survive their holder
 *   wait.h     waiting by the time stamp counter
 *   ring.h     a queue from one thread or process to another
 *   bitset.h   sets of small numbers, with atomic operations
 *   cpuid.h    what the processor can do
 *   call.h     system calls without libc
 *   usersched.h, general.h
 *              waiting and locks by the names of libx86linuxextra, and its small things
 *
 * A hook that was written for libx86linuxextra compiles with it unchanged. What other
 * headers may have other uses for is left out if X86LINUX_NO_SHORT_NAMES is defined.
 *
 * It uses no vector register when compiled with -mgeneral-regs-only, as hooks are that
 * declare themselves vector-free.
 *
 * Only headers: there is nothing to link with. State that a program has once (the
 * logger's) is shared by all source files of one library or program, and by no
 * two libraries.
 *
 * C11 and C++17, GCC and Clang. x86-64 Linux only.
 */
#ifndef X86LINUX_HELPER_H
#define X86LINUX_HELPER_H

#include "bitset.h"
#include "call.h"
#include "cpuid.h"
#include "general.h"
#include "lock.h"
#include "log.h"
#include "ring.h"
#include "usersched.h"
#include "wait.h"

#endif
