"""Random draws of a run: what they are distributed as, what they depend on, and that they never change."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from survey.networks.rows import RowCounts, count_rows
from survey.networks.training import streams

# Results are only repeatable for as long as these hold: if one has to be changed, TRAINING_VERSION goes up.
FROZEN_TRAIN = [11, 7, 0, 10, 8, 3, 4, 2, 5]
FROZEN_TEST = [9, 6, 1]
LARGEST_SEED = (1 << 63) - 1


@given(num_rows=st.integers(2, 3000), seed=st.integers(0, LARGEST_SEED))
def test_a_split_holds_every_row_once(num_rows, seed):
    train, test = streams.split(num_rows, seed=seed)
    assert len(test) == (num_rows + 4) // 5
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(num_rows))


@pytest.mark.parametrize(
    ("num_rows", "num_test"), [(5, 1), (6, 2), (10, 2), (11, 3), (15, 3), (4898, 980), (20640, 4128), (105908, 21182)]
)
def test_the_test_set_is_a_fifth_rounded_up(num_rows, num_test):
    train, test = streams.split(num_rows, seed=1)
    assert (len(train), len(test)) == (num_rows - num_test, num_test)


def test_splits_are_shuffled_and_differ_by_seed():
    splits = [streams.split(100, seed=seed) for seed in range(20)]
    assert len({tuple(test.tolist()) for _, test in splits}) == 20
    assert len({frozenset(test.tolist()) for _, test in splits}) == 20
    assert all(train.tolist() != sorted(train.tolist()) for train, _ in splits)


def test_every_row_is_as_likely_a_test_row():
    counts = torch.zeros(50)
    for seed in range(2000):
        counts[streams.split(50, seed=seed)[1]] += 1
    chi_square = float(((counts - 400) ** 2 / (400 * 0.8)).sum())
    assert 15 < chi_square < 110  # 49 degrees of freedom: both bounds are past 1 in 10^6


@given(
    num_rows=st.integers(1, 2000),
    epoch=st.integers(1, 30000),
    seeds=st.lists(st.integers(0, LARGEST_SEED), min_size=1, max_size=4),
)
def test_epoch_orders_are_permutations_and_the_same_for_fused_and_single(num_rows, epoch, seeds):
    fused = streams.epoch_orders(num_rows, seeds=seeds, epoch=epoch)
    assert fused.dtype == torch.int64
    assert fused.shape == (len(seeds), num_rows)
    for order, seed in zip(fused, seeds, strict=True):
        assert sorted(order.tolist()) == list(range(num_rows))
        assert torch.equal(order, streams.epoch_orders(num_rows, seeds=[seed], epoch=epoch)[0])


def test_epoch_orders_differ_by_epoch_and_seed():
    orders = [tuple(streams.epoch_orders(64, seeds=[s], epoch=e)[0].tolist()) for s in range(20) for e in range(1, 21)]
    assert len(set(orders)) == 400


def test_an_order_does_not_hang_on_what_was_drawn_before():
    expected = streams.epoch_orders(40, seeds=[3], epoch=7)
    streams.split(40, seed=3)
    torch.rand(5)
    torch.manual_seed(0)
    assert torch.equal(streams.epoch_orders(40, seeds=[3], epoch=7), expected)


def test_every_place_is_as_likely():
    """Where a row comes in an epoch's order, over epochs and over seeds."""
    rows, draws = 10, 3000
    over_epochs = torch.cat([streams.epoch_orders(rows, seeds=[5], epoch=epoch) for epoch in range(1, draws + 1)])
    over_seeds = streams.epoch_orders(rows, seeds=list(range(draws)), epoch=1)
    for orders in (over_epochs, over_seeds):
        counts = torch.stack([(orders == row).sum(0) for row in range(rows)]).double()
        chi_square = float(((counts - draws / rows) ** 2 / (draws / rows)).sum())
        assert 35 < chi_square < 150  # 81 degrees of freedom
        # And neighbours: of the 90 ordered pairs each is as likely to stand first and second.
        pairs = torch.bincount(orders[:, 0] * rows + orders[:, 1], minlength=rows * rows).double()
        pairs = pairs[pairs.nonzero()[:, 0]]
        assert len(pairs) == 90
        chi_square = float(((pairs - draws / 90) ** 2 / (draws / 90)).sum())
        assert 35 < chi_square < 160  # 89 degrees of freedom


