// What is done to all gradients of a run before an update: clipping, and the gradients of penalties.

// Scale gradients to a norm of `limit` where theirs is greater, as `survey.networks.training.clipping` does.
static void clip(float* g, size_t count, float limit) {
    double squares = 0;
    for (size_t first = 0; first < count; first += 1024) {  // float32 for so many, float64 for the rest
        Vector part = {};
        for (size_t i = first; i < count && i < first + 1024; i += LANES) part += load(g + i) * load(g + i);
        squares += (double)sum_of_lanes(part);
    }
    double scale = (double)limit / (__builtin_sqrt(squares) + 1e-6);
    if (scale >= 1) return;
    for (size_t i = 0; i < count; i += LANES) store(g + i, load(g + i) * (float)scale);
}

// The penalty of a layer's kernel, [outputs][inputs + 1] with the bias last; its gradient is added to `g` unless null.
static double penalty(const float* w, float* g, int outputs, int inputs, float l1, float l2) {
    double norm = 0;
    for (int j = 0; j < outputs; j++) {
        float sum = 0;
        for (int i = 0; i < inputs; i++) {
            size_t place = (size_t)j * (size_t)(inputs + 1) + (size_t)i;
            float x = w[place];
            sum += l1 != 0.f ? __builtin_fabsf(x) : x * x;
            if (g) g[place] += l1 != 0.f ? (x > 0.f ? l1 : x < 0.f ? -l1 : 0.f) : 2.f * l2 * x;
        }
        norm += (double)sum;
    }
    return norm * (double)(l1 != 0.f ? l1 : l2);
}
