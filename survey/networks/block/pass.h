// What Python hands over, see `passes.py`, which has the same structures.

constexpr int MOST_LAYERS = 64;

enum HeadName { SOFTMAX, BINARY, REGRESSION };
enum OptimizerName { ADAM, RMSPROP, SGD };

// A layer. Places in shared memory are in floats from its start; arrays there are features first, [features][STRIDE].
struct Layer {
    int inputs, outputs;
    int columns;  // of its weights, [outputs][columns]: the inputs, the bias, and zeros up to a multiple of 4
    int weights;  // place of its weights in the buffers of a run
    int x;        // place of its inputs, [columns]: with a line of ones for the bias, and zeros
    int out;      // place of its outputs: the inputs of the next layer, or the logits
    int kept;     // place of what the gradient of its activation is computed from: its outputs, or its products
    int slices;   // parts of the rows whose gradients are summed apart, so that all threads have some
    int more;     // place of the gradients of all slices but the first, in the gradients of a run
};

// A pass over a set of rows of all runs, one run to a block: rows are trained on, or evaluated.
struct Pass {
    int num_layers, batch_size, head, optimizer;
    int size;          // floats of a run's buffers: weights and biases of all layers
    int num_gradients; // floats of a run's gradients: as many, and those of more slices
    int gradients;     // place of the gradients; -1 if they are in device memory
    int floats;        // of shared memory
    int targets, scratch, numbers, totals;  // places, see `layout.py`
    float momentum, l1, l2;
    Layer layers[MOST_LAYERS];

    long long count;           // rows of each run
    const float* inputs;       // [rows of the task, inputs]
    const long long* rows;     // [runs, count], rows of the task
    const void* targets_of_rows;  // [runs, count] classes, int, or [runs, count, outputs], float
    const long long* order;    // [runs, count], in which they are visited; null for as they are
    float *parameters, *first_moment, *second_moment;  // [runs, size]; null for what the optimizer lacks
    float* gradients_of_runs;  // [runs, num_gradients], where shared memory has no room for them
    const float* rates;        // [steps], step sizes; null where rows are evaluated
    const float* decays;       // [steps], what part of each parameter is lost
    double* sums;              // [runs, 11]: over the rows, see `survey.networks.training.statistics`; and of penalties
};
