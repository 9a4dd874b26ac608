"""Where the published relation between size and minimizing epoch puts the least loss of a setting, task by task."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.advice.surveyed import Surveyed


def fitted_epochs(data: Surveyed, settings: npt.NDArray[np.bool_], parameters: int) -> npt.NDArray[np.float64]:
    """Predict the minimizing epoch of a network from the relation fitted to each task.

    Source: `analysis.fits`, after Tripp et al., "The BUTTER Zone" (2022), equation 1. The relation is fitted to the
    epochs that were surveyed; a minimum in their last 3 % may not be one, and is left out, as in the publication.

    Args:
        data: All that was surveyed, whatever the budget.
        settings: Which settings are alike but for their size, (S,).
        parameters: Number of trainable parameters.

    Returns:
        Epochs, (T,); NaN where a task has fewer than two sizes to fit, and infinite where no minimum is foreseen.
    """
    from analysis.fits.fits import fit_minimizing_epoch, landmarks  # not above: they take long to import

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
