// The core for x86-64 with AVX-512.

#include "denormals.h"
#include "interface.h"
#include "words.h"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,prefer-vector-width=512")
#endif
#define LANES 16
#define NAME(function) avx512_##function
#include "unit.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
