// While it lives, denormal numbers count as zeros: moments of weights that no longer change decay into them, and they are
// a hundred times as slow. What the process had set before is set again.

#pragma once

#include <stdint.h>

#if defined(__x86_64__)
struct FlushedToZero {
    uint32_t before = __builtin_ia32_stmxcsr();
    FlushedToZero() { __builtin_ia32_ldmxcsr(before | 0x8040); }  // results, and operands
    ~FlushedToZero() { __builtin_ia32_ldmxcsr(before); }
};
#elif defined(__aarch64__)
struct FlushedToZero {
    uint64_t before = 0;
    FlushedToZero() {
        __asm__ volatile("mrs %0, fpcr" : "=r"(before));
        __asm__ volatile("msr fpcr, %0" : : "r"(before | (1u << 24)));
    }
    ~FlushedToZero() { __asm__ volatile("msr fpcr, %0" : : "r"(before)); }
};
#endif
