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
    for (size_t i = first_index(); i < count; i += index_step()) {
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
    for (size_t i = first_index(); i < count; i += index_step()) {
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
    for (size_t i = first_index(); i < count; i += index_step()) {
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
