// Matrix products of one layer and ROWS rows of a minibatch, all in shared memory. Sums stay in registers.
//
// What a thread reads from shared memory costs four times as much as a multiplication, so that each number that it reads
// is used in several. A warp reads the same weights, and each of its lanes neighbouring rows of its own.

constexpr int LANES_OF_WARP = 32;
constexpr int ROWS = LANES_OF_WARP * ROWS_PER_LANE;
constexpr int STRIDE = ROWS + 4;  // lines of eight threads that follow each other lie in different banks
constexpr int TILE = 8;           // outputs or inputs of a thread in `forward_product` and `input_product`
constexpr int SIDE = 4;           // outputs, and inputs, of a thread in `weight_product`

// Floats that are read and written at once; they lie at a multiple of their size.
template <int N>
struct alignas(4 * N) Floats {
    float at[N];
};

template <int N>
INLINE Floats<N> read(int place) {
    return *reinterpret_cast<const Floats<N>*>(shared + place);
}

template <int N>
INLINE void write(int place, Floats<N> x) {
    *reinterpret_cast<Floats<N>*>(shared + place) = x;
}

// A thread's part of a product whose result is [features][STRIDE]: TILE of the features, and some neighbouring rows.
struct Part {
    int feature, row;
};

template <int ROWS_OF_THREAD>
INLINE Part part(int unit) {
    constexpr int GROUPS = ROWS / (LANES_OF_WARP * ROWS_OF_THREAD);
    int lane = (int)threadIdx.x % LANES_OF_WARP;
    return {unit / GROUPS * TILE, (unit % GROUPS * LANES_OF_WARP + lane) * ROWS_OF_THREAD};
}

INLINE int warp_number() { return (int)threadIdx.x / LANES_OF_WARP; }
INLINE int num_warps() { return (int)blockDim.x / LANES_OF_WARP; }
INLINE int tiles_of(int features) { return (features + TILE - 1) / TILE; }

// The outputs of a hidden layer, or the logits: weights [outputs][columns] times x [columns][ROWS], then the activation.
// Tiles may reach beyond the last output: they read what lies there, and it is not stored.
template <int N>
static void forward_part(Layer layer, Part at, bool is_hidden) {
    float sums[TILE][N] = {};
    int w = layer.weights + at.feature * layer.columns, x = layer.x + at.row;
    for (int i = 0; i < layer.columns; i += 4) {
        Floats<4> weight[TILE];
#pragma unroll
        for (int m = 0; m < TILE; m++) weight[m] = read<4>(w + m * layer.columns + i);
#pragma unroll
        for (int k = 0; k < 4; k++) {
            Floats<N> row = read<N>(x + (i + k) * STRIDE);
#pragma unroll
            for (int m = 0; m < TILE; m++)
#pragma unroll
                for (int n = 0; n < N; n++) sums[m][n] += weight[m].at[k] * row.at[n];
        }
    }
#pragma unroll
    for (int m = 0; m < TILE; m++) {
        if (at.feature + m < layer.outputs) {
            int line = (at.feature + m) * STRIDE + at.row;
            Floats<N> product, active;
#pragma unroll
            for (int n = 0; n < N; n++) {
                product.at[n] = sums[m][n];
                active.at[n] = is_hidden ? Activation::of(sums[m][n]) : sums[m][n];
            }
            if (is_hidden && !Activation::keeps_output) write<N>(layer.kept + line, product);
            write<N>(layer.out + line, active);
        }
    }
}

// With too few tiles for all warps, as in an output layer, a thread takes one row of each instead of several.
static void forward_product(Layer layer, bool is_hidden) {
    int tiles = tiles_of(layer.outputs);
    if (tiles * ROWS_PER_LANE <= num_warps()) {
        for (int unit = warp_number(); unit < tiles * ROWS_PER_LANE; unit += num_warps())
            forward_part<1>(layer, part<1>(unit), is_hidden);
    } else {
        for (int unit = warp_number(); unit < tiles; unit += num_warps())
            forward_part<ROWS_PER_LANE>(layer, part<ROWS_PER_LANE>(unit), is_hidden);
    }
}

