// What this library was built from, and which of its units this processor can execute.

#include "interface.h"

#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED int32_t interface_version() { return INTERFACE_VERSION; }

#if defined(__x86_64__)
EXPORTED int32_t supports_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
EXPORTED int32_t supports_avx512() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && supports_avx2();
}
#elif defined(__aarch64__)
EXPORTED int32_t supports_neon() { return 1; }
#endif
