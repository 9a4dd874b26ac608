// What Python hands over, see `library.py`, which has the same structures: change both, and INTERFACE_VERSION.

#pragma once

#include <stddef.h>
#include <stdint.h>

constexpr int32_t INTERFACE_VERSION = 2;
constexpr int MOST_LAYERS = 64;

enum ActivationName { RELU, TANH, SIGMOID, ELU, GELU, SWISH };
enum HeadName { SOFTMAX, BINARY, REGRESSION };
enum OptimizerName { ADAM, RMSPROP, SGD };

// What all runs of an experiment have in common.
struct Experiment {
    int32_t num_inputs, num_layers, batch_size, evaluation_rows;
    int32_t activation, head, optimizer;
    int32_t drop_threshold;  // of 2^16: how many values of 16 bits drop a unit; 0 for no dropout
    float l1, l2, gradient_clip, momentum;
    int32_t widths[MOST_LAYERS];
    int32_t adds_input[MOST_LAYERS];  // whether a layer adds its input to its output
};

// A set of rows of all runs, which is trained on or evaluated.
struct Rows {
    const float* inputs;     // [rows of the task, num_inputs]
    int64_t count;           // rows of each run
    const int64_t* numbers;  // [runs, count], rows of the task
    const void* targets;     // [runs, count] classes, int32, or [runs, count, outputs], float32
    const int64_t* order;    // [runs, count], in which they are visited; null for as they are
};

// The states of all runs, [runs, size] each: weights and biases of all layers, then zeros up to `size`.
struct States {
    int64_t runs, size;
    float *parameters, *first_moment, *second_moment;  // null for what the optimizer lacks
};

// The updates of an epoch.
struct Updates {
    const float* rates;            // [steps], step sizes
    const float* decays;           // [steps], what part of each parameter is lost
    const uint64_t* dropout_keys;  // [runs]; null without dropout
};
