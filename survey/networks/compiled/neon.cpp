// The core for 64-bit ARM, all of which has NEON.

#include "denormals.h"
#include "interface.h"
#include "words.h"

#if defined(__aarch64__)
#define LANES 4
#define NAME(function) neon_##function
#include "unit.h"
#endif
