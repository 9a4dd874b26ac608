// Runs trained one after the other, each for an epoch: forward and backward pass, and updates.

constexpr int ROWS = 32;  // rows of a minibatch are padded to a multiple of this

INLINE int padded(int64_t rows) { return (int)((rows + ROWS - 1) / ROWS * ROWS); }

// Arrays that all runs use, one after the other: [width][stride] activations, features first. A row of ones below the
// inputs of each layer makes the bias one more column of its weights in the gradient.
struct Workspace {
    const Experiment& e;
    int stride, widest = 1;
    size_t size = 0;  // floats of all arrays
    float* gradients;
    float* x[MOST_LAYERS + 1];  // inputs of each layer, then the logits
    float* kept[MOST_LAYERS];   // of each hidden layer, what its activation's gradient is computed from
    float* masks[MOST_LAYERS];  // of each hidden layer, 0 or 1 / (1 - rate)
    float* z_gradient[2];       // with respect to a layer's product, of layers by turns
    float* h_gradient[2];       // with respect to its output
    float* transposed;          // the weights of a layer
    float* zeros;               // inputs of a row that is padding
    float* scratch;             // a vector for each output
    float* targets;             // of softmax int32

    // For minibatches of at most so many rows. With no memory, only the sizes are computed.
    Workspace(const Experiment& experiment, int rows, float* memory) : e(experiment) {
        stride = padded(rows) + 16;  // not a multiple of a page, whose rows would share lines of the cache
        size_t parameters = 0, largest = 0;
        bool any_adds_input = false;
        for (int k = 0; k < e.num_layers; k++) {
            size_t weights = (size_t)e.widths[k] * (size_t)(fan_in(k) + 1);
            parameters += weights;
            if (k && weights > largest) largest = weights;
            any_adds_input |= (bool)e.adds_input[k];
            if (k < e.num_layers - 1 && e.widths[k] > widest) widest = e.widths[k];
        }
        // These two come first, as passes of other numbers of rows count on zeros in them.
        gradients = take(memory, (parameters + 15) / 16 * 16);
        zeros = take(memory, (size_t)e.num_inputs);
        int outputs = e.widths[e.num_layers - 1];
        for (int k = 0; k <= e.num_layers; k++) {
            int width = k ? e.widths[k - 1] : e.num_inputs;
            x[k] = take(memory, (size_t)(width + 1) * stride);
            if (memory) for (int r = 0; r < stride; r++) x[k][(size_t)width * stride + r] = 1.f;
        }
        for (int k = 0; k < e.num_layers - 1; k++) {
            size_t room = (size_t)e.widths[k] * stride;
            kept[k] = keeps_apart(k) ? take(memory, room) : x[k + 1];
            masks[k] = e.drop_threshold ? take(memory, room) : nullptr;
        }
        for (float*& each : z_gradient) each = take(memory, (size_t)widest * stride);
        for (float*& each : h_gradient) each = any_adds_input ? take(memory, (size_t)widest * stride) : nullptr;
        transposed = take(memory, largest);
        scratch = take(memory, (size_t)outputs * LANES);
        targets = take(memory, (size_t)outputs * stride);
    }

    int fan_in(int k) const { return k ? e.widths[k - 1] : e.num_inputs; }

    // Whether what a hidden layer keeps is not its output.
    bool keeps_apart(int k) const {
        return e.activation == GELU || e.activation == SWISH || e.drop_threshold || e.adds_input[k];
    }

    float* take(float* memory, size_t floats) {
        float* place = memory ? memory + size : nullptr;
        size += (floats + 15) / 16 * 16;  // each at a whole vector
        return place;
    }
};

// The masks of a step: 16 bits of the stream for each layer, unit and row.
static void draw_masks(Workspace& ws, uint64_t key, int64_t step, int rows) {
    int threshold = ws.e.drop_threshold - (1 << 15);
    float scale = 65536.f / (float)(65536 - ws.e.drop_threshold);
    uint64_t place = key + ((uint64_t)step << 32) * GOLDEN;
    for (int k = 0; k < ws.e.num_layers - 1; k++)
        for (int j = 0; j < ws.e.widths[k]; j++) {
            float* mask = ws.masks[k] + (size_t)j * ws.stride;
            for (int r = 0; r < rows; r += 4) {
                uint64_t word = mixed(place += GOLDEN);
                for (int b = 0; b < 4; b++) mask[r + b] = (int16_t)(word >> (16 * b)) >= threshold ? scale : 0.f;
            }
        }
}