def test_split_order_and_noise_have_streams_of_their_own():
    split = torch.cat(streams.split(50, seed=9)[::-1])
    order = streams.epoch_orders(50, seeds=[9], epoch=1)[0]
    noise_rows = streams._permutation(50, streams._keys([streams._key(9, streams.Purpose.NOISE_ROWS)]))[0]
    assert not torch.equal(split, order)
    assert not torch.equal(split, noise_rows)
    assert not torch.equal(order, noise_rows)


def test_initial_kernels_are_glorot_uniform_and_biases_zero():
    widths, num_inputs = (300, 40, 7), 100
    layers = streams.initial_parameters(widths, num_inputs, seed=4, dtype=torch.float64)
    assert len(layers) == 3
    for (kernel, bias), fan_in, fan_out in zip(layers, (100, 300, 40), widths, strict=True):
        assert kernel.shape == (fan_in, fan_out)
        assert bias.shape == (fan_out,)
        assert not bias.any()
        limit = math.sqrt(6 / (fan_in + fan_out))
        scaled = (kernel / limit).flatten()
        assert scaled.abs().max() < 1
        assert scaled.abs().max() > 0.98
        n = len(scaled)
        assert abs(float(scaled.mean())) < 5 * math.sqrt(1 / 3 / n)
        counts = torch.histc(scaled, 10, -1, 1)
        assert float(((counts - n / 10) ** 2 / (n / 10)).sum()) < 50  # 9 degrees of freedom


def test_layers_and_seeds_have_parameters_of_their_own():
    one = streams.initial_parameters((5, 5, 5), 5, seed=1)
    other = streams.initial_parameters((5, 5, 5), 5, seed=2)
    kernels = {tuple(kernel.flatten().tolist()) for kernel, _ in (*one, *other)}
    assert len(kernels) == 6


def test_float32_parameters_are_the_rounded_float64_ones():
    single = streams.initial_parameters((33, 7), 20, seed=5)
    double = streams.initial_parameters((33, 7), 20, seed=5, dtype=torch.float64)
    for (kernel, bias), (exact, _) in zip(single, double, strict=True):
        assert kernel.dtype == bias.dtype == torch.float32
        assert torch.equal(kernel, exact.float())
        assert not torch.equal(kernel.double(), exact)


@pytest.mark.parametrize(
    ("rows", "noise"), [(1000, 0.05), (999, 0.15), (20, 0.15), (7, 0.1), (160, 0.2), (50, 1.0), (50, 0.0)]
)
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_label_noise_changes_exactly_its_share_of_labels(rows, noise, classes):
    labels = torch.arange(rows) % classes
    before = labels.clone()
    changed = streams.noisy_labels(labels, classes, noise, seed=8)
    assert torch.equal(labels, before), "the labels given stay as they are"
    assert changed.dtype == torch.int64
    assert int((changed != labels).sum()) == math.floor(noise * rows)
    assert changed.min() >= 0
    assert changed.max() < classes


def test_noisy_labels_are_uniform_over_the_other_classes_and_over_the_rows():
    rows, classes, draws = 40, 4, 1500
    labels = torch.arange(rows) % classes
    table, touched = torch.zeros(classes, classes), torch.zeros(rows)
    for seed in range(draws):
        changed = streams.noisy_labels(labels, classes, 0.25, seed=seed)
        where = changed != labels
        touched += where
        table.index_put_((labels[where], changed[where]), torch.ones(int(where.sum())), accumulate=True)
    assert not table.diagonal().any()
    expected = draws * 10 / 12
    off_diagonal = table[~torch.eye(classes, dtype=torch.bool)]
    assert float(((off_diagonal - expected) ** 2 / expected).sum()) < 45  # 11 degrees of freedom
    assert float(((touched - draws / 4) ** 2 / (draws / 4 * 0.75)).sum()) < 100  # 39 degrees of freedom


def test_noisy_labels_differ_by_seed():
    labels = torch.zeros(200, dtype=torch.int64)
    assert len({tuple(streams.noisy_labels(labels, 5, 0.1, seed=seed).tolist()) for seed in range(10)}) == 10


@pytest.mark.parametrize("noise", [0.05, 0.2])
def test_noise_on_values_is_gaussian_of_each_outputs_own_deviation(noise):
    generator = torch.Generator().manual_seed(0)
    targets = torch.rand(50_000, 2, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 10.0])
    noisy = streams.noisy_values(targets, noise, seed=6)
    added = ((noisy - targets) / (noise * targets.std(dim=0, correction=0))).numpy()
    assert added.mean(0) == pytest.approx(0, abs=0.02)
    assert added.std(0) == pytest.approx(1, abs=0.02)
    assert abs(np.corrcoef(added.T)[0, 1]) < 0.02
    assert (np.abs(added) < 1).mean() == pytest.approx(0.6827, abs=0.01)
    assert (np.abs(added) < 2).mean() == pytest.approx(0.9545, abs=0.005)


