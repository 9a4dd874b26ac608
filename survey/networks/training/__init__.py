"""The training core: all repetitions of an experiment trained as one array, in pure PyTorch.

Read `loop` first, then `batches`, `network`, `outputs`, `statistics`, `optimizers` and `streams`; `products` and
`graphs` are about speed only. `bundle` trains runs that do not fit into memory at once. Nothing here imports Ray,
MLflow, pandas or Arrow.
"""

__all__ = ["bundle", "graphs", "loop", "streams"]