// Four rows side by side: to [width][stride].
INLINE void transpose(const float* const rows[4], int width, float* to, int stride) {
    int i = 0;
    for (; i + 4 <= width; i += 4, to += 4 * (size_t)stride) {
        Four a = *(const AnyFour*)(rows[0] + i), b = *(const AnyFour*)(rows[1] + i);
        Four c = *(const AnyFour*)(rows[2] + i), d = *(const AnyFour*)(rows[3] + i);
        Four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
        *(AnyFour*)to = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
        *(AnyFour*)(to + stride) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
        ab = __builtin_shufflevector(a, b, 2, 6, 3, 7), cd = __builtin_shufflevector(c, d, 2, 6, 3, 7);
        *(AnyFour*)(to + 2 * (size_t)stride) = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
        *(AnyFour*)(to + 3 * (size_t)stride) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
    }
    for (; i < width; i++, to += stride)
        for (int r = 0; r < 4; r++) to[r] = rows[r][i];
}

// Copy inputs and targets of the rows of a minibatch, features first. Padding is zeros, so that no run depends on what
// another has left here.
static void gather(Workspace& ws, const Rows& rows, int64_t run, int64_t first, int valid) {
    const Experiment& e = ws.e;
    int outputs = e.widths[e.num_layers - 1];
    const int64_t *numbers = rows.numbers + run * rows.count, *order = rows.order;
    if (order) order += run * rows.count + first;
    const float* inputs[4];
    for (int r = 0; r < padded(valid); r++) {
        int64_t place = order && r < valid ? order[r] : first + r;
        inputs[r & 3] = r < valid ? rows.inputs + numbers[place] * e.num_inputs : ws.zeros;
        if ((r & 3) == 3) transpose(inputs, e.num_inputs, ws.x[0] + r - 3, ws.stride);
        if (r >= valid) continue;
        place += run * rows.count;
        if (e.head == SOFTMAX) {
            ((int32_t*)ws.targets)[r] = ((const int32_t*)rows.targets)[place];
        } else {
            const float* targets = (const float*)rows.targets + place * outputs;
            for (int j = 0; j < outputs; j++) ws.targets[(size_t)j * ws.stride + r] = targets[j];
        }
    }
}

// The output of a hidden layer, from its product in `kept`.
template <class Activation>
static void activate(Workspace& ws, int k, int rows, const float* masks) {
    for (int j = 0; j < ws.e.widths[k]; j++) {
        size_t line = (size_t)j * ws.stride;
        float *kept = ws.kept[k] + line, *h = ws.x[k + 1] + line;
        for (int r = 0; r < rows; r += LANES) {
            Vector active = Activation::of(load(kept + r));
            if (Activation::keeps_output) store(kept + r, active);
            if (kept == h) continue;
            if (masks) active *= load(masks + line + r);
            if (ws.e.adds_input[k]) active += load(ws.x[k] + line + r);
            store(h + r, active);
        }
    }
}

// The gradient with respect to a hidden layer's product, from that with respect to its output, `g`, in its place or not.
// `from_above` is the gradient of the output of a layer that adds its input, this layer's output; null for none.
template <class Activation>
static void deactivate(Workspace& ws, int k, int rows, float* g, const float* from_above, float* to) {
    for (int j = 0; j < ws.e.widths[k]; j++) {
        size_t line = (size_t)j * ws.stride;
        for (int r = 0; r < rows; r += LANES) {
            Vector gradient = load(g + line + r);
            if (from_above) gradient += load(from_above + line + r);
            if (g != to) store(g + line + r, gradient);
            if (ws.masks[k]) gradient *= load(ws.masks[k] + line + r);
            store(to + line + r, Activation::gradient(gradient, load(ws.kept[k] + line + r)));
        }
    }
}

