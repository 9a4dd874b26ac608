// Trains small networks by one unit of the compiled core, and prints what came of it: a line for each setting, with its
// name, the sums over the rows of two epochs and of an evaluation, and sums of the parameters.
//
//     c++ -std=c++17 -O3 -ffp-contract=fast -DUNIT=avx2 -I survey/networks/compiled compiled_core.cpp UNIT.cpp
//
// Builds by other compilers, for other processors or with sanitizers print the same numbers, to rounding.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "interface.h"

#define JOINED(unit, name) unit##_##name
#define OF_UNIT(unit, name) JOINED(unit, name)

extern "C" int64_t OF_UNIT(UNIT, memory)(const Experiment*);
extern "C" void OF_UNIT(UNIT, pass)(const Experiment*, const Rows*, const States*, const Updates*, float*, double*,
                                    double*);

namespace {

constexpr int RUNS = 2, SUMS = 10, EPOCHS = 2, NUM_INPUTS = 6;

struct Freed {
    void operator()(float* place) const { free(place); }
};
using Floats = std::unique_ptr<float[], Freed>;

// Zeros at a multiple of 64 bytes, with nothing behind them that a sanitizer would let pass.
Floats zeros(size_t count) {
    void* place = nullptr;
    if (posix_memalign(&place, 64, count * sizeof(float))) abort();
    memset(place, 0, count * sizeof(float));
    return Floats(static_cast<float*>(place));
}

struct Random {
    uint64_t state = 1;
    uint64_t word() {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return state >> 33;
    }
    float between(float low, float high) { return low + (high - low) * (float)word() / (float)(1u << 31); }
};

struct Setting {
    std::string name;
    Experiment experiment;
    int rows;
};

// The rows of a task and what all runs draw for it.
struct Task {
    std::vector<float> inputs, targets;
    std::vector<int32_t> classes;
    std::vector<int64_t> numbers, order;
    Rows rows;

