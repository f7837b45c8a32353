// flags: -nostdlib
// A hook library that does nothing but have threads and processes counted.
#include "interceptor.h"

static volatile struct interceptor_pgstat *volatile census;

__attribute__((constructor)) static void start(void) { census = interceptor_pgstat; }
