// The kernel of the block core on a CPU: its source, with what CUDA gives it. A block's threads are fibers, which run one
// after the other up to each barrier, from the first or from the last; with -DTHREADS they are threads of the system.

#include <stdint.h>

#include <cmath>
#include <vector>

#define __global__
#define __launch_bounds__(threads)
#define __align__(bytes)

struct Index {
    unsigned x;
};

static float* shared;
static Index blockDim;

#ifdef THREADS

#include <atomic>
#include <barrier>
#include <thread>

static thread_local Index threadIdx, blockIdx;
static std::barrier<>* meeting;
static std::atomic<int> votes_against;

static void __syncthreads() { meeting->arrive_and_wait(); }
static int __syncthreads_and(int vote) {
    if (threadIdx.x == 0) votes_against = 0;
    __syncthreads();
    votes_against += !vote;
    __syncthreads();
    int found = votes_against == 0;
    __syncthreads();
    return found;
}

#else

#include <setjmp.h>
#include <ucontext.h>

static Index threadIdx, blockIdx;
static std::vector<jmp_buf> places;  // where each fiber goes on
static jmp_buf scheduler;
static int all_so_far, all_voted;

// Fibers are begun by `swapcontext`, and go on by jumps, which take no call of the system.
static void __syncthreads() {
    if (!_setjmp(places[threadIdx.x])) _longjmp(scheduler, 1);
}
static int __syncthreads_and(int vote) {
    all_so_far &= vote != 0;
    __syncthreads();
    return all_voted;
}

#endif

#include "kernel.cu"

static const Pass* current;

#ifdef THREADS

static void run_block(unsigned block, int) {
    std::barrier<> meets((std::ptrdiff_t)blockDim.x);
    meeting = &meets;
    std::vector<std::thread> threads;
    for (unsigned thread = 0; thread < blockDim.x; thread++)
        threads.emplace_back([=] {
            threadIdx.x = thread, blockIdx.x = block;
            train(current);
        });
    for (auto& each : threads) each.join();
}

#else

static std::vector<bool> is_done;

static void fiber() {
    train(current);
    is_done[threadIdx.x] = true;
    _longjmp(scheduler, 1);
}

static void start(ucontext_t* begun, void* stack, size_t bytes) {
    ucontext_t here;
    getcontext(begun);
    begun->uc_stack.ss_sp = stack;
    begun->uc_stack.ss_size = bytes;
    begun->uc_link = &here;
    makecontext(begun, fiber, 0);
    swapcontext(&here, begun);
}

// Let a thread run to its next barrier, or to its end.
static void go_on(ucontext_t* begun, void* stack, size_t bytes) {
    if (_setjmp(scheduler)) return;
    if (stack) start(begun, stack, bytes);
    _longjmp(places[threadIdx.x], 1);
}

static void run_block(unsigned block, int backwards) {
    constexpr size_t STACK = 1 << 16;
    unsigned count = blockDim.x;
    static std::vector<char> stacks;
    stacks.resize(STACK * count);
    std::vector<ucontext_t> begun(count);
    places = std::vector<jmp_buf>(count);
    is_done.assign(count, false);
    blockIdx.x = block;
    for (bool begins = true; !is_done[0]; begins = false) {
        all_so_far = 1;
        for (unsigned k = 0; k < count; k++) {
            threadIdx.x = backwards ? count - 1 - k : k;
            go_on(&begun[threadIdx.x], begins ? &stacks[STACK * threadIdx.x] : nullptr, STACK);
        }
        all_voted = all_so_far;
    }
}

#endif

extern "C" int pass_bytes() { return (int)sizeof(Pass); }

// What the kernel leaves in shared memory is no number, so that nothing counts on what was there before.
extern "C" void launch(int blocks, int threads, const Pass* pass, int backwards) {
    std::vector<float> memory((size_t)pass->floats + 4);
    current = pass;
    blockDim.x = (unsigned)threads;
    shared = (float*)(((uintptr_t)memory.data() + 15) / 16 * 16);
    for (int block = 0; block < blocks; block++) {
        for (int k = 0; k < pass->floats; k++) shared[k] = NAN;
        run_block((unsigned)block, backwards);
    }
}
