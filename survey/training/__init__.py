"""The training core: all repetitions of an experiment trained as one array, in pure PyTorch.

Read `loop` first, then `batches`, `network`, `outputs`, `statistics`, `optimizers` and `streams`; `products` and
`graphs` are about speed alone. `bundle` trains what the memory does not hold at once. Nothing here knows Ray, MLflow,
pandas or Arrow.
"""

__all__ = ["bundle", "graphs", "loop", "streams"]
