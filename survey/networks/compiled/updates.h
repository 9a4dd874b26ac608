// Updates of a run's parameters, as `survey.networks.training.optimizers` defines them: one pass over its buffers.
//
// Each has `count` floats, whole vectors; zeros beyond the parameters stay zeros.

struct Update {
    int optimizer;
    float rate;      // the step size: learning rate, its schedule, and Adam's correction for bias
    float decay;     // what part of each parameter it loses before
    float momentum;  // of RMSprop and SGD
};

static void adam(float* w, const float* g, float* m, float* v, size_t count, Update u) {
    for (size_t i = 0; i < count; i += LANES) {
        Vector gradient = load(g + i), weight = load(w + i);
        Vector first = load(m + i) * 0.9f + gradient * (float)(1 - 0.9);
        Vector second = load(v + i) * 0.999f + gradient * gradient * (float)(1 - 0.999);
        store(m + i, first);
        store(v + i, second);
        weight -= weight * u.decay;
        store(w + i, weight - first * u.rate / (square_root(second) + 1e-7f));
    }
}

static void rmsprop(float* w, const float* g, float* m, float* v, size_t count, Update u) {
    for (size_t i = 0; i < count; i += LANES) {
        Vector gradient = load(g + i);
        Vector second = load(v + i) * 0.9f + gradient * gradient * (float)(1 - 0.9);
        store(v + i, second);
        if (m) {
            Vector first = load(m + i) * u.momentum + gradient * u.rate / square_root(second + 1e-7f);
            store(m + i, first);
            store(w + i, load(w + i) - first);
        } else {
            store(w + i, load(w + i) - gradient * u.rate / (square_root(second) + 1e-7f));
        }
    }
}

static void sgd(float* w, const float* g, float* m, size_t count, Update u) {
    for (size_t i = 0; i < count; i += LANES) {
        Vector step = load(g + i) * -u.rate;
        if (m) {
            step += load(m + i) * u.momentum;
            store(m + i, step);
        }
        store(w + i, load(w + i) + step);
    }
}

static void update(float* w, const float* g, float* m, float* v, size_t count, Update u) {
    switch (u.optimizer) {
        case ADAM: return adam(w, g, m, v, count, u);
        case RMSPROP: return rmsprop(w, g, m, v, count, u);
        case SGD: return sgd(w, g, m, count, u);
    }
}

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