// The gradient with respect to the products of the layer below, in the place of its outputs: the layer's kernel, transposed,
// times the gradient with respect to its own products, which is in the place of its outputs; then that of the activation.
template <int N>
static void input_part(Layer layer, int kept_below, Part at) {
    float sums[TILE][N] = {};
    int w = layer.weights + at.feature, z = layer.out + at.row;
#pragma unroll 4
    for (int j = 0; j < layer.outputs; j++, w += layer.columns, z += STRIDE) {
        Floats<4> low = read<4>(w), high = read<4>(w + 4);
        Floats<N> row = read<N>(z);
#pragma unroll
        for (int m = 0; m < TILE; m++)
#pragma unroll
            for (int n = 0; n < N; n++) sums[m][n] += (m < 4 ? low.at[m % 4] : high.at[m % 4]) * row.at[n];
    }
#pragma unroll
    for (int m = 0; m < TILE; m++) {
        if (at.feature + m < layer.inputs) {
            int line = (at.feature + m) * STRIDE + at.row;
            Floats<N> kept = read<N>(kept_below + line), gradient;
#pragma unroll
            for (int n = 0; n < N; n++) gradient.at[n] = Activation::gradient(sums[m][n], kept.at[n]);
            write<N>(layer.x + line, gradient);
        }
    }
}

static void input_product(Layer layer, int kept_below) {
    int tiles = tiles_of(layer.inputs);
    for (int unit = warp_number(); unit < tiles; unit += num_warps())
        input_part<ROWS_PER_LANE>(layer, kept_below, part<ROWS_PER_LANE>(unit));
}

// The gradient of a layer's weights, [outputs][columns]: that with respect to its products, [outputs][ROWS], times its
// inputs, transposed. A thread has SIDE outputs and SIDE inputs, which lie far apart so that threads that follow each
// other read lines that do, and the rows of one slice. It adds to its own sums of other parts of the minibatch, which it
// reads first, as they may come from far away.
static void weight_product(Layer layer, float* gradients, bool adds) {
    int wide = layer.columns / SIDE, high = (layer.outputs + SIDE - 1) / SIDE, tiles = wide * high;
    for (int unit = (int)threadIdx.x; unit < tiles * layer.slices; unit += (int)blockDim.x) {
        int slice = unit / tiles, output = unit % tiles / wide, input = unit % tiles % wide;
        int first = slice ? layer.more + (slice - 1) * layer.outputs * layer.columns : layer.weights;
        float sums[SIDE][SIDE] = {}, before[SIDE][SIDE];
#pragma unroll
        for (int j = 0; j < SIDE; j++)
#pragma unroll
            for (int i = 0; i < SIDE; i++) {
                int place = first + (output + high * j) * layer.columns + input + wide * i;
                before[j][i] = adds && output + high * j < layer.outputs ? gradients[place] : 0.f;
            }
        for (int r = 4 * slice; r < ROWS; r += 4 * layer.slices) {
            Floats<4> z[SIDE], x[SIDE];
#pragma unroll
            for (int k = 0; k < SIDE; k++) {
                z[k] = read<4>(layer.out + (output + high * k) * STRIDE + r);
                x[k] = read<4>(layer.x + (input + wide * k) * STRIDE + r);
            }
#pragma unroll
            for (int j = 0; j < SIDE; j++)
#pragma unroll
                for (int i = 0; i < SIDE; i++)
#pragma unroll
                    for (int k = 0; k < 4; k++) sums[j][i] += z[j].at[k] * x[i].at[k];
        }
#pragma unroll
        for (int j = 0; j < SIDE; j++)
#pragma unroll
            for (int i = 0; i < SIDE; i++) {
                int place = first + (output + high * j) * layer.columns + input + wide * i;
                if (output + high * j < layer.outputs) gradients[place] = before[j][i] + sums[j][i];
            }
    }
}
