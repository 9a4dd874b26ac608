// All of the core, for the instructions that the including unit has chosen by LANES and NAME.

namespace {
#include "vectors.h"
#include "activations.h"
#include "products.h"
#include "heads.h"
#include "penalties.h"
#include "updates.h"
#include "training.h"
}  // namespace

#define EXPORTED extern "C" __attribute__((visibility("default")))

// Floats of memory that `pass` needs, which must be zeros at first, and at a multiple of 64 bytes.
EXPORTED int64_t NAME(memory)(const Experiment* e) {
    size_t to_train = Workspace(*e, e->batch_size, nullptr).size;
    size_t to_evaluate = Workspace(*e, e->evaluation_rows, nullptr).size;
    return (int64_t)(to_train > to_evaluate ? to_train : to_evaluate);
}

// Train or evaluate, see `each_run`; `sums`, [runs, 10], and `penalty_sums`, [runs], are added to.
EXPORTED void NAME(pass)(const Experiment* e, const Rows* rows, const States* states, const Updates* updates,
                         float* memory, double* sums, double* penalty_sums) {
    FlushedToZero here;
    pass(*e, *rows, *states, updates, memory, sums, penalty_sums);
}
