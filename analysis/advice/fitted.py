"""The epoch of the least loss of a setting on each task, by the published relation to size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.advice.surveyed import Surveyed


def fitted_epochs(data: Surveyed, settings: npt.NDArray[np.bool_], parameters: int) -> npt.NDArray[np.float64]:
    """Predict the minimizing epoch of a network from the relation fitted to each task.

    Source: `analysis.fits`, after Tripp et al., "The BUTTER Zone" (2022), equation 1. As in the publication, minima in
    the last 3 % of the surveyed epochs are left out: the loss may still have been falling.

    Args:
        data: The survey, regardless of the budget.
        settings: Mask of settings that differ only in size, (S,).
        parameters: Number of trainable parameters.

    Returns:
        Epochs, (T,); NaN where a task has fewer than two sizes to fit, infinite where the fit has no minimum.
    """
    from analysis.fits.fits import fit_minimizing_epoch, landmarks  # not above: slow to import

    sizes = data.settings["size"].to_numpy(float)[settings]
    predicted = np.full(len(data.tasks), np.nan)
    for number, losses in enumerate(data.losses[:, settings]):
        known = np.logical_or.reduce(np.isfinite(losses), axis=1)
        if known.sum() > 1:
            found = landmarks(np.where(np.isfinite(losses[known]), losses[known], np.nan), epochs=data.epochs)
            minimizing = found["minimizing_epoch"].to_numpy(float)
            relation = fit_minimizing_epoch(sizes[known], minimizing, limit=0.97 * float(data.epochs[-1]))
            predicted[number] = float(relation.predict(parameters))
    return predicted
