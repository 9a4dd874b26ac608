// Output layers with their losses: for each minibatch the gradient that the backward pass starts from, and the sums over
// its rows that `survey.networks.training.statistics` turns into the ten statistics. The definitions stand there.
//
// All arrays are [outputs][stride], rows side by side. Rows from `valid` on are padding: their gradient is zero.

constexpr int SUMS = 10;
constexpr float EPSILON = 1e-7f, LOG_EPSILON = -16.118095651f;
constexpr float LOWEST = -3.4028235e38f;  // below all outputs and targets

// Sums over the rows of one minibatch, which are added to those of the epoch.
struct RowSums {
    Vector sums[SUMS] = {};
    Integers counts;  // of the rows at hand: -1 where a row is not padding

    INLINE void begin(int first, int valid) { counts = lane_numbers() < all_integers(valid - first); }
    INLINE void add(int number, Vector x) { sums[number] += only_where(counts, x); }
    INLINE void end(double* totals) const {
        for (int k = 0; k < SUMS; k++) totals[k] += (double)sum_of_lanes(sums[k]);
    }
};

INLINE Vector one_where(Integers condition) { return only_where(condition, all(1.f)); }

// The rows at hand: a minibatch, or a part of one.
struct HeadRows {
    int outputs, stride;
    int rows;          // padding included
    int valid;         // without it
    int of_minibatch;  // rows of the whole minibatch, over which the loss is averaged
    bool train;        // whether the gradient is wanted
};

// Softmax with cross-entropy. `z` holds the logits, and the gradient afterwards if they train; `scratch` has a vector
// for each class. The sums: log p of the label, the same clipped, correct, p of the label, |p - y|^2, cosine similarity,
// (log (1 + p) / 2)^2 of the label, log((1 + p) / (1 + epsilon))^2 of the other classes, log p of all, clipped.
static void softmax(float* z, const int32_t* labels, HeadRows head, float* scratch, double* totals) {
    RowSums sums;
    int classes = head.outputs, stride = head.stride;
    Vector share = all(1.f / (float)head.of_minibatch);
    for (int r = first_index(); r < head.rows; r += index_step()) {
        sums.begin(r, head.valid);
        Vector most = load(z + r), total = {};
        for (int c = 1; c < classes; c++) most = at_least(most, load(z + (size_t)c * stride + r));
        for (int c = 0; c < classes; c++) {
            Vector power = exp_of(load(z + (size_t)c * stride + r) - most);
            store(in_scratch(scratch, c, r, stride), power);
            total += power;
        }
        Vector log_total = most + log_of(total), inverse = 1.f / total;
        Integers label = load(labels + r);
        Vector log_p_label = {}, p_label = {}, errors_squared = {}, p_squared = {}, others = {}, clipped = {};
        Vector before = all(-1.f), after = all(-1.f);  // the greatest p of classes before and after the label
        for (int c = 0; c < classes; c++) {
            Integers is_label = label == c;
            Vector p = load(in_scratch(scratch, c, r, stride)) * inverse, log_p = load(z + (size_t)c * stride + r) - log_total;
            Vector error = p - one_where(is_label);
            log_p_label = is_label ? log_p : log_p_label;
            p_label = is_label ? p : p_label;
            before = ((label > c) & (p > before)) ? p : before;
            after = ((label < c) & (p > after)) ? p : after;
            errors_squared += error * error;
            p_squared += p * p;
            Vector logarithm = log_of((at_least(all(EPSILON), error) + 1.f) * (1.f / (1.f + EPSILON)));
            others += logarithm * logarithm;
            clipped += at_least(all(LOG_EPSILON), log_p);
            if (head.train) store(z + (size_t)c * stride + r, only_where(sums.counts, error * share));
        }
        // Of equal ones the first counts; where nothing is a number, the first of all.
        Integers correct = (p_label > before) & (p_label >= after);
        correct = total == total ? correct : label == 0;
        Vector label_logarithm = log_of(at_least(all(EPSILON), p_label) + 1.f) - 0.69314718f;
        sums.add(0, log_p_label);
        sums.add(1, at_least(all(LOG_EPSILON), log_p_label));
        sums.add(2, one_where(correct));
        sums.add(3, p_label);
        sums.add(4, errors_squared);
        sums.add(5, p_label / square_root(p_squared));
        sums.add(6, label_logarithm * label_logarithm);
        sums.add(7, others);
        sums.add(8, clipped);
    }
    sums.end(totals);
}

