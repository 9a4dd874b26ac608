// What `../compiled/vectors.h` is on a CPU, for one thread of a GPU: its vectors are single numbers, and it takes one of
// every `blockDim.x` elements. So heads, activations and updates are the same code on both.

typedef float Vector;
typedef int Integers;

#define INLINE inline

INLINE Vector load(const float* from) { return *from; }
INLINE Integers load(const int* from) { return *from; }
INLINE void store(float* to, Vector x) { *to = x; }
INLINE Vector all(float x) { return x; }
INLINE Integers all_integers(int x) { return x; }
INLINE Integers lane_numbers() { return 0; }
INLINE float sum_of_lanes(Vector x) { return x; }

INLINE int first_index() { return (int)threadIdx.x; }
INLINE int index_step() { return (int)blockDim.x; }
constexpr int AT_ONCE = 4;  // numbers that a thread asks memory for before it waits for the first
INLINE float* in_scratch(float* scratch, int c, int r, int stride) { return scratch + c * stride + r; }

INLINE Vector only_where(Integers condition, Vector x) { return condition ? x : 0.f; }
INLINE Vector at_least(Vector least, Vector x) { return least > x ? least : x; }
INLINE Vector at_most(Vector most, Vector x) { return most < x ? most : x; }
INLINE Vector magnitude(Vector x) { return fabsf(x); }
INLINE Vector square_root(Vector x) { return sqrtf(x); }
INLINE Vector exp_of(Vector x) { return expf(x); }
INLINE Vector exp_less_one(Vector x) { return expm1f(x); }
INLINE Vector log_of(Vector x) { return logf(x); }
INLINE Vector log_of_one_and(Vector x) { return log1pf(x); }
INLINE Vector tanh_of(Vector x) { return tanhf(x); }
INLINE Vector erf_of(Vector x) { return erff(x); }
INLINE Vector sigmoid_of(Vector x) { return 1.f / (1.f + expf(-x)); }
