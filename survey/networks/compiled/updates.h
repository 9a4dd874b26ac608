// Updates of a run's parameters, as `survey.networks.training.optimizers` defines them: one pass over its buffers.
//
// Each has `count` floats, whole vectors; zeros beyond the parameters stay zeros.

struct Update {
    int optimizer;
    float rate;      // the step size: learning rate, its schedule, and Adam's correction for bias
    float decay;     // what part of each parameter it loses before
    float momentum;  // of RMSprop and SGD
};

// Parameters with their moments; those that an optimizer lacks are not read or written.
struct Parameters {
    Vector w, m, v;
};

struct Adam {
    static constexpr bool has_m = true, has_v = true;
    static INLINE void apply(Parameters& p, Vector gradient, Update u) {
        p.m = p.m * 0.9f + gradient * (float)(1 - 0.9);
        p.v = p.v * 0.999f + gradient * gradient * (float)(1 - 0.999);
        p.w -= p.w * u.decay;
        p.w -= p.m * u.rate / (square_root(p.v) + 1e-7f);
    }
};

template <bool MOMENTUM>
struct RmsProp {
    static constexpr bool has_m = MOMENTUM, has_v = true;
    static INLINE void apply(Parameters& p, Vector gradient, Update u) {
        p.v = p.v * 0.9f + gradient * gradient * (float)(1 - 0.9);
        if (MOMENTUM) {
            p.m = p.m * u.momentum + gradient * u.rate / square_root(p.v + 1e-7f);
            p.w -= p.m;
        } else {
            p.w -= gradient * u.rate / (square_root(p.v) + 1e-7f);
        }
    }
};

template <bool MOMENTUM>
struct Sgd {
    static constexpr bool has_m = MOMENTUM, has_v = false;
    static INLINE void apply(Parameters& p, Vector gradient, Update u) {
        Vector step = gradient * -u.rate;
        if (MOMENTUM) p.m = step += p.m * u.momentum;
        p.w += step;
    }
};

template <class Optimizer>
static void update_by(float* w, const float* g, float* m, float* v, size_t count, Update u) {
    size_t step = (size_t)index_step();
    for (size_t first = (size_t)first_index(); first < count; first += AT_ONCE * step) {
        Parameters p[AT_ONCE];
        Vector gradient[AT_ONCE];
        for (int k = 0; k < AT_ONCE; k++) {
            size_t i = first + (size_t)k * step;
            bool is_one = i < count;
            gradient[k] = is_one ? load(g + i) : Vector{};
            p[k].w = is_one ? load(w + i) : Vector{};
            p[k].m = is_one && Optimizer::has_m ? load(m + i) : Vector{};
            p[k].v = is_one && Optimizer::has_v ? load(v + i) : Vector{};
        }
        for (int k = 0; k < AT_ONCE; k++) {
            size_t i = first + (size_t)k * step;
            if (i < count) {
                Optimizer::apply(p[k], gradient[k], u);
                store(w + i, p[k].w);
                if (Optimizer::has_m) store(m + i, p[k].m);
                if (Optimizer::has_v) store(v + i, p[k].v);
            }
        }
    }
}

static void update(float* w, const float* g, float* m, float* v, size_t count, Update u) {
    switch (u.optimizer) {
        case ADAM: return update_by<Adam>(w, g, m, v, count, u);
        case RMSPROP:
            if (m) return update_by<RmsProp<true>>(w, g, m, v, count, u);
            return update_by<RmsProp<false>>(w, g, m, v, count, u);
        case SGD:
            if (m) return update_by<Sgd<true>>(w, g, m, v, count, u);
            return update_by<Sgd<false>>(w, g, m, v, count, u);
    }
}