template <class Activation>
static void forward(Workspace& ws, const float* parameters, int rows, bool trains) {
    const Experiment& e = ws.e;
    for (int k = 0; k < e.num_layers; k++) {
        int inputs = ws.fan_in(k);
        Weights w = {parameters, inputs + 1, 1, parameters + inputs};
        float* to = k < e.num_layers - 1 ? ws.kept[k] : ws.x[k + 1];
        bool is_hidden = k < e.num_layers - 1, is_relu = e.activation == RELU && is_hidden && !ws.keeps_apart(k);
        if (is_relu) {
            product<ThenRelu>(w, e.widths[k], inputs, ws.x[k], to, to, ws.stride, rows);
        } else {
            product<AsItIs>(w, e.widths[k], inputs, ws.x[k], to, to, ws.stride, rows);
            if (is_hidden) activate<Activation>(ws, k, rows, trains ? ws.masks[k] : nullptr);
        }
        parameters += (size_t)e.widths[k] * (size_t)(inputs + 1);
    }
}

// The weights of a layer for the product with the gradient of its outputs. They are copied in the order in which they are
// read if they outgrow the second-level cache, and there are rows enough to make up for it; no number changes by that.
static Weights transposed_weights(Workspace& ws, const float* weights, int outputs, int inputs, int rows) {
    if (outputs * inputs < 4 * SECOND_LEVEL || rows < 128) return {weights, 1, inputs + 1, nullptr};
    constexpr int at_once = 128;  // inputs, whose lines stay in the first-level cache while all outputs are written to them
    for (int i = 0; i < inputs; i += at_once) {
        int some = inputs - i < at_once ? inputs - i : at_once, j = 0;
        const float* from = weights + i;
        float* to = ws.transposed + (size_t)i * outputs;
        for (; j + 4 <= outputs; j += 4, from += 4 * (size_t)(inputs + 1)) {
            const float* rows_of[4] = {from, from + inputs + 1, from + 2 * (inputs + 1), from + 3 * (inputs + 1)};
            transpose(rows_of, some, to + j, outputs);
        }
        for (; j < outputs; j++, from += inputs + 1)
            for (int k = 0; k < some; k++) to[(size_t)k * outputs + j] = from[k];
    }
    return {ws.transposed, outputs, 1, nullptr};
}

// Fill `ws.gradients` from the gradient of the logits, which stands in their place.
template <class Activation>
static void backward(Workspace& ws, const float* parameters, size_t num_parameters, int rows) {
    const Experiment& e = ws.e;
    const float* z = ws.x[e.num_layers];
    size_t end = num_parameters;
    for (int k = e.num_layers - 1; k >= 0; k--) {
        int inputs = ws.fan_in(k), outputs = e.widths[k];
        end -= (size_t)outputs * (size_t)(inputs + 1);
        gradient_product(z, outputs, ws.x[k], inputs + 1, ws.stride, rows, ws.gradients + end, inputs + 1);
        if (k == 0) return;
        Weights transposed = transposed_weights(ws, parameters + end, outputs, inputs, rows);
        float* to = ws.z_gradient[k & 1];
        const float* from_above = e.adds_input[k] ? ws.h_gradient[k & 1] : nullptr;
        if (e.activation == RELU && !from_above && !ws.keeps_apart(k - 1)) {
            product<ThenGradientOfRelu>(transposed, inputs, outputs, z, to, ws.kept[k - 1], ws.stride, rows);
        } else {
            // A layer that adds its input passes its output's gradient on, so that one is kept.
            float* h_gradient = e.adds_input[k - 1] ? ws.h_gradient[(k - 1) & 1] : to;
            product<AsItIs>(transposed, inputs, outputs, z, h_gradient, h_gradient, ws.stride, rows);
            deactivate<Activation>(ws, k - 1, rows, h_gradient, from_above, to);
        }
        z = to;
    }
}

static void apply_head(Workspace& ws, int rows, int valid, bool trains, double* sums) {
    float *z = ws.x[ws.e.num_layers], *y = ws.targets;
    HeadRows head = {ws.e.widths[ws.e.num_layers - 1], ws.stride, rows, valid, valid, trains};
    switch (ws.e.head) {
        case SOFTMAX: return softmax(z, (const int32_t*)y, head, ws.scratch, sums);
        case BINARY: return sigmoid_outputs<false>(z, y, head, are_binary(y, head), sums);
        case REGRESSION: return sigmoid_outputs<true>(z, y, head, are_binary(y, head), sums);
    }
}

