// flags: -fsanitize=thread
// expect: The thread sanitizer's runtime delays signals until the program makes a call, and keeps a clock for each
// thread and lock; the same program runs with it.
#include "sanitized.h"
