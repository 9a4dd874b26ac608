"""The block core, for small networks on a GPU: a block of threads trains a run for a whole epoch in one kernel.

`layout` says whether a network fits into a multiprocessor, `trainer` trains; the kernel is `kernel.cu`, of which read
`training.h` first, then `products.h` and `pass.h`. Heads, activations and updates are those of the compiled core, whose
vectors are single numbers here, by `scalars.h`. It is compiled where it is used: `cuda`. What it computes is defined by
`survey.networks.training`, which draws and divides for it.
"""

__all__ = ["cuda", "layout", "passes", "trainer"]
