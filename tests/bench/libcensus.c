// flags: -nostdlib
// A hook library that does nothing but have threads and processes counted.
#include "interceptor.h"

volatile struct interceptor_pgstat **census = &interceptor_pgstat;
