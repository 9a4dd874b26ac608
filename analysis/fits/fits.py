"""Fits of the published relations to a panel, their uncertainty from repetitions, and predictions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.fits.landmarks import FOR_EPOCH, LANDMARKS, landmarks, needed_epochs
from analysis.fits.relations import (
    LIMIT,
    DescentSlope,
    MinimizingEpoch,
    MinimumLoss,
    fit_descent_slope,
    fit_descent_slopes,
    fit_minimizing_epoch,
    fit_minimizing_epochs,
    fit_minimum_loss,
    fit_minimum_losses,
)
from survey.errors import InputError
from survey.workloads.metrics import quantiles

__all__ = [
    "FOR_EPOCH",
    "LANDMARKS",
    "Bootstrap",
    "DescentSlope",
    "Fits",
    "MinimizingEpoch",
    "MinimumLoss",
    "bootstrap",
    "fit",
    "fit_descent_slope",
    "fit_minimizing_epoch",
    "fit_minimum_loss",
    "landmarks",
    "predict",
]


@dataclass(frozen=True, slots=True)
class Fits:
    """The three fits of a panel, whose experiments differ only in size. NaN where there are too few points."""

    minimizing_epoch: MinimizingEpoch
    minimum_loss: MinimumLoss
    descent_slope: DescentSlope


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Fits of a panel, and of resamples of its repetitions.

    Attributes:
        fits: Fits to the medians over the repetitions.
        landmarks: Landmarks of these medians, a row per experiment by increasing number of parameters.
        samples: Fits to the medians over repetitions drawn with replacement.
        landmark_samples: Landmarks of those medians, float64 (resamples, experiments, 3); the last axis is `LANDMARKS`.
    """

    fits: Fits
    landmarks: pd.DataFrame
    samples: tuple[Fits, ...]
    landmark_samples: npt.NDArray[np.float64]

    def parameters(self, level: float = 0.9) -> pd.DataFrame:
        """Return the parameters of the fits: relation, parameter, estimate, low and high (percentile interval)."""
        rows = []
        for relation in LANDMARKS:
            estimate = getattr(self.fits, relation)
            drawn = np.array([getattr(sample, relation) for sample in self.samples])
            low, high = _interval(drawn, level)
            rows += list(zip([relation] * len(estimate), estimate._fields, estimate, low, high, strict=True))
        return pd.DataFrame(rows, columns=["relation", "parameter", "estimate", "low", "high"])


def fit(found: pd.DataFrame, *, limit: float | None = None, relations: Collection[str] = LANDMARKS) -> Fits:
    """Fit the three relations to the landmarks of a panel.

    Args:
        found: Landmarks, a row per experiment, with `num_free_parameters`. Of several with the same number, the one
            whose `size` is nearest to it counts, as in the publication.
        limit: Epoch from which minimizing epochs are not fitted; by default 2900 of 3000, in proportion to the greatest
            `epochs` if the frame has this column.
        relations: Landmarks whose relations are fitted; the parameters of the others are NaN.

    Raises:
        InputError: A column is missing.
    """
    missing = [name for name in ("num_free_parameters", *LANDMARKS) if name not in found.columns]
    if missing:
        raise InputError(f"the frame lacks {', '.join(missing)}; pass what analysis.fits.landmarks returns")
    points = _one_per_size(found)
    marks = points[list(LANDMARKS)].to_numpy(np.float64)[None]
    return _fits(points, marks, relations, limit)[0]


