"""Landmarks of learning curves and the published relations: against the publication, and against known answers."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.interpolate import interp1d
from scipy.optimize import curve_fit
from scipy.signal import savgol_filter

from analysis import curves
from analysis.figures import generalization
from analysis.figures.fit_table import fit_rows, panel_fits, without_fit
from analysis.fits.certainty import LEVEL, TOO_FEW, UNDETERMINED, doubts_of_fits, doubts_of_samples
from analysis.fits.fits import (
    LANDMARKS,
    DescentSlope,
    Fits,
    MinimizingEpoch,
    MinimumLoss,
    bootstrap,
    fit,
    fit_descent_slope,
    fit_minimizing_epoch,
    fit_minimum_loss,
    landmarks,
    predict,
)
from analysis.fits.landmarks import needed_epochs, smooth
from survey.errors import InputError

EPOCHS = np.arange(1, 3001)
SIZES = 2.0 ** np.arange(5, 25)

# Minimizing epochs of mnist, rectangle, depth 3, by number of parameters, and the m and b that were fitted to them: as
# printed in paper_analysis_figures.ipynb of the publication's code.
PUBLISHED_EPOCHS = {
    807: 781.2141485949535,
    2407: 2999.999999999998,
    4015: 1962.331514669683,
    8070: 370.9283236572732,
    16330: 230.0131061432789,
    32575: 134.49550723144273,
    65335: 82.95670797963527,
    131050: 58.94471428500837,
    261510: 38.45356099924526,
    523882: 27.39613820350058,
    1049407: 22.909085153396774,
    2097610: 16.496744136196366,
    4193002: 11.352159212739933,
    8391382: 10.877463711780514,
    16774831: 10.20237770596298,
}
PUBLISHED_FIT = (0.10727955, -0.28927895)


def noisy(count: int, epochs: np.ndarray = EPOCHS, seed: int = 0) -> np.ndarray:
    """Curves that fall to a minimum and rise again, with noise."""
    rng = np.random.default_rng(seed)
    place, width = rng.uniform(0.2, 3.6, (count, 1)), rng.uniform(0.1, 0.6, (count, 1))
    return 10 ** (width * (np.log10(epochs) - place) ** 2 - 1 + rng.normal(0, 0.01, (count, len(epochs))))


def by_the_notebook(loss: np.ndarray, window: int, order: int) -> tuple[float, float, float]:
    """Landmarks of one curve, step by step as the published notebook goes, smoothed epochs included."""
    last = len(loss)
    grid = np.linspace(0, np.log10(last), 3000)
    resampled = interp1d(np.log10(np.arange(1, last + 1)), np.log10(loss), fill_value="extrapolate")(grid)
    x, y = savgol_filter((grid, resampled), window, order)
    least = int(np.argmin(y))
    above = [k for k in range(least) if 10 ** y[k] / 10 ** y[least] > 1.1]
    slope = (10 ** y[above[-1]] - 10 ** y[least]) / (10 ** x[above[-1]] - 10 ** x[least]) if above else 0.0
    return float(10 ** x[least]), float(10 ** y[least]), float(slope)


# Landmarks


@pytest.mark.parametrize("last", [300, 3000, 30_000])
def test_landmarks_are_those_of_the_notebook(last: int) -> None:
    losses = noisy(20, np.arange(1, last + 1))
    expected = [by_the_notebook(loss, 101, 1) for loss in losses]
    np.testing.assert_allclose(landmarks(losses).to_numpy(), expected, rtol=1e-6, atol=1e-12)


def test_pollen_is_smoothed_otherwise_but_for_its_loss() -> None:
    losses = noisy(10)
    wide, usual = ([by_the_notebook(loss, *how) for loss in losses] for how in ((901, 2), (101, 1)))
    expected = [(epoch, loss, slope) for (epoch, _, slope), (_, loss, _) in zip(wide, usual, strict=True)]
    found = landmarks(losses, dataset="529_pollen").to_numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)
    assert not np.allclose(found, landmarks(losses))
    frame = pd.DataFrame({"dataset": ["mnist", "529_pollen"] * 5, "test_loss_median": list(losses)})
    mixed = landmarks(frame)
    assert list(mixed.columns) == ["dataset", *LANDMARKS]
    np.testing.assert_allclose(mixed[list(LANDMARKS)][1::2], found[1::2], rtol=1e-5)
    np.testing.assert_allclose(mixed[list(LANDMARKS)][::2], landmarks(losses)[::2], rtol=1e-5)


@given(power=st.floats(0.05, 2), factor=st.floats(1e-3, 1e3), last=st.sampled_from([40, 300, 3000]))
@settings(max_examples=30)
def test_a_power_law_is_left_as_it_is(power: float, factor: float, last: int) -> None:
    """A straight line in logarithms is not changed by resampling or smoothing, so its landmarks are known."""
    loss = factor * np.arange(1, last + 1.0) ** -power
    epoch, least, slope = landmarks(loss[None]).to_numpy()[0]
    grid = np.linspace(0, np.log10(last), 3000)
    above = 10 ** grid[power * (np.log10(last) - grid) > np.log10(1.1) + 1e-9]
    assume(len(above))
    assert epoch == pytest.approx(last)
    assert least == pytest.approx(loss[-1])
    assert slope == pytest.approx(factor * (above[-1] ** -power - last**-power) / (above[-1] - last), rel=1e-6)


@given(place=st.floats(0.5, 3.2), width=st.floats(0.2, 1.0), low=st.floats(1e-3, 10))
@settings(max_examples=30)
def test_the_minimum_of_a_bowl(place: float, width: float, low: float) -> None:
    loss = low * 10 ** (width * (np.log10(EPOCHS) - place) ** 2)
    epoch, least, slope = landmarks(loss[None]).to_numpy()[0]
    # Early epochs are few and joined by lines, so that the minimum falls on one of them.
    assert epoch == pytest.approx(10**place, rel=0.05, abs=0.6)
    assert least == pytest.approx(low, rel=0.01)
    assert slope < 0


def test_a_flat_curve_has_no_slope() -> None:
    found = landmarks(np.full((1, 100), 0.5))
    assert found["minimum_loss"].item() == pytest.approx(0.5)
    assert found["descent_slope"].item() == 0.0


def test_what_cannot_be_used_is_left_out() -> None:
    losses = noisy(6)
    losses[1, 500:510] = np.nan
    losses[2, 100:] = np.inf
    losses[3, :] = np.nan
    losses[4, 20] = 0.0
    losses[5, 1:] = -1.0
    found = landmarks(losses)
    assert found.loc[3].isna().all()
    assert tuple(found.loc[2]) == pytest.approx(by_the_notebook(losses[2, :100], 101, 1), rel=1e-6)
    assert tuple(found.loc[5]) == pytest.approx((1.0, losses[5, 0], 0.0))
    filled = losses[[1, 4]].copy()
    for row, gap in enumerate((np.arange(500, 510), [20])):
        known = np.delete(np.arange(3000), gap)
        filled[row, gap] = 10 ** np.interp(np.log10(EPOCHS[gap]), np.log10(EPOCHS[known]), np.log10(filled[row, known]))
    np.testing.assert_allclose(found.loc[[1, 4]], landmarks(filled), rtol=1e-6)


def test_a_frame_of_curves_gives_what_its_array_gives() -> None:
    losses = noisy(5, EPOCHS[:400]).astype(np.float32)
    ragged = [losses[0], losses[1], losses[2][:100], None, losses[4]]
    frame = pd.DataFrame({"experiment_id": [7, 3, 9, 1, 2], "size": range(5), "test_loss_median": ragged})
    found = landmarks(frame)
    assert list(found.columns) == ["experiment_id", "size", *LANDMARKS]
    np.testing.assert_allclose(found[list(LANDMARKS)].iloc[[0, 1, 4]], landmarks(losses[[0, 1, 4]]))
    np.testing.assert_allclose(found[list(LANDMARKS)].iloc[[2]], landmarks(losses[[2], :100]))
    assert found[list(LANDMARKS)].iloc[3].isna().all()
    long = landmarks(curves(frame))
    pd.testing.assert_frame_equal(long, found.drop(3).reset_index(drop=True))
    thinned = landmarks(curves(frame, log_spaced=300))
    np.testing.assert_allclose(thinned["minimum_loss"], long["minimum_loss"], rtol=0.05)
    assert landmarks(frame[:0]).empty


def test_epochs_that_landmarks_need() -> None:
    for last in (1, 2, 60, 3000):
        epochs = needed_epochs(last)
        losses = noisy(4, np.arange(1, last + 1))
        pd.testing.assert_frame_equal(landmarks(losses[:, epochs - 1], epochs=epochs), landmarks(losses))
    assert len(epochs) < 2200


def test_smoothed_curves_lie_on_log_spaced_epochs() -> None:
    epochs, smoothed = smooth(np.ones((2, 50)), range(1, 51))
    assert (epochs[0], epochs[-1], smoothed.shape) == (1.0, pytest.approx(50), (2, 3000))
    np.testing.assert_allclose(smoothed, 1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((np.ones(5),), r"shape \(5,\); expected \(experiments, epochs\)"),
        ((np.ones((2, 3)), [1, 2]), "2 epochs for 3 columns"),
        ((np.ones((2, 2)), [2, 1]), "increasing from 1"),
        ((pd.DataFrame({"size": [1]}),), "lacks test_loss_median"),
        ((pd.DataFrame({"epoch": [1], "test_loss_median": [1.0]}),), "lacks experiment_id"),
    ],
)
def test_landmarks_say_what_is_wrong(given: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        landmarks(given[0], epochs=given[1] if len(given) > 1 else None)


# Relations


def test_the_published_fit_of_the_minimizing_epoch() -> None:
    found = fit_minimizing_epoch(list(PUBLISHED_EPOCHS), list(PUBLISHED_EPOCHS.values()))
    assert found == pytest.approx(PUBLISHED_FIT, abs=5e-9)
    shuffled = np.random.default_rng(0).permutation(len(PUBLISHED_EPOCHS))
    sizes, epochs = (np.array(list(values))[shuffled] for values in (PUBLISHED_EPOCHS, PUBLISHED_EPOCHS.values()))
    assert fit_minimizing_epoch(sizes, epochs) == pytest.approx(found)


@given(m=st.floats(0.03, 0.2), largest=st.floats(2, 500))
@settings(max_examples=50)
def test_the_fit_of_the_minimizing_epoch_is_exact(m: float, largest: float) -> None:
    b = largest ** (-1 / 3) - m * np.log10(SIZES[-1])
    truth = MinimizingEpoch(m, b)
    epochs = truth.predict(SIZES)
    assume((epochs < 2900).sum() >= 3)
    # What is not to count: minima not reached, a smaller size faster than the next one, larger and slower sizes.
    seen = np.where(epochs < 2900, epochs, 3000.0)
    sizes = np.r_[SIZES, 10, 2.0**26]
    seen = np.r_[seen, 1.5 * largest if seen[0] > 1.5 * largest else seen[0] * 0.999, 2 * largest]
    assert fit_minimizing_epoch(sizes, seen) == pytest.approx(truth, rel=1e-6)


def test_minima_not_reached_are_infinite() -> None:
    assert list(MinimizingEpoch(0.1, -0.3).predict([10, 999, 1e5])) == [np.inf, np.inf, pytest.approx(125)]


loss_truths = st.builds(
    MinimumLoss, c=st.floats(0.1, 5), p=st.floats(0.3, 4), s0=st.floats(0, 1.3), f=st.floats(-3, 0.5)
)


@given(truth=loss_truths)
@settings(max_examples=25)
def test_the_fit_of_the_minimum_loss_finds_the_curve(truth: MinimumLoss) -> None:
    losses = truth.predict(SIZES)
    found = fit_minimum_loss(SIZES, losses)
    # Close to each other, c, p and s0 can stand in for each other: the curve is what is known.
    between = np.geomspace(SIZES[0], SIZES[-1], 50)
    np.testing.assert_allclose(np.log10(found.predict(between)), np.log10(truth.predict(between)), atol=2e-3)
    assert min(found[:3]) >= 0
    if np.ptp(np.log10(losses)) > 0.5 and truth.p < 2:
        assert found == pytest.approx(truth, rel=0.02, abs=0.02)


@given(truth=loss_truths, seed=st.integers(0, 1000))
@settings(max_examples=12)
def test_the_fit_of_the_minimum_loss_is_no_worse_than_the_published_solver(truth: MinimumLoss, seed: int) -> None:
    x = np.log10(SIZES)
    y = np.log10(truth.predict(SIZES)) + np.random.default_rng(seed).normal(0, 0.01, len(SIZES))

    def relation(x: np.ndarray, c: float, p: float, s0: float, f: float) -> np.ndarray:
        return c * (x - s0) ** -p + f

    bounds = ([0, 0, 0, -np.inf], [np.inf, np.inf, 0.9999 * x[0], np.inf])
    try:
        published, _ = curve_fit(relation, x, y, p0=[5, 0.5, 0, 0], bounds=bounds)
    except (RuntimeError, ValueError):  # it does not converge, or steps to where its relation is infinite
        assume(False)
    squares = [float(((relation(x, *one) - y) ** 2).sum()) for one in (fit_minimum_loss(SIZES, 10**y), published)]
    assert squares[0] <= squares[1] * (1 + 1e-4) + 1e-12


def test_losses_that_do_not_fall_are_fitted_by_a_constant() -> None:
    found = fit_minimum_loss(SIZES, np.geomspace(0.1, 0.2, len(SIZES)))
    np.testing.assert_allclose(found.predict(SIZES), np.sqrt(0.1 * 0.2))


@given(l=st.floats(1e-8, 1.0), s1=st.floats(-2, 8), a0=st.floats(-1, 1e-3))
@settings(max_examples=50)
def test_the_fit_of_the_descent_slope_is_exact(l: float, s1: float, a0: float) -> None:  # noqa: E741
    truth = DescentSlope(l, s1, a0)
    epochs = MinimizingEpoch(0.1, -0.25).predict(SIZES[8:])
    slopes = truth.predict(SIZES[8:])
    assume((slopes != 0).all())
    # Zero slopes do not count, nor do larger sizes than that of the least epoch; those above 2900 epochs do.
    slopes = np.r_[0.0, slopes, 12345.0]
    epochs = np.r_[epochs[0] + 2000, epochs, epochs[-1] + 1]
    found = fit_descent_slope(np.r_[SIZES[7:], 2.0**26], epochs, slopes)
    np.testing.assert_allclose(found.predict(SIZES[8:]), truth.predict(SIZES[8:]), rtol=1e-5, atol=1e-9)
    if l * (3 + abs(s1)) ** 2 > 1e-4 * (abs(a0) + 1):
        assert found.l == pytest.approx(l, rel=1e-3)


def test_slopes_that_bend_the_other_way() -> None:
    x = np.log10(SIZES)
    found = fit_descent_slope(SIZES, np.arange(100, 80, -1), -1 + (x - 4) ** 2 / 10)
    assert found == (0, 0, pytest.approx(np.mean(-1 + (x - 4) ** 2 / 10)))


def test_too_few_points_are_no_fit() -> None:
    assert np.isnan(fit_minimizing_epoch([10, 20], [50, 60])).all()
    assert np.isnan(fit_minimizing_epoch([], [])).all()
    assert np.isnan(fit_minimum_loss([10, 20, 30, 40], [1, 2, np.nan, 3])).all()
    assert np.isnan(fit_descent_slope([10, 20, 30], [9, 8, 7], [0, -1, -2])).all()


@pytest.mark.parametrize(
    ("sizes", "epochs", "message"),
    [([1, 2], [1], "one value for each size"), ([1, 1], [2, 1], "occurs twice"), ([0, 1], [2, 1], "not positive")],
)
def test_fits_say_what_is_wrong(sizes: list, epochs: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_minimizing_epoch(sizes, epochs)


# Panels, repetitions, predictions

TRUTH = Fits(MinimizingEpoch(0.1, -0.2), MinimumLoss(2.0, 1.5, 0.5, -1.0), DescentSlope(1e-4, 2.0, -1e-5))
PARAMETERS = 2 ** np.arange(10, 18)


def repetitions(count: int, spread: float, *, epochs: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Rows of all_repetitions whose median curves have the minima of TRUTH."""
    rng = np.random.default_rng(seed)
    at = np.log10(np.arange(1, epochs + 1))
    rows = []
    for number, size in enumerate(PARAMETERS):
        place, low = np.log10(TRUTH.minimizing_epoch.predict(size)), TRUTH.minimum_loss.predict(size)
        for _ in range(count):
            bowl = 0.3 * (at - place - spread * rng.standard_normal()) ** 2 + spread * rng.standard_normal() / 10
            rows.append((100 + number, size, size, epochs, (low * 10**bowl).astype(np.float32)))
    return pd.DataFrame(rows, columns=["experiment_id", "size", "num_free_parameters", "epochs", "val_loss"])


