// The kernel of the block core, as torch compiles it on a machine with a GPU: for one activation, and for parts of a
// minibatch of 32 ROWS_PER_LANE rows. Both are defined on the command line.

typedef int int32_t;

#ifdef __CUDACC_RTC__
extern __shared__ __align__(16) float shared[];
#endif

#include "pass.h"
#include "scalars.h"
#include "activations.h"
#include "heads.h"
#include "updates.h"

typedef ACTIVATION Activation;

#include "products.h"
#include "training.h"

extern "C" __global__ void __launch_bounds__(512) train(const Pass* pass) { pass_of_run(*pass); }
