// Matrix products of one layer and one minibatch, in tiles whose sums stay in registers.
//
// Activations are features first, [width][stride]: the rows of a minibatch lie side by side, a multiple of 32 of them.

// Weights of a product, read by output and input: a layer's own, or its transpose in the backward pass.
struct Weights {
    const float* first;
    int by_output, by_input;
    const float* bias;  // of the first output, those of others `by_output` apart; null for none
};

// What is done with a sum of products before it is stored; `kept` is what the layer's activation has kept.
struct AsItIs {
    static constexpr bool reads_kept = false;
    static INLINE Vector of(Vector sum, Vector) { return sum; }
};
struct ThenRelu {
    static constexpr bool reads_kept = false;
    static INLINE Vector of(Vector sum, Vector) { return Relu::of(sum); }
};
struct ThenGradientOfRelu {
    static constexpr bool reads_kept = true;
    static INLINE Vector of(Vector sum, Vector kept) { return Relu::gradient(sum, kept); }
};

constexpr bool HAS_32_REGISTERS = LANES != 8;  // as AVX-512 and NEON have; AVX2 has 16

// Registers of sums: of so many outputs and vectors of rows, or of outputs and inputs.
constexpr int TILE_OUTPUTS = 6, TILE_VECTORS = HAS_32_REGISTERS ? 4 : 2;
constexpr int GRADIENT_OUTPUTS = HAS_32_REGISTERS ? 6 : 3, GRADIENT_INPUTS = 4;
constexpr int LEAST_VECTORS = 32 / LANES < TILE_VECTORS ? 32 / LANES : TILE_VECTORS;

// As few nearly equal parts of a total as are no larger than `most`: the first `larger` have one more than `size`.
struct Parts {
    int count, size, larger;
    INLINE Parts(int total, int most) : count((total + most - 1) / most), size(total / count), larger(total % count) {}
    INLINE int of(int t) const { return size + (t < larger); }
};

// Rows of x that stay in the second-level cache while all outputs use them: a multiple of 64.
constexpr int SECOND_LEVEL = 1 << 15;  // floats
INLINE int rows_of_block(int inputs) {
    int rows = SECOND_LEVEL / inputs / 64 * 64;
    return rows > 64 ? rows : 64;
}

// Inputs of a gradient that stay in the second-level cache while all outputs use them, and of short minibatches no more
// than stay in the first-level one: a multiple of tiles.
constexpr int MOST_INPUTS = 128, INPUT_BLOCK = 1 << 14;  // floats
INLINE int inputs_of_block(int rows) {
    int inputs = INPUT_BLOCK / rows / GRADIENT_INPUTS * GRADIENT_INPUTS;
    if (inputs > MOST_INPUTS) return MOST_INPUTS;
    return inputs > GRADIENT_INPUTS ? inputs : GRADIENT_INPUTS;
}

template <int OUTPUTS, int VECTORS, class Then>
static void tile(Weights w, int inputs, const float* x, float* out, const float* kept, int stride) {
    Vector sums[OUTPUTS][VECTORS];
#pragma GCC unroll 16
    for (int m = 0; m < OUTPUTS; m++)
#pragma GCC unroll 16
        for (int n = 0; n < VECTORS; n++) sums[m][n] = w.bias ? all(w.bias[m * w.by_output]) : Vector{};
    for (int k = 0; k < inputs; k++) {
        Vector row[VECTORS];
#pragma GCC unroll 16
        for (int n = 0; n < VECTORS; n++) row[n] = load(x + (size_t)k * stride + n * LANES);
#pragma GCC unroll 16
        for (int m = 0; m < OUTPUTS; m++) {
            Vector weight = all(w.first[m * w.by_output + k * w.by_input]);
#pragma GCC unroll 16
            for (int n = 0; n < VECTORS; n++) sums[m][n] += weight * row[n];
        }
    }
#pragma GCC unroll 16
    for (int m = 0; m < OUTPUTS; m++)
#pragma GCC unroll 16
        for (int n = 0; n < VECTORS; n++) {
            size_t place = (size_t)m * stride + n * LANES;
            store(out + place, Then::of(sums[m][n], Then::reads_kept ? load(kept + place) : Vector{}));
        }
}

// Some outputs of some rows, at most TILE_OUTPUTS, in tiles along the rows, so that their weights stay in the first-level
// cache.
template <int OUTPUTS, class Then>
static void strip(Weights w, int inputs, const float* x, float* out, const float* kept, int stride, int rows) {
    int r = 0;
    for (; r + TILE_VECTORS * LANES <= rows; r += TILE_VECTORS * LANES)
        tile<OUTPUTS, TILE_VECTORS, Then>(w, inputs, x + r, out + r, kept + r, stride);
    for (; r < rows; r += LEAST_VECTORS * LANES)
        tile<OUTPUTS, LEAST_VECTORS, Then>(w, inputs, x + r, out + r, kept + r, stride);
}