def test_the_deviation_of_noise_is_that_of_the_population():
    # Two values 0 and 1 deviate by 0.5 as a population, and by 0.7071 as a sample; the draws are the same as those
    # of any other pair, so that their ratio is exact.
    pair, known = torch.tensor([[0.0], [1.0]], dtype=torch.float64), torch.tensor([[0.0], [2.0]], dtype=torch.float64)
    ratio = (streams.noisy_values(known, 1.0, seed=6) - known) / (streams.noisy_values(pair, 1.0, seed=6) - pair)
    assert ratio.flatten().tolist() == pytest.approx([2.0, 2.0])
    added = torch.stack([streams.noisy_values(pair, 1.0, seed=seed) - pair for seed in range(2000)])
    assert float(added.std()) == pytest.approx(0.5, abs=0.03)


def test_noise_keeps_the_type_and_the_targets_given():
    targets = torch.rand(30, 1)
    before = targets.clone()
    noisy = streams.noisy_values(targets, 0.1, seed=1)
    assert noisy.dtype == torch.float32
    assert torch.equal(targets, before)
    assert not torch.equal(noisy, targets)
    assert torch.equal(streams.noisy_values(targets, 0.0, seed=1), targets)


def test_splits_never_change():
    train, test = streams.split(12, seed=1)
    assert train.tolist() == FROZEN_TRAIN
    assert test.tolist() == FROZEN_TEST
    train, test = streams.split(12, seed=LARGEST_SEED)
    assert test.tolist() == [11, 1, 9]
    assert train.tolist() == [0, 7, 2, 8, 3, 5, 4, 6, 10]


def test_epoch_orders_never_change():
    assert streams.epoch_orders(8, seeds=[1, 2], epoch=1).tolist() == [
        [3, 1, 6, 4, 0, 2, 7, 5],
        [4, 3, 0, 2, 7, 5, 6, 1],
    ]
    assert streams.epoch_orders(8, seeds=[1], epoch=2).tolist() == [[2, 3, 1, 5, 7, 6, 0, 4]]


@pytest.mark.parametrize(
    ("name", "scale", "fan"),
    [
        ("glorot_uniform", 1.0, "average"),
        ("glorot_normal", 1.0, "average"),
        ("he_uniform", 2.0, "in"),
        ("he_normal", 2.0, "in"),
        ("lecun_normal", 1.0, "in"),
    ],
)
def test_initial_weights_are_those_of_keras(name, scale, fan):
    """`VarianceScaling` of Keras: uniform, or normal and truncated at two of its own standard deviations."""
    fan_in, fan_out = 200, 100
    draws = streams._uniform(fan_in * fan_out, streams._key(4, streams.Purpose.PARAMETERS, 0)).numpy()
    ((kernel, bias),) = streams.initial_parameters((fan_out,), fan_in, seed=4, dtype=torch.float64, initialization=name)
    variance = scale / (fan_in if fan == "in" else (fan_in + fan_out) / 2)
    if name.endswith("uniform"):
        expected = stats.uniform(-math.sqrt(3 * variance), 2 * math.sqrt(3 * variance)).ppf(draws)
    else:
        expected = stats.truncnorm(-2, 2, scale=math.sqrt(variance) / 0.87962566103423978).ppf(draws)
    np.testing.assert_allclose(kernel.numpy().ravel(), expected, rtol=1e-8, atol=1e-12)
    assert float(kernel.var()) == pytest.approx(variance, rel=0.05)
    assert not bias.any()


def test_initial_parameters_never_change():
    (first, _), (second, _) = streams.initial_parameters((2, 1), 2, seed=1)
    # Draws of 24 bits: float32 has them whole, so the comparison is exact.
    assert first.tolist() == [
        [-0.48575857281684875, -1.0885396003723145],
        [-0.3458132743835449, 1.1046069860458374],
    ]
    assert second.tolist() == [[1.05296790599823], [1.394966721534729]]


def test_noise_never_changes():
    labels = torch.arange(10) % 4
    assert streams.noisy_labels(labels, 4, 0.5, seed=1).tolist() == [0, 0, 2, 3, 1, 1, 0, 0, 0, 2]
    values = streams.noisy_values(torch.linspace(0, 1, 4, dtype=torch.float64)[:, None], 0.5, seed=1)
    expected = [-0.3296541185054647, 0.7656917323363437, 0.7904470941762503, 1.2770800556203796]
    assert values.flatten().tolist() == pytest.approx(expected, rel=1e-12)


