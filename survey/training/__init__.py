"""The training core: all repetitions of an experiment trained as one array, in pure PyTorch.

Read `loop` first, then `batches`, `network`, `outputs`, `statistics`, `optimizers` and `streams`; `products` and
`graphs` are about speed alone.
"""

from survey.training.graphs import side_stream
from survey.training.loop import Trainer
from survey.training.network import ACTIVATIONS
from survey.training.optimizers import OPTIMIZERS

__all__ = ["ACTIVATIONS", "OPTIMIZERS", "Trainer", "side_stream"]