// out [outputs][rows] = weights [outputs][inputs] times x [inputs][rows], plus the bias.
template <class Then>
static void product(Weights w, int outputs, int inputs, const float* x, float* out, const float* kept, int stride,
                    int rows) {
    Parts parts(outputs, TILE_OUTPUTS);
    int block = rows_of_block(inputs);
    for (int r = 0; r < rows; r += block) {
        int some = rows - r < block ? rows - r : block;
        for (int t = 0, first = 0; t < parts.count; first += parts.of(t++)) {  // strips of nearly equal size
            size_t place = (size_t)first * w.by_output;
            Weights part = {w.first + place, w.by_output, w.by_input, w.bias ? w.bias + place : nullptr};
            size_t line = (size_t)first * stride + r;
            switch (parts.of(t)) {
                case 1: strip<1, Then>(part, inputs, x + r, out + line, kept + line, stride, some); break;
                case 2: strip<2, Then>(part, inputs, x + r, out + line, kept + line, stride, some); break;
                case 3: strip<3, Then>(part, inputs, x + r, out + line, kept + line, stride, some); break;
                case 4: strip<4, Then>(part, inputs, x + r, out + line, kept + line, stride, some); break;
                case 5: strip<5, Then>(part, inputs, x + r, out + line, kept + line, stride, some); break;
                case 6: strip<6, Then>(part, inputs, x + r, out + line, kept + line, stride, some); break;
            }
        }
    }
}

template <int OUTPUTS, int INPUTS>
static void gradient_tile(const float* z, const float* x, int stride, int rows, float* to, int columns) {
    Vector sums[OUTPUTS][4] = {};
    for (int r = 0; r < rows; r += LANES) {
        Vector input[INPUTS];
#pragma GCC unroll 16
        for (int i = 0; i < INPUTS; i++) input[i] = load(x + (size_t)i * stride + r);
#pragma GCC unroll 16
        for (int j = 0; j < OUTPUTS; j++) {
            Vector output = load(z + (size_t)j * stride + r);
#pragma GCC unroll 16
            for (int i = 0; i < INPUTS; i++) sums[j][i] += output * input[i];
        }
    }
#pragma GCC unroll 16
    for (int j = 0; j < OUTPUTS; j++) {
        Four found = sums_of_lanes(sums[j][0], sums[j][1], sums[j][2], sums[j][3]);
        if (INPUTS == 4) {
            *(AnyFour*)(to + (size_t)j * columns) = found;
        } else {
            for (int i = 0; i < INPUTS; i++) to[(size_t)j * columns + i] = found[i];
        }
    }
}

template <int OUTPUTS>
static void gradient_tiles(const float* z, const float* x, int inputs, int stride, int rows, float* to, int columns) {
    Parts parts(inputs, GRADIENT_INPUTS);
    for (int t = 0, first = 0; t < parts.count; first += parts.of(t++)) {
        const float* part = x + (size_t)first * stride;
        switch (parts.of(t)) {
            case 1: gradient_tile<OUTPUTS, 1>(z, part, stride, rows, to + first, columns); break;
            case 2: gradient_tile<OUTPUTS, 2>(z, part, stride, rows, to + first, columns); break;
            case 3: gradient_tile<OUTPUTS, 3>(z, part, stride, rows, to + first, columns); break;
            case 4: gradient_tile<OUTPUTS, 4>(z, part, stride, rows, to + first, columns); break;
        }
    }
}

// The same of inputs that stay in the cache.
static void gradient_block(const float* z, int outputs, const float* x, int inputs, int stride, int rows, float* to,
                           int columns) {
    Parts parts(outputs, GRADIENT_OUTPUTS);
    for (int t = 0, first = 0; t < parts.count; first += parts.of(t++)) {
        const float* part = z + (size_t)first * stride;
        float* place = to + (size_t)first * columns;
        switch (parts.of(t)) {
            case 1: gradient_tiles<1>(part, x, inputs, stride, rows, place, columns); break;
            case 2: gradient_tiles<2>(part, x, inputs, stride, rows, place, columns); break;
            case 3: gradient_tiles<3>(part, x, inputs, stride, rows, place, columns); break;
#if LANES != 8
            case 4: gradient_tiles<4>(part, x, inputs, stride, rows, place, columns); break;
            case 5: gradient_tiles<5>(part, x, inputs, stride, rows, place, columns); break;
            case 6: gradient_tiles<6>(part, x, inputs, stride, rows, place, columns); break;
#endif
        }
    }
}

// to [outputs][columns] = z [outputs][rows] times x [inputs][rows], transposed; columns >= inputs.
static void gradient_product(const float* z, int outputs, const float* x, int inputs, int stride, int rows, float* to,
                             int columns) {
    int most = inputs_of_block(rows);
    for (int i = 0; i < inputs; i += most) {
        int some = inputs - i < most ? inputs - i : most;
        gradient_block(z, outputs, x + (size_t)i * stride, some, stride, rows, to + i, columns);
    }
}