def bootstrap(
    repetitions: pd.DataFrame,
    *,
    seed: int,
    resamples: int = 200,
    statistic: str = "val_loss",
    relations: Collection[str] = LANDMARKS,
) -> Bootstrap:
    """Fit a panel, and fit it again to medians over repetitions drawn with replacement.

    Where all draws are paired (see docs/comparing.md), repetitions are drawn for all experiments together, because
    those with the same number have the same split.

    Args:
        repetitions: Rows of `all_repetitions` of the experiments of one panel: experiment_id, num_free_parameters, the
            statistic and, optionally, size, dataset, epochs, and draws with repetition.
        seed: Seed of the draws.
        resamples: Number of resamples.
        statistic: The curve of a repetition.
        relations: Landmarks whose relations are fitted to the resamples; the others are NaN there. Fits take time.

    Raises:
        InputError: A column is missing, there are no rows, or the repetitions of an experiment differ in length.
    """
    missing = [name for name in ("experiment_id", "num_free_parameters", statistic) if name not in repetitions.columns]
    if missing or repetitions.empty:
        raise InputError(
            f"the frame lacks {', '.join(missing) or 'rows'}; pass rows of all_repetitions with experiment_id, "
            f"num_free_parameters and {statistic}"
        )
    if "repetition" in repetitions:
        repetitions = repetitions.sort_values("repetition", kind="stable", ignore_index=True)
    experiments = _one_per_size(repetitions.drop_duplicates("experiment_id")).drop(columns=statistic)
    rows = repetitions.groupby("experiment_id").indices
    runs_of = repetitions[statistic].tolist()
    losses = [_stacked([runs_of[row] for row in rows[number]], number) for number in experiments["experiment_id"]]
    are_paired = _are_paired(repetitions, [np.asarray(rows[number]) for number in experiments["experiment_id"]])
    name = str(experiments["dataset"].iloc[0]) if "dataset" in experiments.columns else None
    all_runs = [np.arange(len(runs))[None] for runs in losses]
    drawn_runs = _drawn([len(runs) for runs in losses], resamples, np.random.default_rng(seed), are_paired)
    estimate, drawn = (_landmarks(losses, chosen, name) for chosen in (all_runs, drawn_runs))
    return Bootstrap(
        fits=_fits(experiments, estimate)[0],
        landmarks=experiments.assign(**dict(zip(LANDMARKS, estimate[0].T, strict=True))),
        samples=tuple(_fits(experiments, drawn, relations)),
        landmark_samples=drawn,
    )


def predict(
    fitted: Fits | Bootstrap, sizes: npt.ArrayLike, *, epochs: int | None = None, level: float = 0.9
) -> pd.DataFrame:
    """Predict the landmarks of networks of other sizes, or trained for other numbers of epochs.

    Args:
        fitted: What `fit` or `bootstrap` returned.
        sizes: Numbers of trainable parameters (n,).
        epochs: Length of the runs, in epochs. If the minimum would come later, the loss is least at the last epoch.
        level: Share of the resampled fits in the intervals of a `Bootstrap`. They show how far other repetitions would
            move the fit, not how well the relation holds.

    Returns:
        Columns num_free_parameters, minimizing_epoch (at most `epochs`), minimum_loss (of unlimited training) and
        descent_slope; with `epochs`, also `reached`, whether the minimum comes within them; and for a `Bootstrap`
        NAME_low and NAME_high of each landmark.
    """
    at = np.atleast_1d(np.asarray(sizes, dtype=np.float64))
    points = fitted.fits if isinstance(fitted, Bootstrap) else fitted
    longest = np.inf if epochs is None else float(epochs)
    predicted: dict[str, npt.ArrayLike] = {"num_free_parameters": at}
    for field in fields(Fits):
        cap = longest if field.name == "minimizing_epoch" else np.inf
        predicted[field.name] = np.minimum(getattr(points, field.name).predict(at), cap)
        if isinstance(fitted, Bootstrap):
            drawn = [getattr(sample, field.name).predict(at) for sample in fitted.samples]
            low, high = _interval(np.array(drawn), level)
            predicted |= {f"{field.name}_low": np.minimum(low, cap), f"{field.name}_high": np.minimum(high, cap)}
    if epochs is not None:
        predicted["reached"] = points.minimizing_epoch.predict(at) <= epochs
    return pd.DataFrame(predicted)


