// The order in which each run visits its rows in an epoch, as `survey.networks.training.streams.epoch_orders` draws it.

#include "interface.h"
#include "words.h"

#define EXPORTED extern "C" __attribute__((visibility("default")))

static int bits_of(uint64_t number) { return number ? 64 - __builtin_clzll(number) : 0; }

// Sort words that are as good as random: by their first bits to where each is expected, then by insertion. `starts` has
// 2^bits + 1 numbers.
static void sort(const uint64_t* words, int64_t count, int bits, int64_t* starts, uint64_t* sorted) {
    int64_t buckets = (int64_t)1 << bits;
    for (int64_t b = 0; b <= buckets; b++) starts[b] = 0;
    for (int64_t i = 0; i < count; i++) starts[(words[i] >> (64 - bits)) + 1]++;
    for (int64_t b = 0; b < buckets; b++) starts[b + 1] += starts[b];
    for (int64_t i = 0; i < count; i++) sorted[starts[words[i] >> (64 - bits)]++] = words[i];
    for (int64_t i = 1; i < count; i++) {
        uint64_t word = sorted[i];
        int64_t place = i;
        for (; place > 0 && sorted[place - 1] > word; place--) sorted[place] = sorted[place - 1];
        sorted[place] = word;
    }
}

// Numbers of int64 that `draw_orders` needs as scratch.
EXPORTED int64_t orders_scratch(int64_t count) {
    return count + ((int64_t)1 << (bits_of((uint64_t)count) + 1)) + 1;
}

// orders [runs, count]: a permutation of 0 .. count - 1 for each run, by its key.
EXPORTED void draw_orders(const uint64_t* keys, int64_t runs, int64_t count, int64_t* scratch, int64_t* orders) {
    uint64_t low = ((uint64_t)1 << (count > 1 ? bits_of((uint64_t)count - 1) : 1)) - 1;
    uint64_t* words = (uint64_t*)scratch;
    int64_t* starts = scratch + count;
    for (int64_t run = 0; run < runs; run++, orders += count) {
        // The words with their own numbers in the low bits, so that no two are equal; as signed numbers, the negative ones
        // come first.
        for (int64_t i = 0; i < count; i++)
            words[i] = ((mixed(keys[run] + (uint64_t)(i + 1) * GOLDEN) & ~low) ^ (1ull << 63)) | (uint64_t)i;
        sort(words, count, bits_of((uint64_t)count), starts, (uint64_t*)orders);
        for (int64_t i = 0; i < count; i++) orders[i] = (int64_t)((uint64_t)orders[i] & low);
    }
}
