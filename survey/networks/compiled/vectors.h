// Vectors of floats, by the compiler's own vector types, and functions of them.
//
// LANES floats make a vector: 16 with AVX-512, 8 with AVX2, 4 with NEON. All here is private to the unit that includes it,
// as each unit is compiled for other instructions.

typedef float Vector __attribute__((vector_size(4 * LANES)));
typedef int32_t Integers __attribute__((vector_size(4 * LANES)));
typedef float AnyVector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t AnyIntegers __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef float Four __attribute__((vector_size(16)));
typedef float AnyFour __attribute__((vector_size(16), aligned(4), may_alias));

#define INLINE inline __attribute__((always_inline))

INLINE Vector load(const float* from) { return *(const AnyVector*)from; }
INLINE Integers load(const int32_t* from) { return *(const AnyIntegers*)from; }
INLINE void store(float* to, Vector x) { *(AnyVector*)to = x; }
INLINE Vector all(float x) { return x - Vector{}; }
INLINE Integers all_integers(int32_t x) { return x - Integers{}; }
INLINE Vector bits(Integers x) { return (Vector)x; }
INLINE Integers bits(Vector x) { return (Integers)x; }

// Numbers of the lanes, from 0.
INLINE Integers lane_numbers() {
    Integers numbers;
    for (int k = 0; k < LANES; k++) numbers[k] = k;
    return numbers;
}

// Loops over the elements of an array start at `first_index`, and go on by `index_step`. On a GPU, where `block/scalars.h`
// takes the place of this file, each thread has its own, and some loops
// read AT_ONCE vectors before they use the first.
INLINE int first_index() { return 0; }
INLINE int index_step() { return LANES; }
constexpr int AT_ONCE = 1;

// Where vector number c of a scratch is, for element r of lines of `stride`.
INLINE float* in_scratch(float* scratch, int c, int, int) { return scratch + c * LANES; }

INLINE Vector only_where(Integers condition, Vector x) { return bits(bits(x) & condition); }

// The greater or the lesser of two; where x is not a number, it stays so.
INLINE Vector at_least(Vector least, Vector x) { return least > x ? least : x; }
INLINE Vector at_most(Vector most, Vector x) { return most < x ? most : x; }
INLINE Vector magnitude(Vector x) { return bits(bits(x) & 0x7fffffff); }
INLINE Vector with_sign_of(Vector sign, Vector x) { return bits(bits(x) | (bits(sign) & INT32_MIN)); }

INLINE Vector square_root(Vector x) {
    Vector root;
    for (int k = 0; k < LANES; k++) root[k] = __builtin_sqrtf(x[k]);
    return root;
}

#if LANES == 16
typedef float Eight __attribute__((vector_size(32)));
INLINE Four folded(Vector x) {
    Eight half = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) +
                 __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
    return __builtin_shufflevector(half, half, 0, 1, 2, 3) + __builtin_shufflevector(half, half, 4, 5, 6, 7);
}
INLINE Vector interleaved_sums(Vector a, Vector b) {
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29) +
           __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
}
INLINE Vector joined_sums(Vector a, Vector b) {
    return __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
           __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
}
#elif LANES == 8
INLINE Four folded(Vector x) {
    return __builtin_shufflevector(x, x, 0, 1, 2, 3) + __builtin_shufflevector(x, x, 4, 5, 6, 7);
}
INLINE Vector interleaved_sums(Vector a, Vector b) {
    return __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13) +
           __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
}
INLINE Vector joined_sums(Vector a, Vector b) {
    return __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13) +
           __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
}
#else
INLINE Four folded(Vector x) { return x; }
INLINE Vector interleaved_sums(Vector a, Vector b) {
    return __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
}
INLINE Vector joined_sums(Vector a, Vector b) {
    return __builtin_shufflevector(a, b, 0, 1, 4, 5) + __builtin_shufflevector(a, b, 2, 3, 6, 7);
}
#endif