def _one_per_size(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort by number of parameters; of experiments with the same, keep the one whose size is nearest."""
    parameters = frame["num_free_parameters"].astype(np.int64)
    missed = (parameters - frame["size"].astype(np.int64)).abs() if "size" in frame.columns else parameters * 0
    order = np.lexsort([missed, parameters])
    return frame.iloc[order].drop_duplicates("num_free_parameters").reset_index(drop=True)


def _stacked(column: Sequence[npt.ArrayLike], number: object) -> npt.NDArray[np.float32]:
    curves = [np.asarray(values, dtype=np.float32) for values in column]
    if len({len(curve) for curve in curves}) > 1:
        raise InputError(f"experiment {number}: its repetitions differ in their number of epochs")
    return np.stack(curves)


def _are_paired(repetitions: pd.DataFrame, experiments: Sequence[npt.NDArray[np.intp]]) -> bool:
    """Whether the experiments, given by their rows, have the same repetitions, of paired draws."""
    if not {"draws", "repetition"} <= set(repetitions.columns) or not (repetitions["draws"] == "paired").all():
        return False
    numbers = repetitions["repetition"].to_numpy()
    return len({tuple(numbers[rows]) for rows in experiments}) == 1


def _drawn(
    counts: Sequence[int], resamples: int, rng: np.random.Generator, are_paired: bool
) -> list[npt.NDArray[np.int64]]:
    """Draw repetitions with replacement, of each experiment or, if they are paired, of all together.

    Returns:
        For each experiment, of so many repetitions, the drawn ones, (resamples, repetitions).
    """
    own = counts[:1] if are_paired else counts
    draws = [[rng.integers(count, size=count) for count in own] for _ in range(resamples)]
    drawn = [np.array([draw[place] for draw in draws], int).reshape(-1, count) for place, count in enumerate(own)]
    return drawn * len(counts) if are_paired else drawn


def _landmarks(
    losses: Sequence[npt.NDArray[np.float32]], drawn: Sequence[npt.NDArray[np.int64]], dataset: str | None
) -> npt.NDArray[np.float64]:
    """Landmarks of medians over drawn runs, (k, experiments, 3).

    Args:
        losses: Of each experiment, (runs, epochs).
        drawn: Of each experiment, which runs are drawn, (k, runs).
        dataset: Name of the task.
    """
    marks = []
    for runs, chosen in zip(losses, drawn, strict=True):
        epochs = needed_epochs(runs.shape[1])
        medians = quantiles(runs[:, epochs - 1][chosen.T], [0.5])[0]
        marks.append(landmarks(medians, epochs=epochs, dataset=dataset).to_numpy())
    return np.stack(marks, axis=1)


def _fits(
    experiments: pd.DataFrame,
    marks: npt.NDArray[np.float64],
    relations: Collection[str] = LANDMARKS,
    limit: float | None = None,
) -> list[Fits]:
    """Fit the relations to k samples of landmarks (k, experiments, 3); see `fit`."""
    if limit is None:
        lengths = experiments["epochs"].to_numpy(np.float64) if "epochs" in experiments.columns else np.empty(0)
        limit = LIMIT / 3000 * float(lengths.max(initial=0.0)) if len(lengths) else LIMIT
    sizes = experiments["num_free_parameters"].to_numpy(np.float64)
    epochs, losses, slopes = np.moveaxis(marks, 2, 0)
    nothing = np.full_like(epochs, np.nan)
    fitted = (
        fit_minimizing_epochs(sizes, epochs if "minimizing_epoch" in relations else nothing, limit=limit),
        fit_minimum_losses(sizes, losses if "minimum_loss" in relations else nothing),
        fit_descent_slopes(sizes, epochs if "descent_slope" in relations else nothing, slopes),
    )
    return [Fits(*each) for each in zip(*fitted, strict=True)]


def _interval(drawn: npt.NDArray[np.float64], level: float) -> npt.NDArray[np.float64]:
    """Percentile interval over the first axis, (2, ...), without NaN; of observed values, as some may be infinite."""
    known = np.where(np.isnan(drawn), np.inf, drawn)
    count = (~np.isnan(drawn)).sum(axis=0)
    ordered = np.sort(known, axis=0)
    bounds = []
    for part in ((1 - level) / 2, (1 + level) / 2):
        place = np.rint(part * (count - 1)).astype(np.int64).clip(0)
        value = np.take_along_axis(ordered, place[None], axis=0)[0]
        bounds.append(np.where(count > 0, value, np.nan))
    return np.array(bounds)