    Task(const Experiment& e, int count, Random& random) {
        int outputs = e.widths[e.num_layers - 1];
        for (int k = 0; k < count * NUM_INPUTS; k++) inputs.push_back(random.between(-1.f, 1.f));
        for (int run = 0; run < RUNS; run++) {
            std::vector<int64_t> shuffled(count);
            std::iota(shuffled.begin(), shuffled.end(), 0);
            for (int k = count - 1; k > 0; k--) std::swap(shuffled[k], shuffled[random.word() % (uint64_t)(k + 1)]);
            numbers.insert(numbers.end(), shuffled.begin(), shuffled.end());
            order.insert(order.end(), shuffled.rbegin(), shuffled.rend());
            for (int k = 0; k < count; k++) {
                classes.push_back((int32_t)(random.word() % (uint64_t)outputs));
                for (int j = 0; j < outputs; j++)
                    targets.push_back(e.head == BINARY ? (float)(random.word() % 2) : random.between(0.f, 1.f));
            }
        }
        const void* taken = e.head == SOFTMAX ? (const void*)classes.data() : (const void*)targets.data();
        rows = {inputs.data(), count, numbers.data(), taken, order.data()};
    }
};

void print(const std::vector<double>& numbers) {
    for (double each : numbers) printf(" %.9g", each);
}

void run(const Setting& setting) {
    const Experiment& e = setting.experiment;
    Random random;
    Task task(e, setting.rows, random);
    size_t count = 0;
    for (int k = 0; k < e.num_layers; k++) count += (size_t)e.widths[k] * (size_t)((k ? e.widths[k - 1] : NUM_INPUTS) + 1);
    size_t size = (count + 15) / 16 * 16;
    Floats parameters = zeros(RUNS * size), first = zeros(RUNS * size), second = zeros(RUNS * size);
    for (int r = 0; r < RUNS; r++)
        for (size_t k = 0; k < count; k++) parameters[r * size + k] = random.between(-.6f, .6f);
    Floats memory = zeros((size_t)OF_UNIT(UNIT, memory)(&e));
    bool has_first = e.optimizer == ADAM || e.momentum != 0.f, has_second = e.optimizer != SGD;
    States states = {RUNS, (int64_t)size, parameters.get(), has_first ? first.get() : nullptr,
                     has_second ? second.get() : nullptr};
    size_t steps = (size_t)((setting.rows + e.batch_size - 1) / e.batch_size);
    std::vector<float> rates(steps, 0.003f), decays(steps, 1e-4f);
    std::vector<uint64_t> keys = {11, 12};
    Updates updates = {rates.data(), decays.data(), e.drop_threshold ? keys.data() : nullptr};
    std::vector<double> trained(RUNS * SUMS), evaluated(RUNS * SUMS), penalties(RUNS);
    for (int epoch = 0; epoch < EPOCHS; epoch++)
        OF_UNIT(UNIT, pass)(&e, &task.rows, &states, &updates, memory.get(), trained.data(), penalties.data());
    task.rows.order = nullptr;
    OF_UNIT(UNIT, pass)(&e, &task.rows, &states, nullptr, memory.get(), evaluated.data(), penalties.data());
    std::vector<double> of_parameters(2 * RUNS);
    for (int r = 0; r < RUNS; r++)
        for (size_t k = 0; k < size; k++) {
            double x = parameters[r * size + k];
            of_parameters[2 * r] += x < 0 ? -x : x;
            of_parameters[2 * r + 1] += x * x;
        }
    printf("%s:", setting.name.c_str());
    for (auto* each : {&trained, &evaluated, &penalties, &of_parameters}) print(*each);
    printf("\n");
}

Experiment plain(int outputs, int head) {
    Experiment e = {};
    e.num_inputs = NUM_INPUTS, e.num_layers = 4, e.batch_size = 32, e.evaluation_rows = 64, e.head = head;
    e.activation = TANH, e.optimizer = ADAM;
    const int widths[] = {9, 9, 9, outputs};
    std::copy(widths, widths + 4, e.widths);
    return e;
}

std::vector<Setting> settings() {
    std::vector<Setting> found;
    auto add = [&](const std::string& name, const Experiment& e, int rows = 203) { found.push_back({name, e, rows}); };
    const int outputs[] = {3, 1, 2};
    for (int head : {SOFTMAX, BINARY, REGRESSION}) {
        std::string with = "head " + std::to_string(head) + ", ";
        Experiment e = plain(outputs[head], head);
        for (int activation : {RELU, TANH, SIGMOID, ELU, GELU, SWISH}) {
            e.activation = activation;
            add(with + "activation " + std::to_string(activation), e);
            Experiment residual = e;
            residual.adds_input[1] = residual.adds_input[2] = 1;
            residual.drop_threshold = 1 << 14;
            add(with + "residual, dropout, activation " + std::to_string(activation), residual);
        }
        e = plain(outputs[head], head);
        for (int optimizer : {ADAM, RMSPROP, SGD})
            for (float momentum : {0.f, .9f}) {
                e.optimizer = optimizer, e.momentum = momentum;
                add(with + "optimizer " + std::to_string(optimizer) + ", momentum " + std::to_string(momentum), e);
            }
        e = plain(outputs[head], head);
        e.l1 = .01f;
        add(with + "l1", e);
        e.l1 = 0.f, e.l2 = .02f, e.gradient_clip = .1f;
        add(with + "l2, gradient_clip", e);
        for (int batch_size : {1, 7, 31, 33, 1000})
            for (int rows : {20, 203}) {
                e = plain(outputs[head], head);
                e.batch_size = batch_size, e.evaluation_rows = std::max(256, batch_size);
                add(with + std::to_string(rows) + " rows, batch_size " + std::to_string(batch_size), e, rows);
            }
    }
    Experiment wide = plain(100, SOFTMAX);
    wide.widths[0] = 701, wide.widths[1] = 203, wide.widths[2] = 11, wide.batch_size = 256;
    add("wide", wide);
    Experiment shallow = plain(3, SOFTMAX);
    shallow.num_layers = 1, shallow.widths[0] = 3;
    add("one layer", shallow);
    return found;
}

}  // namespace

int main() {
    for (const Setting& each : settings()) run(each);
}
