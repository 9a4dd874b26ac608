// A run trained for an epoch, or evaluated, by one block of threads.
//
// Weights, a part of a minibatch of ROWS rows, and what is computed of it stay in shared memory. All threads share each
// step, and wait for each other between steps that depend on each other.

constexpr int PENALTIES = SUMS;  // place of their sum behind the sums over the rows

// The place of the gradients, in shared memory or not.
INLINE float* gradients_of(const Pass& pass) {
    return pass.gradients >= 0 ? shared + pass.gradients : pass.gradients_of_runs + (size_t)blockIdx.x * pass.num_gradients;
}

// Clear shared memory, set the line of ones of each layer's inputs, and fetch the weights.
static void begin(const Pass& pass) {
    for (int k = first_index(); k < pass.floats; k += index_step()) shared[k] = 0.f;
    __syncthreads();
    for (int k = 0; k < pass.num_layers; k++) {
        int ones = pass.layers[k].x + pass.layers[k].inputs * STRIDE;
        for (int r = first_index(); r < ROWS; r += index_step()) shared[ones + r] = 1.f;
    }
    const float* parameters = pass.parameters + (size_t)blockIdx.x * pass.size;
    for (int k = first_index(); k < pass.size; k += index_step()) shared[k] = parameters[k];
}

static void fetch_targets(const Pass& pass, long long place, int r) {
    int outputs = pass.layers[pass.num_layers - 1].outputs;
    if (pass.head == SOFTMAX) {
        ((int*)shared)[pass.targets + r] = ((const int*)pass.targets_of_rows)[place];
    } else {
        for (int j = 0; j < outputs; j++)
            shared[pass.targets + j * STRIDE + r] = ((const float*)pass.targets_of_rows)[place * outputs + j];
    }
}

// Place among the rows of all runs of the row that a run visits at some time.
INLINE long long place_of(const Pass& pass, long long visit) {
    long long first = (long long)blockIdx.x * pass.count;
    return first + (pass.order ? pass.order[first + visit] : visit);
}

// Fetch the inputs of the rows with these numbers. A group of threads fetches a row's inputs, which lie side by side; each
// asks for those of several rows before it waits for the first.
static void fetch_inputs(const Pass& pass, const int* numbers) {
    constexpr int ROWS_AT_ONCE = 8;
    int inputs = pass.layers[0].inputs, x = pass.layers[0].x, group = 1;
    while (group < inputs && group < LANES_OF_WARP) group *= 2;
    int row = (int)threadIdx.x / group, rows = (int)blockDim.x / group;
    for (int i = (int)threadIdx.x % group; i < inputs; i += group)
        for (int first = row; first < ROWS; first += ROWS_AT_ONCE * rows) {
            float fetched[ROWS_AT_ONCE];
#pragma unroll
            for (int k = 0; k < ROWS_AT_ONCE; k++) {
                int r = first + k * rows, number = r < ROWS ? numbers[r] : -1;
                fetched[k] = number >= 0 ? pass.inputs[(size_t)number * inputs + i] : 0.f;
            }
#pragma unroll
            for (int k = 0; k < ROWS_AT_ONCE; k++)
                if (first + k * rows < ROWS) shared[x + i * STRIDE + first + k * rows] = fetched[k];
        }
}

// Fetch the rows from `first` on, `valid` of them; padding is zeros.
static void fetch(const Pass& pass, long long first, int valid) {
    int* numbers = (int*)shared + pass.numbers;
    for (int r = first_index(); r < ROWS; r += index_step()) {
        numbers[r] = -1;
        if (r >= valid) continue;
        long long place = place_of(pass, first + r);
        numbers[r] = (int)pass.rows[place];
        fetch_targets(pass, place, r);
    }
    __syncthreads();
    fetch_inputs(pass, numbers);
    __syncthreads();
}

static void forward(const Pass& pass) {
    for (int k = 0; k < pass.num_layers; k++) {
        forward_product(pass.layers[k], k < pass.num_layers - 1);
        __syncthreads();
    }
}

// Whether all targets of a minibatch of a regression are 0 or 1.
static bool are_binary(const Pass& pass, long long first, int valid) {
    int outputs = pass.layers[pass.num_layers - 1].outputs, binary = 1;
    for (int r = first_index(); r < valid; r += index_step()) {
        const float* y = (const float*)pass.targets_of_rows + place_of(pass, first + r) * outputs;
        for (int j = 0; j < outputs; j++) binary &= y[j] == 0.f || y[j] == 1.f;
    }
    return __syncthreads_and(binary);
}

static void apply_head(const Pass& pass, HeadRows rows, bool binary, double* sums) {
    float *z = shared + pass.layers[pass.num_layers - 1].out, *y = shared + pass.targets;
    switch (pass.head) {
        case SOFTMAX: softmax(z, (const int*)y, rows, shared + pass.scratch, sums); break;
        case BINARY: sigmoid_outputs<false>(z, y, rows, true, sums); break;
        case REGRESSION: sigmoid_outputs<true>(z, y, rows, binary, sums); break;
    }
    __syncthreads();
}