def test_a_panel_is_fitted() -> None:
    frame = repetitions(1, 0.0)
    fitted = fit(landmarks(frame, statistic="val_loss"))
    sizes = np.geomspace(PARAMETERS[0], PARAMETERS[-1], 20)
    for name in ("minimizing_epoch", "minimum_loss"):
        predicted, known = (getattr(fits, name).predict(sizes) for fits in (fitted, TRUTH))
        np.testing.assert_allclose(predicted, known, rtol=0.02)
    assert fitted.descent_slope.l > 0


def test_of_networks_with_as_many_parameters_the_nearest_to_its_size_counts() -> None:
    found = landmarks(repetitions(1, 0.0), statistic="val_loss")
    other = found.assign(size=found["size"] * 3, minimizing_epoch=1.0, minimum_loss=1.0)
    assert fit(pd.concat([other, found])) == fit(found)


def test_the_limit_goes_with_the_epochs() -> None:
    found = landmarks(repetitions(1, 0.0, epochs=300), statistic="val_loss")
    assert found["minimizing_epoch"].iloc[0] == pytest.approx(300)
    assert fit(found) != fit(found, limit=2900)
    assert fit(found) == fit(found, limit=290)
    assert fit(found).minimizing_epoch == pytest.approx(TRUTH.minimizing_epoch, rel=0.05)


