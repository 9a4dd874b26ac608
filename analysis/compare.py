"""Comparing two data sets: do the same experiments reach the same losses?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from survey.errors import InputError
from survey.networks.columns import NEW_AXES

MATCHED = (
    "dataset",
    "shape",
    "depth",
    "size",
    "epochs",
    "learning_rate",
    "batch_size",
    "optimizer",
    "momentum",
    *NEW_AXES,
    "label_noise",
    "activation",
    "validation_split",
    "train_fraction",
    "kernel_regularizer.type",
    "kernel_regularizer.l1",
    "kernel_regularizer.l2",
)
"""Hyperparameters of networks by which experiments are matched, as far as both have them: their ids can differ."""

LOSSES = ("final", "minimum")
"""Test losses of a run: at its last epoch, and the least over its epochs."""

_Array = npt.NDArray[np.float64]
Correction = Literal["holm", "benjamini-hochberg"]


def compare(
    a: pd.DataFrame,
    b: pd.DataFrame,
    *,
    by: Sequence[str] | None = None,
    correction: Correction = "holm",
    statistic: str = "val_loss",
) -> pd.DataFrame:
    """Test, for each experiment in both data sets, whether the losses of its runs differ.

    The test is the two-sided Mann-Whitney test on the final and on the minimum test losses of the runs; a loss that is
    not finite ranks last. The p-values are corrected together for all experiments and both losses.

    Args:
        a: Rows of `all_repetitions` of one data set, with the settings that tell its experiments apart.
        b: The same of the other, such as the published one, or one from before a change.
        by: Columns to match experiments by; by default those of `MATCHED` that both frames have, which have to be
            given for a workload other than networks: its axes. With `["dataset"]` all
            runs of a task are pooled, which makes sense only if both data sets have the same experiments.
        correction: `holm` bounds the probability of any false positive (family-wise error rate);
            `benjamini-hochberg` bounds the expected share of false positives (false discovery rate).
        statistic: The curve of a run, of which less is better.

    Returns:
        A row per experiment in both, in the order of `a`, with the columns `by`, runs_a and runs_b, and for each NAME
        of `LOSSES`: NAME_a and NAME_b, the medians; NAME_superiority, the share of pairs of runs (a, b) in which b has
        the greater loss, ties counting half (0.5 where neither tends to be greater); NAME_p, the p-value; and
        NAME_p_corrected.

    Raises:
        InputError: A column is missing, the frames share no hyperparameter, or the correction is unknown.
    """
    if correction not in ("holm", "benjamini-hochberg"):
        raise InputError(f"correction {correction!r} is unknown; known are holm and benjamini-hochberg")
    names = [name for name in MATCHED if name in a.columns and name in b.columns] if by is None else list(by)
    if by is None and names == ["epochs"]:
        raise InputError(
            "the frames share no hyperparameter of networks but the number of epochs: name those that tell "
            "the experiments apart, such as by=['step', 'drift'], and read them too"
        )
    for frame, which in ((a, "first"), (b, "second")):
        missing = [name for name in (*names, statistic) if name not in frame.columns]
        if missing or not names:
            raise InputError(
                f"the {which} frame lacks {', '.join(missing) or 'hyperparameters that the other has'}; read "
                f"all_repetitions with {statistic} and the hyperparameters"
            )
    runs_a, runs_b = _runs(a, names, statistic), _runs(b, names, statistic)
    shared = [key for key in runs_a if key in runs_b]
    compared = pd.DataFrame([dict(zip(names, key, strict=True)) for key in shared], columns=names)
    compared["runs_a"] = [len(runs_a[key]) for key in shared]
    compared["runs_b"] = [len(runs_b[key]) for key in shared]
    for place, loss in enumerate(LOSSES):
        found = _tested([(runs_a[key][:, place], runs_b[key][:, place]) for key in shared])
        compared = compared.assign(**{f"{loss}_{what}": found[:, number] for number, what in enumerate(_TOLD)})
    return compared.assign(**_corrected(compared, correction))


_TOLD = ("a", "b", "superiority", "p")


def _runs(frame: pd.DataFrame, names: Sequence[str], statistic: str) -> dict[tuple[object, ...], _Array]:
    """Final and minimum losses, (runs, 2), of each experiment; a loss that is not finite is infinite."""
    losses = run_losses(frame[statistic])
    # Comparable across data sets: one type for all numbers, rounded to float32, and None for nulls.
    keys = {name: _comparable(frame[name].tolist()) for name in names}
    groups: dict[tuple[object, ...], list[int]] = {}
    for row, key in enumerate(zip(*keys.values(), strict=True)):
        groups.setdefault(key, []).append(row)
    return {key: losses[rows] for key, rows in groups.items()}


def _comparable(column: Sequence[object]) -> list[object]:
    return [
        None if value is None or value != value else float(np.float32(value)) if isinstance(value, float) else value
        for value in column
    ]


def run_losses(curves: Iterable[object]) -> _Array:
    """Return the final and the minimum loss of runs, (runs, 2), from their curves.

    A final loss that is not finite, and the minimum of a curve that is missing or has no finite loss, are infinite.
    """
    return np.array([_losses(values) for values in curves]).reshape(-1, len(LOSSES))


def _losses(values: object) -> tuple[float, float]:
    curve = np.asarray(values, dtype=np.float64) if isinstance(values, (np.ndarray, list)) else np.empty(0)
    finite = curve[np.isfinite(curve)]
    final = float(curve[-1]) if len(curve) and np.isfinite(curve[-1]) else np.inf
    return final, float(finite.min()) if len(finite) else np.inf


def _tested(pairs: Sequence[tuple[_Array, _Array]]) -> _Array:
    """Medians, superiority and p-value, (pairs, 4), of pairs of losses."""
    from scipy.stats import mannwhitneyu  # not above: slow to import

    found = np.empty((len(pairs), len(_TOLD)))
    # One call for all pairs with equal numbers of runs: 100,000 calls would take minutes. Pairs with ties apart: a
    # single tie keeps the test from its exact form, which suits few runs.
    alike: dict[tuple[int, int, bool], list[int]] = {}
    for number, (one, other) in enumerate(pairs):
        found[number, :2] = _median(one), _median(other)
        ties = len(np.unique(np.concatenate([one, other]))) < len(one) + len(other)
        alike.setdefault((len(one), len(other), ties), []).append(number)
    for (count, other_count, _), numbers in alike.items():
        ones, others = (np.stack([pairs[number][which] for number in numbers]) for which in (0, 1))
        tested = mannwhitneyu(others, ones, axis=1)
        found[numbers, 2] = tested.statistic / (count * other_count)
        found[numbers, 3] = tested.pvalue
    return found


def _median(values: _Array) -> float:
    """The median; infinite if one of the two middle losses is."""
    ordered = np.sort(values)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return float(low if low == high else (low + high) / 2)


def _corrected(compared: pd.DataFrame, correction: Correction) -> dict[str, _Array]:
    from scipy.stats import false_discovery_control  # not above: slow to import

    p = compared[[f"{loss}_p" for loss in LOSSES]].to_numpy(np.float64)
    flat = p.ravel()
    adjusted = (_holm(flat) if correction == "holm" else false_discovery_control(flat)) if flat.size else flat
    shaped = np.asarray(adjusted, dtype=np.float64).reshape(p.shape)
    return {f"{loss}_p_corrected": shaped[:, place] for place, loss in enumerate(LOSSES)}


def _holm(p: _Array) -> _Array:
    """Holm's step-down correction: S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70."""
    order = p.argsort()
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1.0)
    adjusted = np.empty_like(p)
    adjusted[order] = raised
    return adjusted