static void backward(const Pass& pass, bool adds) {
    for (int k = pass.num_layers - 1; k >= 0; k--) {
        weight_product(pass.layers[k], gradients_of(pass), adds);
        __syncthreads();
        if (k == 0) break;
        input_product(pass.layers[k], pass.layers[k - 1].kept);  // in the place of inputs that the first product has read
        __syncthreads();
    }
}

// Add the gradients of a layer's other slices to those of its first.
static void add_slices(Layer layer, float* gradients) {
    int count = layer.outputs * layer.columns;
    for (int k = first_index(); k < count && layer.slices > 1; k += index_step()) {
        float sum = gradients[layer.weights + k];
        for (int slice = 1; slice < layer.slices; slice++) sum += gradients[layer.more + (slice - 1) * count + k];
        gradients[layer.weights + k] = sum;
    }
}

// A thread's part of the penalties of all kernels; their gradients are added to `gradients` unless that is null.
static double penalties(const Pass& pass, float* gradients) {
    if (pass.l1 == 0.f && pass.l2 == 0.f) return 0;
    double sum = 0;
    for (int k = 0; k < pass.num_layers; k++) {
        Layer layer = pass.layers[k];
        for (int i = first_index(); i < layer.outputs * layer.columns; i += index_step()) {
            float w = i % layer.columns < layer.inputs ? shared[layer.weights + i] : 0.f;
            sum += (double)(pass.l1 * fabsf(w) + pass.l2 * w * w);
            float gradient = pass.l1 * (float)((w > 0.f) - (w < 0.f)) + 2.f * pass.l2 * w;
            if (gradients) gradients[layer.weights + i] += gradient;
        }
    }
    return sum;
}

// Nobody waits for the new weights here: before anything reads them, rows are fetched.
static void update(const Pass& pass, int step, int rows, double* sums) {
    float *g = gradients_of(pass), *m = pass.first_moment, *v = pass.second_moment;
    for (int k = 0; k < pass.num_layers; k++) add_slices(pass.layers[k], g);
    sums[PENALTIES] += penalties(pass, g) * rows;
    __syncthreads();
    size_t run = (size_t)blockIdx.x * pass.size;
    Update u = {pass.optimizer, pass.rates[step], pass.decays[step], pass.momentum};
    update(shared, g, m ? m + run : m, v ? v + run : v, (size_t)pass.size, u);
}

// The sums over the rows, from those of the threads; in the place of what is not needed any more.
static void add_up(const Pass& pass, const double* sums) {
    double* totals = (double*)(shared + pass.totals);
    for (int k = 0; k <= PENALTIES; k++) totals[k * blockDim.x + threadIdx.x] = sums[k];
    __syncthreads();
    for (int left = (int)blockDim.x; left > 1;) {
        int half = (left + 1) / 2;
        if ((int)threadIdx.x < left - half)
            for (int k = 0; k <= PENALTIES; k++) totals[k * blockDim.x + threadIdx.x] += totals[k * blockDim.x + threadIdx.x + half];
        __syncthreads();
        left = half;
    }
    if (threadIdx.x <= PENALTIES)
        pass.sums[(size_t)blockIdx.x * (PENALTIES + 1) + threadIdx.x] = totals[threadIdx.x * blockDim.x];
}

// Train on a minibatch, or evaluate it, in parts of at most ROWS rows.
static void take(const Pass& pass, long long first, int valid, double* sums) {
    bool train = pass.rates, binary = pass.head == REGRESSION && are_binary(pass, first, valid);
    for (int part = 0; part < valid; part += ROWS) {
        int some = valid - part < ROWS ? valid - part : ROWS;
        fetch(pass, first + part, some);
        forward(pass);
        apply_head(pass, {pass.layers[pass.num_layers - 1].outputs, STRIDE, ROWS, some, valid, train}, binary, sums);
        if (train) backward(pass, part > 0);
    }
}

static void pass_of_run(const Pass& pass) {
    double sums[PENALTIES + 1] = {};
    begin(pass);
    int step = 0;
    for (long long first = 0; first < pass.count; first += pass.batch_size, step++) {
        int rows = pass.count - first < pass.batch_size ? (int)(pass.count - first) : pass.batch_size;
        take(pass, first, rows, sums);
        if (pass.rates) update(pass, step, rows, sums);
    }
    if (!pass.rates) {
        sums[PENALTIES] = penalties(pass, nullptr) * (double)pass.count;
    } else {
        float* parameters = pass.parameters + (size_t)blockIdx.x * pass.size;
        for (int k = first_index(); k < pass.size; k += index_step()) parameters[k] = shared[k];
    }
    add_up(pass, sums);
}
