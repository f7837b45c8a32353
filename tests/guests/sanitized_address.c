// flags: -fsanitize=address -fno-omit-frame-pointer
// expect: The address sanitizer's runtime wants to be the first library, replaces malloc, pthread_create and
// sigaction, and keeps shadow memory where others may want to map. Threads that allocate and make calls on alternate
// stacks run; a handler is called two hundred times; a forked child and a shell do the same.
#include "sanitized.h"
