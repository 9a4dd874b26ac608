// Activations of hidden layers: act(z), and act'(z) times a gradient.
//
// What the gradient is computed from, `kept`, is act(z), or z where `keeps_output` is false.

struct Relu {
    static constexpr bool keeps_output = true;
    static INLINE Vector of(Vector z) { return at_least(Vector{}, z); }
    static INLINE Vector gradient(Vector g, Vector h) { return h > 0.f ? g : Vector{}; }
};

struct Tanh {
    static constexpr bool keeps_output = true;
    static INLINE Vector of(Vector z) { return tanh_of(z); }
    static INLINE Vector gradient(Vector g, Vector h) { return g * (1.f - h * h); }
};

struct Sigmoid {
    static constexpr bool keeps_output = true;
    static INLINE Vector of(Vector z) { return sigmoid_of(z); }
    static INLINE Vector gradient(Vector g, Vector h) { return g * (1.f - h) * h; }
};

struct Elu {
    static constexpr bool keeps_output = true;
    static INLINE Vector of(Vector z) { return z > 0.f ? z : exp_less_one(at_most(Vector{}, z)); }
    static INLINE Vector gradient(Vector g, Vector h) { return h > 0.f ? g : g * (h + 1.f); }
};

struct Gelu {
    static constexpr bool keeps_output = false;
    static INLINE Vector distribution(Vector z) { return erf_of(z * 0.70710678f) * 0.5f + 0.5f; }
    static INLINE Vector of(Vector z) { return z * distribution(z); }
    static INLINE Vector gradient(Vector g, Vector z) {
        Vector density = exp_of(z * z * -0.5f) * 0.39894228f;
        return g * (distribution(z) + z * density);
    }
};

struct Swish {
    static constexpr bool keeps_output = false;
    static INLINE Vector of(Vector z) { return z * sigmoid_of(z); }
    static INLINE Vector gradient(Vector g, Vector z) {
        Vector s = sigmoid_of(z);
        return g * s * (z * (1.f - s) + 1.f);
    }
};
