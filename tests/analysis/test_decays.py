"""Fits of many samples at once: each is the fit of the sample by itself, and as good as that of general solvers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from analysis.fits.decays import fit_decays
from analysis.fits.relations import (
    fit_descent_slope,
    fit_descent_slopes,
    fit_minimizing_epoch,
    fit_minimizing_epochs,
    fit_minimum_loss,
    fit_minimum_losses,
)

SIZES = 2.0 ** np.arange(8, 18)
X = np.log10(SIZES)


def decays(seed: int, noise: float, count: int = 20) -> np.ndarray:
    """Noisy samples of the relation with random parameters."""
    rng = np.random.default_rng(seed)
    c, p, s0, f = (rng.uniform(low, high, (count, 1)) for low, high in ((0.1, 5), (0.3, 4), (0, 2), (-3, 0.5)))
    return c * (X - s0) ** -p + f + noise * rng.standard_normal((count, len(X)))


def misfit(at: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Residuals with the best c, zero or more, and f for given p and s0."""
    decay = (X - at[1]) ** -at[0]
    centred = decay - decay.mean()
    slope = max(0.0, float(centred @ y)) / (centred @ centred)
    return slope * centred + y.mean() - y


def by_scipy(y: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, float]:
    """p and s0 by the solver of scipy, and their sum of squares; with less p than here, decays lose all digits."""
    bounds = ([1e-7, 0], [np.inf, X[0] * (1 - 1e-6)])
    inside = np.clip(start, 1e-6, [np.inf, X[0] * (1 - 2e-6)])
    solved = least_squares(misfit, inside, bounds=bounds, args=(y,), xtol=1e-12, ftol=1e-12, gtol=1e-12)
    return solved.x, float((solved.fun**2).sum())


def squares(y: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """Sums of the squares of the residuals of some fits."""
    c, p, s0, f = fitted.T[:, :, None]
    return ((c * (X - s0) ** -p + f - y) ** 2).sum(axis=1)


@pytest.mark.parametrize("noise", [0, 1e-3, 1e-2])
def test_fits_are_where_scipy_ends_if_it_begins_anywhere_near(noise: float) -> None:
    y = decays(1, noise)
    fitted = fit_decays(X, y)
    found = [by_scipy(sample, np.array([p, s0]) * 1.1) for sample, (_, p, s0, _) in zip(y, fitted, strict=True)]
    least = np.array([sum_of_squares for _, sum_of_squares in found])
    assert (squares(y, fitted) <= least * (1 + 1e-6) + 1e-15).all()
    is_inside = (fitted[:, 2] > 0.01) & (fitted[:, 1] > 0.01) & (fitted[:, 1] < 10)
    assert is_inside.sum() > 10
    if noise:
        np.testing.assert_allclose(fitted[is_inside, 1:3], np.array([at for at, _ in found])[is_inside], rtol=1e-4)


@given(seed=st.integers(0, 10_000), kind=st.sampled_from(["noise", "line", "steep", "step", "huge", "tiny"]))
@settings(max_examples=30, deadline=None)
def test_no_fit_is_worse_than_that_of_scipy_from_the_same_grid(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((1, len(X)))
    y = {
        "noise": noise,
        "line": noise * 1e-3 - X,
        "steep": noise * 1e-3 + 5 * np.exp(-9 * (X - X[0])),
        "step": noise * 1e-3 + (X < 4),
        "huge": (noise * 0.1 + 1 / X) * 1e30,
        "tiny": (noise * 0.1 + 1 / X) * 1e-30,
    }[kind]
    grid = [np.array([p, s0]) for p in np.geomspace(0.05, 50, 8) for s0 in X[0] * np.array([0, 0.5, 0.9, 0.99])]
    best = min(grid, key=lambda at: (misfit(at, y[0]) ** 2).sum())
    found = squares(y, fit_decays(X, y))[0]
    assert found <= by_scipy(y[0], best)[1] * (1 + 1e-3)


def test_a_constant_and_what_rises_have_no_decay() -> None:
    c, p, s0, f = fit_decays(X, np.array([np.full(len(X), 0.3), X])).T
    assert list(c) == pytest.approx([0, 0], abs=1e-9)
    assert list(f) == pytest.approx([0.3, X.mean()])
    assert (p > 0).all()
    assert (s0 >= 0).all()


def samples(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Minimizing epochs, minimum losses and slopes of samples, of which some lack sizes, or have no points at all."""
    rng = np.random.default_rng(seed)
    shape = (40, len(SIZES))
    epochs = np.exp(rng.normal(0, 0.2, shape) - 0.5 * X) * 1000
    losses = 10 ** decays(seed, 0.01, 40)
    slopes = -rng.uniform(0, 1, shape) * (rng.uniform(size=shape) > 0.1)
    missing = rng.uniform(size=shape) < np.repeat([0, 0, 0.1, 0.5, 0.9], 8)[:, None]
    missing[-1] = True
    epochs[missing] = np.nan
    losses[missing] = rng.choice([np.nan, np.inf, 0, -1], missing.sum())
    return epochs, losses, slopes


def test_samples_are_fitted_as_each_by_itself() -> None:
    """To the bit: the number of samples must not matter."""
    epochs, losses, slopes = samples(3)
    alone = [fit_minimizing_epoch(SIZES, each, limit=200) for each in epochs]
    np.testing.assert_array_equal(fit_minimizing_epochs(SIZES, epochs, limit=200), alone)
    assert 5 < np.isnan(alone).any(axis=1).sum() < 35
    np.testing.assert_array_equal(fit_minimum_losses(SIZES, losses), [fit_minimum_loss(SIZES, each) for each in losses])
    alone = [fit_descent_slope(SIZES, *each) for each in zip(epochs, slopes, strict=True)]
    np.testing.assert_array_equal(fit_descent_slopes(SIZES, epochs, slopes), alone)


def test_polynomials_are_those_of_numpy() -> None:
    epochs, _, slopes = samples(4)
    fitted = zip(fit_minimizing_epochs(SIZES, epochs), fit_descent_slopes(SIZES, epochs, slopes), strict=True)
    num_lines = num_bent = 0
    for theta, alpha, (line, parabola) in zip(epochs, slopes, fitted, strict=True):
        known = np.flatnonzero(np.isfinite(theta))
        least = known[theta[known].argmin()] if len(known) else 0
        falling = [
            each for each in known if each == least or (each < least and theta[each] > theta[known[known > each][0]])
        ]
        assert np.isnan(line).all() == (len(falling) < 3)
        if len(falling) > 2:
            assert line == pytest.approx(np.polyfit(X[falling], theta[falling] ** (-1 / 3), 1))
            num_lines += 1
        sloping = [place for place in falling if alpha[place]]
        assert np.isnan(parabola).all() == (len(sloping) < 4)
        if len(sloping) > 3 and parabola.l > 0:
            expected = np.polyval(np.polyfit(X[sloping], alpha[sloping], 2), X)
            np.testing.assert_allclose(parabola.predict(SIZES), expected, rtol=1e-7, atol=1e-9)
            num_bent += 1
    assert num_lines > 10
    assert num_bent > 5