@pytest.mark.scale
def test_uncertainty_comes_from_the_repetitions() -> None:
    drawn, steady = (bootstrap(repetitions(10, spread), seed=1, resamples=40) for spread in (0.05, 0.005))
    assert drawn.landmark_samples.shape == (40, len(PARAMETERS), 3)
    assert list(drawn.landmarks["num_free_parameters"]) == list(PARAMETERS)
    told = drawn.parameters().set_index(["relation", "parameter"])
    assert list(told.index.get_level_values(1)) == ["m", "b", "c", "p", "s0", "f", "l", "s1", "a0"]
    assert (told["low"] <= told["high"]).all()
    wide, narrow = (predict(each, [1e4, 1e6]) for each in (drawn, steady))
    widths = [np.log(f["minimizing_epoch_high"] / f["minimizing_epoch_low"]) for f in (wide, narrow)]
    assert (widths[0] > 3 * widths[1]).all()
    assert widths[0][1] > widths[0][0], "less is known of sizes beyond those surveyed"
    once, again = (bootstrap(repetitions(3, 0.05), seed=1, resamples=3) for _ in range(2))
    assert once.samples == again.samples
    same = bootstrap(repetitions(5, 0.0), seed=0, resamples=5)
    assert same.samples == (same.fits,) * 5


