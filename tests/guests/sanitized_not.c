// expect: The same program without a sanitizer, for valgrind.
#include "sanitized.h"