def test_purposes_keep_their_numbers():
    assert {purpose.name: int(purpose) for purpose in streams.Purpose} == {
        "SPLIT": 1,
        "PARAMETERS": 2,
        "ORDER": 3,
        "NOISE_ROWS": 4,
        "NOISE_VALUES": 5,
        "DROPOUT": 6,
        "MODULE_PARAMETERS": 7,
        "MODULE_DRAWS": 8,
        "MODULE_DROPOUT": 9,
    }


def test_the_generator_is_splitmix64():
    """The first words of SplitMix64 from state 1234567, from its public reference implementation."""
    words = streams._words(3, streams._keys([1234567]))[0].tolist()
    assert [word % (1 << 64) for word in words] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


# ---------------------------------------------------------------- validation sets and fewer training rows


@given(
    num_rows=st.integers(5, 500),
    validation_split=st.sampled_from([0.0, 0.05, 0.1, 0.5]),
    train_fraction=st.sampled_from([0.01, 0.3, 1.0]),
    seed=st.integers(0, LARGEST_SEED),
)
def test_a_row_is_for_one_thing_alone(num_rows, validation_split, train_fraction, seed):
    counts = count_rows(num_rows, validation_split, train_fraction)
    rows = streams.draw_rows(num_rows, counts, seed=seed)
    assert tuple(map(len, rows)) == counts
    used = torch.cat(rows).tolist()
    assert len(set(used)) == len(used) == counts.used
    assert torch.equal(rows.test, streams.split(num_rows, seed=seed)[1]), "the test set is that without validation"


def test_smaller_sets_are_part_of_larger_ones():
    for seed in range(20):
        drawn = {
            (split, fraction): streams.draw_rows(203, count_rows(203, split, fraction), seed=seed)
            for split in (0.0, 0.1, 0.2)
            for fraction in (0.25, 0.5, 1.0)
        }
        assert {*drawn[0.1, 1.0].validation.tolist()} < {*drawn[0.2, 1.0].validation.tolist()}
        for split in (0.0, 0.1, 0.2):
            fewer, more, all_rows = (drawn[split, fraction].train for fraction in (0.25, 0.5, 1.0))
            assert torch.equal(fewer, more[: len(fewer)])
            assert torch.equal(more, all_rows[: len(more)])
            assert torch.equal(drawn[split, 0.25].validation, drawn[split, 1.0].validation)
        assert torch.equal(drawn[0.0, 1.0].train, streams.split(203, seed=seed)[0])


def test_every_row_is_as_likely_to_be_validated_with():
    counts = torch.zeros(50)
    for seed in range(2000):
        counts[streams.draw_rows(50, count_rows(50, 0.25, 1.0), seed=seed).validation] += 1
    chi_square = float(((counts - 400) ** 2 / (400 * 0.8)).sum())
    assert 15 < chi_square < 110  # 49 degrees of freedom


def test_of_a_given_split_only_the_order_of_training_is_drawn():
    parts = torch.tensor([0, 0, 0, 1, 2, 2] * 20)
    one, other = (streams.draw_rows(120, RowCounts(60, 20, 40), seed=seed, parts=parts) for seed in (1, 2))
    assert torch.equal(one.test, other.test)
    assert torch.equal(one.validation, (parts == 1).nonzero()[:, 0])
    assert torch.equal(one.train.sort().values, (parts == 0).nonzero()[:, 0])
    assert not torch.equal(one.train, other.train)
    fewer = streams.draw_rows(120, RowCounts(15, 20, 40), seed=1, parts=parts)
    assert torch.equal(fewer.train, one.train[:15])


@pytest.mark.parametrize(
    ("num_rows", "validation_split", "train_fraction", "expected"),
    [
        (100, 0.0, 1.0, (80, 0, 20)),
        (100, 0.1, 1.0, (72, 8, 20)),
        (101, 0.1, 1.0, (72, 8, 21)),
        (125, 0.07, 1.0, (93, 7, 25)),  # 0.07 x 100 is 7.000000000000001 in binary
        (125, 0.01, 0.07, (7, 1, 25)),
        (125, 1e-9, 1e-9, (1, 1, 25)),
        (5, 0.75, 1.0, (1, 3, 1)),
        (5, 0.8, 1.0, (0, 4, 1)),
    ],
)
def test_parts_of_rows_are_rounded_up(num_rows, validation_split, train_fraction, expected):
    assert count_rows(num_rows, validation_split, train_fraction) == expected