@pytest.mark.scale
def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Nine in ten at 90 %: of 16, fewer than ten would hardly be chance."""
    known = TRUTH.minimizing_epoch.predict(PARAMETERS[[2, 5]])
    held = []
    for seed in range(8):
        told = predict(bootstrap(repetitions(15, 0.05, seed=seed), seed=0, resamples=40), PARAMETERS[[2, 5]])
        held += list((told["minimizing_epoch_low"] <= known) & (known <= told["minimizing_epoch_high"]))
    assert np.mean(held) > 0.6


def reasons(count: int, spread: float, **panel: int) -> dict[str, str]:
    drawn = bootstrap(repetitions(count, spread, **panel), seed=1, resamples=40)
    return {**doubts_of_fits(drawn.fits), **doubts_of_samples(drawn, drawn.parameters(LEVEL))}


def test_a_fit_is_shown_where_the_repetitions_agree_on_it() -> None:
    """The formula of the minimum loss has parameters that stand in for each other, as docs/analysis.md says."""
    assert reasons(10, 0.02) == {"minimum_loss": UNDETERMINED}


def test_fits_are_listed_with_intervals_or_a_reason() -> None:
    truth, runs = (repetitions(*each).assign(shape="rectangle", depth=3) for each in ((1, 0.0), (10, 0.02)))
    frame = truth.rename(columns={"val_loss": "test_loss_median"})
    fitted = panel_fits(frame, runs)
    assert list(without_fit(fitted)) == [("minimum_loss", UNDETERMINED, ["rectangle, depth 3"])]
    rows = fit_rows(fitted)
    assert [row.symbol for row in rows] == ["m", "b", "l", "s₁", "a₀"]
    assert all(row.low <= row.value <= row.high for row in rows)
    drawn = [line.get_gid() for axes in generalization(frame, fitted).axes for line in axes.lines]
    assert drawn == ["points", "fit"] * 3
    lines = [axes.lines[1].get_ydata() for axes in generalization(frame, fitted).axes]
    assert [bool(np.isfinite(line).any()) for line in lines] == [True, False, True]


def test_a_panel_without_runs_has_fits_without_intervals() -> None:
    truth, runs = (repetitions(*each).assign(shape="rectangle", depth=3) for each in ((1, 0.0), (2, 0.02)))
    frame = truth.rename(columns={"val_loss": "test_loss_median"})
    (fitted,) = panel_fits(frame, runs[:0])
    assert fit_rows([fitted]) == []
    assert fitted.fits == panel_fits(frame)[0].fits
    assert not np.isnan(fitted.fits.minimizing_epoch).any()


def test_no_fit_is_shown_where_the_repetitions_disagree() -> None:
    assert set(reasons(5, 0.3)) >= {"minimum_loss", "descent_slope"}


def test_no_curve_goes_through_as_few_points_as_it_has_parameters() -> None:
    sizes, epochs = [100, 1000, 10000, 100000, 1000000], np.array([400.0, 200.0, 100.0, 60.0, 40.0])
    losses, slopes = epochs / 100, -1 / epochs
    for count, fitted in ((2, ()), (3, ("m",)), (4, ("m", "l")), (5, ("m", "l", "c"))):
        made = Fits(
            fit_minimizing_epoch(sizes[:count], epochs[:count]),
            fit_minimum_loss(sizes[:count], losses[:count]),
            fit_descent_slope(sizes[:count], epochs[:count], slopes[:count]),
        )
        known = {
            name for each in astuple(made) for name, value in zip(each._fields, each, strict=True) if value == value
        }
        assert {"m", "l", "c"} & known == set(fitted)
        too_few = [relation for relation, reason in doubts_of_fits(made).items() if reason == TOO_FEW]
        assert len(too_few) == 3 - len(fitted)


def test_paired_repetitions_are_drawn_together() -> None:
    """All experiments have the luck of a repetition in common: their ratios are the same in each resample."""
    frame = repetitions(1, 0.0, epochs=50)
    runs = pd.concat(
        frame.assign(repetition=number, draws="paired", val_loss=[curve * (1 + number) for curve in frame["val_loss"]])
        for number in range(5)
    )
    for draws, is_together in (("paired", True), ("independent", False)):
        drawn = bootstrap(runs.assign(draws=draws), seed=0, resamples=10)
        losses = drawn.landmark_samples[:, :, 1]
        ratios = losses / losses[:, :1]
        assert np.allclose(ratios, ratios[0], rtol=1e-4) == is_together


def test_predictions_for_other_lengths() -> None:
    told = predict(TRUTH, [2**10, 2**20], epochs=300)
    assert list(told["minimizing_epoch"]) == [300, pytest.approx(TRUTH.minimizing_epoch.predict(2**20))]
    assert list(told["reached"]) == [False, True]
    assert "reached" not in predict(TRUTH, 1e5)
    assert list(predict(TRUTH, 10)["minimizing_epoch"]) == [np.inf]


def test_a_bootstrap_says_what_is_wrong() -> None:
    frame = repetitions(2, 0.0)
    with pytest.raises(InputError, match="lacks val_loss"):
        bootstrap(frame.drop(columns="val_loss"), seed=0)
    with pytest.raises(InputError, match="lacks rows"):
        bootstrap(frame[:0], seed=0)
    frame.at[0, "val_loss"] = np.ones(3, np.float32)
    with pytest.raises(InputError, match="experiment 100: its repetitions differ"):
        bootstrap(frame, seed=0)
    with pytest.raises(InputError, match="lacks num_free_parameters, minimizing_epoch"):
        fit(pd.DataFrame())
