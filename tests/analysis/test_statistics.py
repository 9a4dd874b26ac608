"""Intervals, resolution, the best of many and components of variance: by hand, against statsmodels, by simulation."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_ind, ttest_rel

from analysis.statistics.best_subset import may_be_least
from analysis.statistics.mean_intervals import check_level, half_width, paired_interval, unpaired_interval
from analysis.statistics.resolution import repetitions_for, resolved
from analysis.statistics.variance_components import components
from survey.errors import InputError

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]

DRAWS: dict[str, Draw] = {
    "normal": lambda random, shape: random.normal(size=shape),
    "skewed": lambda random, shape: np.exp(0.5 * random.normal(size=shape)),
    "heavy tails": lambda random, shape: random.standard_t(3, shape),
    "one of ten fails": lambda random, shape: random.normal(size=shape) + 5 * (random.random(shape) < 0.1),
}


def example() -> np.ndarray:
    """Scores on a grid of three axes, with interactions, four repetitions and an effect of these: (2, 3, 2, 4)."""
    a, b, c, repetition = np.indices((2, 3, 2, 4))
    wave = 0.2 * np.sin(3.0 * np.arange(48)).reshape(a.shape)
    return a + 0.5 * b + 0.4 * a * b + 0.3 * b * c + 0.25 * repetition + wave


def test_a_paired_interval_by_hand():
    """Differences 1, 2, 3: mean 2, standard error 1 / sqrt(3), and 4.3027 is the quantile for 2 degrees of freedom."""
    found = paired_interval([5, 5, 5], [6, 7, 8], 0.95)
    assert found.estimate == 2
    assert found.high - 2 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert 2 - found.low == pytest.approx(found.high - 2)


def test_intervals_are_those_of_scipy():
    random = np.random.default_rng(0)
    a, b = random.normal(size=7), random.normal(1, 3, size=7)
    by_pairs = ttest_rel(b, a).confidence_interval(0.9)
    assert paired_interval(a, b, 0.9)[1:] == pytest.approx((by_pairs.low, by_pairs.high))
    welch = ttest_ind(b[:4], a, equal_var=False).confidence_interval(0.9)
    assert unpaired_interval(a, b[:4], 0.9)[1:] == pytest.approx((welch.low, welch.high))
    one = ttest_1samp(a, 0).confidence_interval(0.9)
    assert half_width(a.std(ddof=1), len(a), 0.9) == pytest.approx((one.high - one.low) / 2)


def test_intervals_of_few_or_equal_values():
    assert np.isnan(paired_interval([1.0], [2.0], 0.95)[1:]).all()
    assert paired_interval([1.0], [2.0], 0.95).estimate == 1
    assert np.isnan(unpaired_interval([1.0], [2.0, 3.0], 0.95)[1:]).all()
    assert paired_interval([1, 2, 3], [3, 4, 5], 0.95) == (2, 2, 2)
    assert unpaired_interval([1, 1, 1], [3, 3], 0.95) == (2, 2, 2)
    assert np.isnan(half_width([0.5, 0.5], [1, 0], 0.95)).all()


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, math.nan, "0.95", ["val_loss"], None])
def test_a_level_is_between_0_and_1(level):
    with pytest.raises(InputError, match=r"expected a number between 0 and 1, such as 0\.95"):
        check_level(level)


def covered(draw: Draw, repetitions: int, interval: Callable[..., tuple[float, float, float]], samples: int) -> float:
    """How often the interval of the difference of two settings with the same distribution contains zero."""
    random = np.random.default_rng(repetitions)
    both = draw(random, (samples, 2, repetitions))
    ends = np.array([interval(a, b, 0.95) for a, b in both])
    return float(((ends[:, 1] <= 0) & (ends[:, 2] >= 0)).mean())


@pytest.mark.scale
@pytest.mark.parametrize("repetitions", [5, 10, 24, 30])
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
def test_intervals_of_differences_contain_the_truth_as_often_as_they_say(draw, repetitions):
    assert 0.93 <= covered(draw, repetitions, paired_interval, 10_000) <= 0.97
    # With the rounding of its degrees of freedom, Welch's is a little wide for five runs with outliers.
    assert 0.93 <= covered(draw, repetitions, unpaired_interval, 10_000) <= (0.98 if repetitions == 5 else 0.97)


def test_intervals_of_differences_of_normal_scores_contain_the_truth():
    assert 0.93 <= covered(DRAWS["normal"], 5, paired_interval, 2000) <= 0.97


def test_what_is_resolved_is_found_in_four_of_five():
    """5 pairs of differences of standard deviation 1, and a mean difference of what is said to be resolved."""
    random = np.random.default_rng(0)
    shift = resolved(1.0, 5, paired=True)
    differences = random.normal(shift, 1, (20_000, 5))
    half = half_width(differences.std(1, ddof=1), 5, 0.95)
    assert np.mean(differences.mean(1) > half) == pytest.approx(0.8, abs=0.01)
    scores = random.normal(0, 2, (2, 20_000, 6))
    gap = scores[1].mean(1) + resolved(2.0, 6, paired=False) - scores[0].mean(1)
    pooled = np.sqrt(scores.var(2, ddof=1).mean(0))
    assert np.mean(gap > 2.228139 * pooled * math.sqrt(2 / 6)) == pytest.approx(0.8, abs=0.01)


def test_more_repetitions_resolve_less():
    assert math.isnan(resolved(1.0, 1, paired=True))
    assert resolved(2.0, 10, paired=True) == 2 * resolved(1.0, 10, paired=True)
    for paired in (True, False):
        for repetitions in (2, 5, 10, 30):
            needed = repetitions_for(0.5, repetitions, paired=paired)
            aim = resolved(1.0, repetitions, paired=paired) / 2
            assert resolved(1.0, needed, paired=paired) <= aim < resolved(1.0, needed - 1, paired=paired)
    assert repetitions_for(0.5, 30, paired=False) in range(115, 121)  # nearly four times as many
    assert repetitions_for(0.5, 5, paired=True) in range(12, 18)  # fewer, as few make the interval wider still


def test_the_best_and_what_cannot_be_told_from_it():
    luck = np.array([0.0, 3.0, -2.0, 1.0, 5.0])
    wave = np.array([0.1, -0.1, 0.05, -0.05, 0.0])
    scores = luck + np.array([[0.0], [0.02], [9.0]]) + np.stack([0 * wave, wave, -wave])
    assert may_be_least(scores, paired=True, level=0.95).tolist() == [True, True, False]
    assert may_be_least(scores, paired=False, level=0.95).tolist() == [True, True, False]
    near = scores - np.array([[0.0], [0.0], [8.0]])
    assert may_be_least(near, paired=True, level=0.95).tolist() == [True, True, False]
    assert may_be_least(near, paired=False, level=0.95).tolist() == [True, True, True]  # the luck hides it
    assert may_be_least(near, paired=True, level=0.95, rivals=10**9).tolist() == [True, True, True]


def test_the_best_of_equal_or_single_settings():
    assert may_be_least(np.ones((4, 3)), paired=True, level=0.95).all()
    assert may_be_least(np.ones((4, 3)) * [[1], [2], [1], [3]], paired=True, level=0.95).tolist() == [1, 0, 1, 0]
    assert may_be_least([[3.0, 4.0]], paired=True, level=0.95).tolist() == [True]


@pytest.mark.scale
@pytest.mark.parametrize("paired", [True, False], ids=["paired", "unpaired"])
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
@pytest.mark.parametrize("repetitions", [5, 10, 30])
def test_the_truly_best_is_among_those_that_may_be_it(draw, paired, repetitions):
    """Eight settings of which some are equally good, the others a little worse; noise grows from one to the next."""
    random = np.random.default_rng(repetitions)
    means, spread = np.repeat([0.0, 0.3], 4), np.linspace(0.5, 1.5, 8)
    expected = float(draw(random, (1_000_000,)).mean())
    found = 0
    for _ in range(1500):
        scores = means[:, None] + spread[:, None] * (draw(random, (8, repetitions)) - expected)
        luck = random.normal(size=repetitions) if paired else 0.0
        found += bool(may_be_least(scores + luck, paired=paired, level=0.95)[0])
    assert found / 1500 >= 0.93


@pytest.mark.scale
@pytest.mark.parametrize("paired", [True, False], ids=["paired", "unpaired"])
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
@pytest.mark.parametrize("repetitions", [5, 30])
def test_logarithms_of_losses_leave_fewer_that_may_be_the_best(draw, paired, repetitions):
    """Losses from 1 to 25, four of 1; the spread of all is a fifth of them, and luck multiplies all of a repetition."""
    random = np.random.default_rng(repetitions)
    means = np.r_[np.ones(4), np.geomspace(1.1, 25, 28)]
    reference = draw(random, (100_000,))
    found = {"losses": [], "logarithms": []}
    for _ in range(300):
        noise = np.clip((draw(random, (32, repetitions)) - reference.mean()) / reference.std(), -3.5, None)
        luck = np.exp(0.1 * random.normal(size=repetitions)) if paired else 1.0
        losses = means[:, None] * (1 + 0.2 * noise) * luck
        found["losses"].append(may_be_least(losses, paired=paired, level=0.95))
        found["logarithms"].append(may_be_least(np.log(losses), paired=paired, level=0.95))
    kept = {name: np.mean(each, axis=0) for name, each in found.items()}
    assert kept["logarithms"][0] >= 0.95
    # With 30 runs little is left to tell apart, and heavy tails weigh a little more in logarithms.
    assert kept["logarithms"].sum() < (0.9 if repetitions == 5 else 1.05) * kept["losses"].sum()


def test_components_by_hand():
    """Two axes of two levels, one run each: means 0, 2, 2, 8; grand mean 3, main effects 2 each, interaction 1."""
    found = components(np.array([[[0.0], [2.0]], [[2.0], [8.0]]]), paired=False)
    assert found.terms == {(0,): 4.0, (1,): 4.0, (0, 1): 1.0}
    assert found.higher == 0
    assert math.isnan(found.noise)
    assert found.total == 9


STATSMODELS = {
    False: {
        (0,): 0.4894238962961857,
        (1,): 0.475932505086879,
        (2,): 0.019778850435586037,
        (0, 1): 0.02451832080712411,
        (0, 2): 0.0,
        (1, 2): 0.009502894759428747,
        "higher": 0.0,
        "noise": 0.12979441931780683,
        "repetition": 0.0,
    },
    True: {
        (0,): 0.4915663666469663,
        (1,): 0.48021744578844006,
        (2,): 0.02192132078636656,
        (0, 1): 0.028803261508685132,
        (0, 2): 0.0,
        (1, 2): 0.01378783546098974,
        "higher": 0.0,
        "noise": 0.02695584248034176,
        "repetition": 0.10283857683746524,
    },
}
"""Numbers of statsmodels 0.15.0, unpaired and paired, as `with_statsmodels` computes them."""


@pytest.mark.parametrize("paired", [True, False])
def test_components_are_those_of_statsmodels(paired):
    found = components(example(), paired=paired)
    told = {**found.terms, "higher": found.higher, "noise": found.noise, "repetition": found.repetition}
    assert told == {name: pytest.approx(value, abs=1e-12) for name, value in STATSMODELS[paired].items()}


@pytest.mark.parametrize("paired", [True, False])
def test_the_numbers_of_statsmodels_are_still_its_own(paired):
    pytest.importorskip("statsmodels", reason="statsmodels is not installed")
    assert with_statsmodels(paired) == {name: pytest.approx(value) for name, value in STATSMODELS[paired].items()}


def with_statsmodels(paired: bool) -> dict[object, float]:
    """Each d (MS - MS of the residual) / (N R) of its table; if paired, with the repetition as a block."""
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    scores = example()
    places = dict(zip("abcr", np.indices(scores.shape).reshape(4, -1), strict=True))
    block = " + C(r)" if paired else ""
    table = anova_lm(ols(f"y ~ C(a)*C(b)*C(c){block}", {**places, "y": scores.ravel()}).fit())
    noise = float(table.loc["Residual", "mean_sq"])
    found = {name: max(0.0, row["df"] * (row["mean_sq"] - noise) / scores.size) for name, row in table.iterrows()}
    terms = {"C(a)": (0,), "C(b)": (1,), "C(c)": (2,), "C(a):C(b)": (0, 1), "C(a):C(c)": (0, 2), "C(b):C(c)": (1, 2)}
    told: dict[object, float] = {key: found[name] for name, key in terms.items()}
    repetition = (table.loc["C(r)", "mean_sq"] - noise) / 12 if paired else 0.0
    return {**told, "higher": found["C(a):C(b):C(c)"], "noise": noise, "repetition": repetition}


def test_components_do_not_count_noise_as_effects():
    """Over many surveys without any effect, terms are near 0 on average before they are cut there, and small after."""
    random = np.random.default_rng(0)
    found = [components(random.normal(size=(3, 4, 5)), paired=False) for _ in range(300)]
    assert np.mean([each.noise for each in found]) == pytest.approx(1, abs=0.05)
    assert np.mean([each.terms[0,] for each in found]) < 0.03
    assert np.median([each.terms[0, 1] for each in found]) < 0.01


def test_components_of_constant_scores_and_of_one_setting():
    constant = components(np.full((2, 3, 4), 7.0), paired=True)
    assert constant.total == constant.noise == constant.repetition == 0
    alone = components(np.array([[1.0, 3.0]]), paired=True)
    assert alone.terms == {(0,): 0.0}
    assert alone.noise == 2


def test_what_a_repetition_does_to_all_settings_is_no_noise():
    luck = np.array([0.0, 10.0, -5.0, 2.0])
    scores = np.arange(6.0).reshape(2, 3, 1) + luck
    found = components(scores, paired=True)
    assert found.noise == pytest.approx(0)
    assert found.repetition == pytest.approx(luck.var(ddof=1))
    assert components(scores, paired=False).noise == pytest.approx(luck.var(ddof=1))