// The sums of the lanes of four vectors.
INLINE Four sums_of_lanes(Vector a, Vector b, Vector c, Vector d) {
    return folded(joined_sums(interleaved_sums(a, b), interleaved_sums(c, d)));
}

INLINE float sum_of_lanes(Vector x) {
    Four four = folded(x);
    return (four[0] + four[1]) + (four[2] + four[3]);
}

// exp(x) - 1 = (2^n - 1) + 2^n (exp(r) - 1), with x = n log 2 + r, for x <= 0; below -87 as at -87.
// The polynomial of exp(r), and the split of log 2, are those of Moshier's Cephes.
struct Exponential {
    Vector power, rest;  // 2^n, and exp(r) - 1
};

INLINE Exponential exponential(Vector x) {
    x = at_least(all(-87.f), x);
    Vector shifted = x * 1.44269504f + 12582912.f;  // 1.5 x 2^23, beside which fractions are rounded away
    Vector n = shifted - 12582912.f;
    Vector r = x - n * 0.693359375f + n * 2.12194440e-4f;
    Vector p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    return {bits((bits(shifted) << 23) + 0x3f800000), p * r * r + r};
}

INLINE Vector exp_of(Vector x) {
    Exponential e = exponential(x);
    return e.power * e.rest + e.power;
}

INLINE Vector exp_less_one(Vector x) {
    Exponential e = exponential(x);
    return e.power * e.rest + (e.power - 1.f);
}

// log(x) of a normal number above 0, by the polynomial of Cephes.
INLINE Vector log_of(Vector x) {
    Integers i = bits(x), exponent = (i - 0x3f3504f3) >> 23;
    Vector m = bits(i - (exponent << 23)) - 1.f, n = __builtin_convertvector(exponent, Vector), square = m * m;
    Vector p = m * 7.0376836292e-2f - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    Vector rest = p * m * square - n * 2.12194440e-4f - square * .5f;
    Vector found = m + rest + n * 0.693359375f;
    return x == x ? found : x;
}

// log(1 + x) for x from 0 to 1; what is lost of a small x in the sum is added again.
INLINE Vector log_of_one_and(Vector x) {
    Vector sum = x + 1.f;
    return log_of(sum) + (x - (sum - 1.f)) / sum;
}

INLINE Vector sigmoid_of(Vector x) {
    Vector e = exp_of(-magnitude(x)), inverse = 1.f / (e + 1.f);
    return x < 0.f ? e * inverse : inverse;
}

// tanh(x) = (1 - e) / (1 + e) with e = exp(-2 |x|); by the polynomial of Cephes where that would lose digits.
INLINE Vector tanh_of(Vector x) {
    Vector size = magnitude(x), square = x * x, e = exp_of(size * -2.f);
    Vector p = square * -5.70498872745e-3f + 2.06390887954e-2f;
    p = p * square - 5.37397155531e-2f;
    p = p * square + 1.33314422036e-1f;
    p = p * square - 3.33332819422e-1f;
    return size < 0.625f ? p * square * x + x : with_sign_of(x, (1.f - e) / (1.f + e));
}

// The error function to 1.5e-7. The polynomials are least-squares fits at the nodes of Chebyshev: of erf(x) / x in x^2 for
// x below 1, and of log(1 - erf(x)) in x from 0.9 to 4.
INLINE Vector erf_of(Vector x) {
    Vector size = magnitude(x), square = x * x, most = at_most(all(4.f), size);
    Vector low = square * 7.88249711e-5f - 8.01885499e-4f;
    low = low * square + 5.18931194e-3f;
    low = low * square - 2.68543288e-2f;
    low = low * square + 1.12835975e-1f;
    low = low * square - 3.76126269e-1f;
    low = low * square + 1.12837917f;
    Vector high = most * 1.98549158e-4f - 3.06806499e-3f;
    high = high * most + 2.23231983e-2f;
    high = high * most - 1.04126183e-1f;
    high = high * most - 6.36965766e-1f;
    high = high * most - 1.12780141f;
    high = high * most - 1.65832331e-4f;
    return size < 1.f ? low * x : with_sign_of(x, -exp_less_one(high));
}
