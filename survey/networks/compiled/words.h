// The random words of `survey.networks.training.streams`: SplitMix64, whose n-th word is `mixed(key + n * GOLDEN)`.

#pragma once

#include <stdint.h>

constexpr uint64_t GOLDEN = 0x9E3779B97F4A7C15u;

static inline uint64_t mixed(uint64_t word) {
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9u;
    word = (word ^ (word >> 27)) * 0x94D049BB133111EBu;
    return word ^ (word >> 31);
}
