// flags: -Wl,-z,noseparate-code -s
// expect: As shapes_data, but headers, constants and text share one executable segment and there are no symbols, so
// that what is executable is not all code.
#include "shapes_data.c"