static double penalties(Workspace& ws, const float* parameters, float* gradients) {
    const Experiment& e = ws.e;
    if (e.l1 == 0.f && e.l2 == 0.f) return 0;
    double sum = 0;
    for (int k = 0; k < e.num_layers; k++) {
        size_t size = (size_t)e.widths[k] * (size_t)(ws.fan_in(k) + 1);
        sum += penalty(parameters, gradients, e.widths[k], ws.fan_in(k), e.l1, e.l2);
        parameters += size;
        if (gradients) gradients += size;
    }
    return sum;
}

template <class Activation>
static void train_run(Workspace& ws, const Rows& rows, const States& states, const Updates& updates, int64_t run,
                      double* sums, double* penalty_sum) {
    const Experiment& e = ws.e;
    float* w = states.parameters + run * states.size;
    float* m = states.first_moment ? states.first_moment + run * states.size : nullptr;
    float* v = states.second_moment ? states.second_moment + run * states.size : nullptr;
    size_t num_parameters = 0;
    for (int k = 0; k < e.num_layers; k++) num_parameters += (size_t)e.widths[k] * (size_t)(ws.fan_in(k) + 1);
    int64_t step = 0;
    for (int64_t first = 0; first < rows.count; first += e.batch_size, step++) {
        int valid = (int)(rows.count - first < e.batch_size ? rows.count - first : e.batch_size);
        int room = padded(valid);
        gather(ws, rows, run, first, valid);
        if (e.drop_threshold) draw_masks(ws, updates.dropout_keys[run], step, room);
        forward<Activation>(ws, w, room, true);
        apply_head(ws, room, valid, true, sums);
        backward<Activation>(ws, w, num_parameters, room);
        *penalty_sum += penalties(ws, w, ws.gradients) * valid;
        if (e.gradient_clip != 0.f) clip(ws.gradients, (size_t)states.size, e.gradient_clip);
        Update u = {e.optimizer, updates.rates[step], updates.decays[step], e.momentum};
        update(w, ws.gradients, m, v, (size_t)states.size, u);
    }
}

template <class Activation>
static void evaluate_run(Workspace& ws, const Rows& rows, const States& states, int64_t run, double* sums,
                         double* penalty_sum) {
    const Experiment& e = ws.e;
    const float* w = states.parameters + run * states.size;
    for (int64_t first = 0; first < rows.count; first += e.evaluation_rows) {
        int valid = (int)(rows.count - first < e.evaluation_rows ? rows.count - first : e.evaluation_rows);
        gather(ws, rows, run, first, valid);
        forward<Activation>(ws, w, padded(valid), false);
        apply_head(ws, padded(valid), valid, false, sums);
    }
    *penalty_sum += penalties(ws, w, nullptr) * (double)rows.count;
}

// Train all runs on a set of rows, or evaluate them where there are no updates.
template <class Activation>
static void each_run(Workspace& ws, const Rows& rows, const States& states, const Updates* updates, double* sums,
                     double* penalty_sums) {
    for (int64_t run = 0; run < states.runs; run++) {
        double *own = sums + run * SUMS, *own_penalty = penalty_sums + run;
        if (updates)
            train_run<Activation>(ws, rows, states, *updates, run, own, own_penalty);
        else
            evaluate_run<Activation>(ws, rows, states, run, own, own_penalty);
    }
}

static void pass(const Experiment& e, const Rows& rows, const States& states, const Updates* updates, float* memory,
                 double* sums, double* penalty_sums) {
    Workspace ws(e, updates ? e.batch_size : e.evaluation_rows, memory);
    switch (e.activation) {
        case RELU: return each_run<Relu>(ws, rows, states, updates, sums, penalty_sums);
        case TANH: return each_run<Tanh>(ws, rows, states, updates, sums, penalty_sums);
        case SIGMOID: return each_run<Sigmoid>(ws, rows, states, updates, sums, penalty_sums);
        case ELU: return each_run<Elu>(ws, rows, states, updates, sums, penalty_sums);
        case GELU: return each_run<Gelu>(ws, rows, states, updates, sums, penalty_sums);
        case SWISH: return each_run<Swish>(ws, rows, states, updates, sums, penalty_sums);
    }
}