// Whether all targets of a minibatch are 0 or 1: then the hinge reads them as -1 and 1.
static bool are_binary(const float* y, HeadRows head) {
    for (int j = 0; j < head.outputs; j++)
        for (int r = 0; r < head.valid; r++) {
            float target = y[(size_t)j * head.stride + r];
            if (target != 0.f && target != 1.f) return false;
        }
    return true;
}

// 1 / x of the length of a vector of outputs, at most 1 / epsilon, as Keras normalizes.
INLINE Vector inverse_length(Vector squared) { return at_most(all(1.f / EPSILON), 1.f / square_root(squared)); }

// Sigmoid outputs. `z` holds the logits, and the gradient afterwards if they train; `binary` says whether all targets of
// the minibatch are 0 or 1. Their loss is the squared error of a regression, or the cross-entropy of one output that says
// which of two classes. The sums are in the order of the statistics, with the squared error in place of its root.
template <bool IS_REGRESSION>
static void sigmoid_outputs(float* z, const float* y, HeadRows head, bool binary, double* totals) {
    RowSums sums;
    int outputs = head.outputs, stride = head.stride;
    Vector each = all(1.f / (float)outputs);
    Vector share = all((IS_REGRESSION ? 2.f : 1.f) / ((float)head.of_minibatch * (float)outputs));
    for (int r = first_index(); r < head.rows; r += index_step()) {
        sums.begin(r, head.valid);
        Vector p_squared = {}, y_squared = {}, product = {};
        Vector best_p = all(LOWEST), best_y = best_p;
        Integers argmax_p = {}, argmax_y = {};
        for (int j = 0; j < outputs; j++) {
            float* place = z + (size_t)j * stride + r;
            Vector logit = load(place), p = sigmoid_of(logit), target = load(y + (size_t)j * stride + r);
            Vector error = p - target, squared = error * error;
            if (IS_REGRESSION) {
                sums.add(0, squared * each);
            } else {
                Vector tail = log_of_one_and(exp_of(-magnitude(logit)));
                sums.add(0, at_least(Vector{}, logit) - logit * target + tail);
            }
            sums.add(2, squared * each);
            sums.add(3, magnitude(error) * each);
            Vector logarithm = log_of(at_least(all(EPSILON), p) + 1.f) - log_of(at_least(all(EPSILON), target) + 1.f);
            sums.add(5, logarithm * logarithm * each);
            Vector margin = at_least(Vector{}, 1.f - (binary ? target * 2.f - 1.f : target) * p);
            sums.add(6, margin * each);
            sums.add(7, margin * margin * each);
            Vector clipped_p = at_most(all(1.f), at_least(all(EPSILON), p));
            Vector clipped_y = at_most(all(1.f), at_least(all(EPSILON), target));
            sums.add(9, clipped_y * log_of(clipped_y / clipped_p));
            p_squared += p * p;
            y_squared += target * target;
            product += p * target;
            // The first of the greatest; what is not a number is greater than all.
            Integers is_better = ~(p <= best_p) & (best_p == best_p);
            best_p = is_better ? p : best_p;
            argmax_p = is_better ? all_integers(j) : argmax_p;
            is_better = target > best_y;
            best_y = is_better ? target : best_y;
            argmax_y = is_better ? all_integers(j) : argmax_y;
            Vector gradient = error * share;
            if (IS_REGRESSION) gradient *= p * (1.f - p);
            if (head.train) store(place, only_where(sums.counts, gradient));
        }
        Integers correct = argmax_p == argmax_y;
        if (outputs == 1) correct = best_y == one_where(best_p > 0.5f);
        sums.add(1, one_where(correct));
        Vector cosine = product * inverse_length(p_squared) * inverse_length(y_squared);
        sums.add(8, y_squared > 0.f ? cosine : Vector{});
    }
    sums.end(totals);
    totals[4] = totals[2];
}
