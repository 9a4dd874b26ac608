// The core for x86-64 with AVX2 and FMA.

#include "denormals.h"
#include "interface.h"
#include "words.h"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define LANES 8
#define NAME(function) avx2_##function
#include "unit.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
