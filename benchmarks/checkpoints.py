"""What a checkpoint costs: seconds to write it, and its share of training at the default interval.

python -m benchmarks.checkpoints
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch

from benchmarks.cells import CELLS, data_of, seeds_of
from survey.networks.cores import make_trainer
from survey.trials.checkpoint import Checkpoint, CheckpointPace

_NUM_RUNS = 5
_EPOCHS = 1500


def main() -> None:
    """Print a line for each cell of five runs, half way through 3000 epochs."""
    torch.set_num_threads(1)
    print(f"{'':32}{'MB':>8}{'seconds':>10}{'share':>10}")
    for cell in CELLS:
        inputs, targets = (torch.tensor(each) for each in data_of(cell))
        trainer = make_trainer(
            cell.experiment,
            inputs=inputs,
            targets=targets,
            task_kind="classification",
            widths=cell.widths,
            seeds=seeds_of(cell, _NUM_RUNS),
        )
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = Checkpoint(Path(folder) / "c", cell.experiment, range(_NUM_RUNS), data_digest="")
            began = time.perf_counter()
            checkpoint.save({"trainer": trainer.state_dict(), "curves": torch.zeros(20, _NUM_RUNS, _EPOCHS)})
            seconds = time.perf_counter() - began
            size = checkpoint.file.stat().st_size
        print(
            f"{cell.name:32}{size / 1e6:>8.1f}{seconds:>10.3f}{seconds / (CheckpointPace().every_s + seconds):>10.3%}"
        )


if __name__ == "__main__":
    main()
