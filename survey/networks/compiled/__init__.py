"""The compiled core, for small networks on a CPU: all of an epoch of a run in one call.

In C++: read `training.h` first, then `products.h`, `activations.h`, `heads.h`, `penalties.h`, `updates.h` and
`vectors.h`; `avx2.cpp`, `avx512.cpp` and `neon.cpp` compile them for one instruction set each. `library` finds what was
built, `trainer` calls it. What it computes is defined by `survey.networks.training`, which draws and divides for it.
"""

__all__ = ["library", "trainer"]
