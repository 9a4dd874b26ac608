"""Landmarks, fits and their bootstrap at the size of a large survey: `python -m benchmarks.landmarks [EXPERIMENTS]`.

Prints seconds of processor time, which other work on the machine changes least, and the peak of the memory.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
import pandas as pd

from analysis.fits.fits import bootstrap, fit, landmarks

EPOCHS, SIZES, REPETITIONS = 3000, 20, 30


def main() -> None:
    """Make curves of panels of 20 sizes, and time each step."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    frame = pd.DataFrame({"num_free_parameters": np.tile(2 ** np.arange(5, 5 + SIZES), count // SIZES)})
    frame["panel"] = np.arange(len(frame)) // SIZES
    frame["test_loss_median"] = list(_curves(len(frame)))

    began = time.process_time()
    found = landmarks(frame)
    print(f"landmarks of {len(found):,} experiments of {EPOCHS} epochs: {time.process_time() - began:.1f} s")

    began = time.process_time()
    fitted = [fit(panel) for _, panel in found.groupby("panel")]
    print(f"three fits of each of {len(fitted):,} panels of {SIZES} sizes: {time.process_time() - began:.1f} s")

    runs = pd.DataFrame({"num_free_parameters": np.repeat(2 ** np.arange(5, 5 + SIZES), REPETITIONS)})
    runs["experiment_id"] = runs["num_free_parameters"]
    runs["val_loss"] = list(_curves(len(runs)))
    began = time.process_time()
    bootstrap(runs, seed=0, resamples=200)
    print(f"bootstrap of one panel, {REPETITIONS} repetitions, 200 resamples: {time.process_time() - began:.1f} s")
    print(f"peak of the memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")


def _curves(count: int) -> np.ndarray:
    """Noisy bowls in the logarithms: float32 (count, EPOCHS)."""
    rng = np.random.default_rng(0)
    at = np.log10(np.arange(1, EPOCHS + 1, dtype=np.float32))
    curves = np.empty((count, EPOCHS), dtype=np.float32)
    for row in curves:
        row[:] = 10 ** (0.3 * (at - rng.uniform(0.5, 3.6)) ** 2 + rng.normal(0, 0.01, EPOCHS).astype(np.float32))
    return curves


if __name__ == "__main__":
    main()
