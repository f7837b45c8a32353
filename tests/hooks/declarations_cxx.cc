// flags: -std=c++17 -Wall -Wextra -Werror -pedantic
// The same as C++.

#include "declarations.c"
